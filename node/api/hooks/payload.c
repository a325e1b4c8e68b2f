/* payload.c: three providers' payloads become one.
 *
 * Which files changed is said by lists in each commit, and those are cut: GitHub's (formerly at 20
 * commits, now at 2048) without saying so, GitLab's at 20 with the true number beside them,
 * Bitbucket has none. Where they may be incomplete (a full list, a branch that is new, a push that
 * is no continuation of what was there) everything counts as changed: better to build in vain than
 * not to build. So lists of that length need not be read: of a large body they are left out before
 * it becomes a tree. */
#include "node/api/hooks/payload.h"

#include <string.h>

#include "base/crypto.h"
#include "base/git_url.h"

enum { COMMITS_LISTED_MAX = 20, FILES_LISTED_MAX = 300 };

static const struct {
    const char *name;
    const char *signature;
    const char *event;
    const char *delivery[2];
} providers[] = {
    [HOOK_GITHUB] = {"github",
                     "x-hub-signature-256",
                     "x-github-event",
                     {"x-github-delivery", NULL}},
    [HOOK_GITLAB] = {"gitlab",
                     "x-gitlab-token",
                     "x-gitlab-event",
                     {"idempotency-key", "x-gitlab-event-uuid"}},
    [HOOK_BITBUCKET] = {"bitbucket",
                        "x-hub-signature",
                        "x-event-key",
                        {"x-request-uuid", "x-request-id"}},
};

const char *hook_provider_name(enum hook_provider provider)
{
    return providers[provider].name;
}

enum hook_provider hook_provider_named(struct slice name)
{
    int i = 0;
    while (i < HOOK_PROVIDERS && !slice_eq_cstr(name, providers[i].name)) {
        i++;
    }
    return (enum hook_provider)i;
}

const char *hook_signature_header(enum hook_provider provider)
{
    return providers[provider].signature;
}

const char *hook_event_header(enum hook_provider provider)
{
    return providers[provider].event;
}

const char *hook_delivery_header(enum hook_provider provider, int which)
{
    return providers[provider].delivery[which];
}

/* Tokens are compared by their hashes, which are of one length. */
bool hook_verify(enum hook_provider provider, struct slice secret, struct slice signature,
                 struct slice body)
{
    static const struct slice prefix = {"sha256=", 7};
    uint8_t wanted[SHA256_BYTES];
    uint8_t given[SHA256_BYTES] = {0};
    bool formed = true;
    if (provider == HOOK_GITLAB) {
        crypto_hmac_sha256(SLICE("token"), secret, wanted);
        crypto_hmac_sha256(SLICE("token"), signature, given);
    } else {
        struct buf bytes = {0};
        formed = slice_starts_with(signature, prefix) &&
                 hex_decode(&bytes, slice_sub(signature, prefix.len, SIZE_MAX)) &&
                 bytes.len == sizeof(given);
        if (formed) {
            memcpy(given, bytes.data, sizeof(given));
        }
        buf_free(&bytes);
        crypto_hmac_sha256(secret, body, wanted);
    }
    bool equal = crypto_equal(slice_make(wanted, sizeof(wanted)), slice_make(given, sizeof(given)));
    return equal && formed && secret.len > 0;
}

/* ---- large bodies ---- */

static size_t space_end(struct slice text, size_t at)
{
    while (at < text.len && memchr(" \t\r\n", text.data[at], 4) != NULL) {
        at++;
    }
    return at;
}

/* Behind the string that begins at `at`. */
static size_t string_end(struct slice text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++) {
        at += text.data[at] == '\\' ? 1 : 0;
    }
    return at < text.len ? at + 1 : text.len;
}

/* Behind the list that begins at `at`. */
static size_t list_end(struct slice text, size_t at)
{
    size_t depth = 0;
    while (at < text.len) {
        char c = text.data[at];
        if (c == '"') {
            at = string_end(text, at);
            continue;
        }
        depth += c == '[' || c == '{' ? 1 : 0;
        depth -= c == ']' || c == '}' ? 1 : 0;
        at++;
        if (depth == 0) {
            break;
        }
    }
    return at;
}

static bool lists_files(struct slice key)
{
    return slice_eq_cstr(key, "\"commits\"") || slice_eq_cstr(key, "\"added\"") ||
           slice_eq_cstr(key, "\"removed\"") || slice_eq_cstr(key, "\"modified\"");
}

void hook_thin(struct slice body, struct buf *out)
{
    size_t copied = 0;
    size_t at = 0;
    while (at < body.len) {
        if (body.data[at] != '"') {
            at++;
            continue;
        }
        size_t end = string_end(body, at);
        struct slice key = slice_sub(body, at, end - at);
        at = space_end(body, end);
        if (at == body.len || body.data[at] != ':') {
            continue; /* it is a value */
        }
        at = space_end(body, at + 1);
        if (at < body.len && body.data[at] == '[' && lists_files(key)) {
            buf_add(out, slice_sub(body, copied, at - copied));
            buf_add_cstr(out, "[]");
            copied = at = list_end(body, at);
        }
    }
    buf_add(out, slice_sub(body, copied, body.len));
}

int hook_parse(struct slice body, json_t **tree, struct err *err)
{
    struct buf thin = {0};
    if (body.len <= HOOK_WHOLE_BYTES) {
        return json_parse_body(body, tree, err);
    }
    hook_thin(body, &thin);
    int rc = json_parse_body(buf_slice(&thin), tree, err);
    buf_free(&thin);
    return rc;
}

/* ---- reading ---- */

static void add_url(struct hook_payload *out, struct slice url)
{
    if (url.len > 0 && out->url_count < HOOK_URLS_MAX) {
        out->urls[out->url_count++] = url;
    }
}

static int incomplete(enum hook_provider provider, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "this is no push as %s tells of one: %s",
                   providers[provider].name, what);
}

static bool is_zero(struct slice commit)
{
    for (size_t i = 0; i < commit.len; i++) {
        if (commit.data[i] != '0') {
            return false;
        }
    }
    return true;
}

/* "refs/heads/main" or "refs/tags/v1". */
static bool set_ref(struct hook_push *push, struct slice ref)
{
    static const struct slice heads = {"refs/heads/", 11};
    static const struct slice tags = {"refs/tags/", 10};
    if (slice_starts_with(ref, heads)) {
        push->branch = slice_sub(ref, heads.len, SIZE_MAX);
    } else if (slice_starts_with(ref, tags)) {
        push->tag = slice_sub(ref, tags.len, SIZE_MAX);
    }
    return git_ref_valid(push->branch.len > 0 ? push->branch : push->tag);
}

static struct hook_push *push_new(struct hook_payload *out)
{
    out->cut = out->cut || out->push_count == HOOK_PUSHES_MAX;
    if (out->push_count == HOOK_PUSHES_MAX) {
        return NULL;
    }
    struct hook_push *push = &out->pushes[out->push_count++];
    *push = (struct hook_push){0};
    return push;
}

static void set_before(struct hook_push *push, struct slice before, bool forced)
{
    bool known = git_commit_valid(before) && !is_zero(before);
    push->before = known ? before : (struct slice){0};
    push->forced = known && forced;
}

/* Do the lists of commits hold every file, as far as can be told? */
static bool all_files(const json_t *commits, struct slice after)
{
    static const char *const lists[] = {"added", "removed", "modified"};
    size_t count = json_array_size(commits);
    if (count == 0 || count >= COMMITS_LISTED_MAX ||
        !slice_eq(json_text_at(json_array_get(commits, count - 1), "id"), after)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 3; k++) {
            const json_t *files = json_object_get(json_array_get(commits, i), lists[k]);
            if (!json_is_array(files) || json_array_size(files) >= FILES_LISTED_MAX) {
                return false;
            }
        }
    }
    return true;
}

static int read_github(const json_t *body, struct hook_payload *out, struct err *err)
{
    const json_t *repository = json_object_get(body, "repository");
    struct hook_push *push = push_new(out);
    add_url(out, json_text_at(repository, "clone_url"));
    add_url(out, json_text_at(repository, "ssh_url"));
    add_url(out, json_text_at(repository, "html_url"));
    out->default_branch = json_text_at(repository, "default_branch");
    push->commit = json_text_at(body, "after");
    push->deleted = json_is_true(json_object_get(body, "deleted")) || is_zero(push->commit);
    push->commits = json_object_get(body, "commits");
    set_before(push, json_text_at(body, "before"), json_is_true(json_object_get(body, "forced")));
    push->files_known = !json_is_true(json_object_get(body, "created")) &&
                        !json_is_true(json_object_get(body, "forced")) &&
                        !is_zero(json_text_at(body, "before")) &&
                        all_files(push->commits, push->commit);
    bool named = set_ref(push, json_text_at(body, "ref"));
    struct slice head = json_text(json_at(body, "head_commit", "id", NULL));
    if (push->tag.len > 0 && head.len > 0) { /* an annotated tag is an object of its own */
        push->commit = head;
    }
    return named ? 0 : incomplete(HOOK_GITHUB, "ref", err);
}

static int read_gitlab(const json_t *body, struct hook_payload *out, struct err *err)
{
    const json_t *project = json_object_get(body, "project");
    struct hook_push *push = push_new(out);
    add_url(out, json_text_at(project, "git_http_url"));
    add_url(out, json_text_at(project, "git_ssh_url"));
    add_url(out, json_text_at(project, "web_url"));
    out->default_branch = json_text_at(project, "default_branch");
    push->commit = json_text_at(body, "checkout_sha");
    if (push->commit.len == 0) {
        push->commit = json_text_at(body, "after");
    }
    push->deleted = is_zero(json_text_at(body, "after"));
    push->commits = json_object_get(body, "commits");
    json_int_t total = json_integer_value(json_object_get(body, "total_commits_count"));
    /* It does not say that it was forced; one that brings no commit goes back. */
    set_before(push, json_text_at(body, "before"),
               total == 0 && json_array_size(push->commits) == 0 && json_is_array(push->commits));
    push->files_known = !is_zero(json_text_at(body, "before")) &&
                        total == (json_int_t)json_array_size(push->commits) &&
                        all_files(push->commits, push->commit);
    return set_ref(push, json_text_at(body, "ref")) ? 0 : incomplete(HOOK_GITLAB, "ref", err);
}

/* Cloud: push.changes[].new {type, name, target.hash}; null: it was deleted. */
static int read_bitbucket_cloud(const json_t *body, struct hook_payload *out, struct err *err)
{
    size_t i;
    json_t *change;
    add_url(out, json_text(json_at(body, "repository", "links", "html", "href", NULL)));
    json_array_foreach(json_at(body, "push", "changes", NULL), i, change)
    {
        struct hook_push *push = push_new(out);
        const json_t *now = json_object_get(change, "new");
        if (push == NULL) {
            break;
        }
        push->deleted = !json_is_object(now);
        struct slice name = json_text_at(now, "name");
        bool tag = slice_eq_cstr(json_text_at(now, "type"), "tag");
        push->tag = tag ? name : push->tag;
        push->branch = tag ? push->branch : name;
        push->commit = json_text(json_at(now, "target", "hash", NULL));
        set_before(push, json_text(json_at(change, "old", "target", "hash", NULL)),
                   json_is_true(json_object_get(change, "forced")));
        if (!push->deleted && !git_ref_valid(name)) {
            return incomplete(HOOK_BITBUCKET, "push.changes[].new.name", err);
        }
    }
    return out->push_count > 0 ? 0 : incomplete(HOOK_BITBUCKET, "push.changes", err);
}

/* Data Center: changes[] {ref.id, fromHash, toHash, type}. */
static int read_bitbucket_server(const json_t *body, struct hook_payload *out, struct err *err)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_at(body, "repository", "links", "clone", NULL), i, one)
    {
        add_url(out, json_text_at(one, "href"));
    }
    json_array_foreach(json_object_get(body, "changes"), i, one)
    {
        struct hook_push *push = push_new(out);
        if (push == NULL) {
            break;
        }
        push->deleted = slice_eq_cstr(json_text_at(one, "type"), "DELETE");
        push->commit = json_text_at(one, "toHash");
        set_before(push, json_text_at(one, "fromHash"), false);
        if (!set_ref(push, json_text(json_at(one, "ref", "id", NULL)))) {
            return incomplete(HOOK_BITBUCKET, "changes[].ref.id", err);
        }
    }
    return out->push_count > 0 ? 0 : incomplete(HOOK_BITBUCKET, "changes", err);
}

static bool is_push(enum hook_provider provider, struct slice event)
{
    static const char *const events[][2] = {
        [HOOK_GITHUB] = {"push", "push"},
        [HOOK_GITLAB] = {"Push Hook", "Tag Push Hook"},
        [HOOK_BITBUCKET] = {"repo:push", "repo:refs_changed"},
    };
    return slice_eq_cstr(event, events[provider][0]) || slice_eq_cstr(event, events[provider][1]);
}

int hook_read(enum hook_provider provider, struct slice event, const json_t *body,
              struct hook_payload *out, struct err *err)
{
    int rc = 0;
    *out = (struct hook_payload){0};
    if (!is_push(provider, event)) {
        out->ignored = "only pushes are acted on";
        return 0;
    }
    if (provider == HOOK_GITHUB) {
        rc = read_github(body, out, err);
    } else if (provider == HOOK_GITLAB) {
        rc = read_gitlab(body, out, err);
    } else if (slice_eq_cstr(event, "repo:push")) {
        rc = read_bitbucket_cloud(body, out, err);
    } else {
        rc = read_bitbucket_server(body, out, err);
    }
    if (rc == 0 && out->url_count == 0) {
        rc = incomplete(provider, "it names no repository", err);
    }
    size_t left = 0;
    for (size_t i = 0; rc == 0 && i < out->push_count; i++) {
        if (!out->pushes[i].deleted && !git_commit_valid(out->pushes[i].commit)) {
            rc = incomplete(provider, "it names no commit", err);
        }
        left += out->pushes[i].deleted ? 0 : 1;
    }
    out->ignored = left == 0 ? "a branch or tag was deleted" : NULL;
    return rc;
}

/* ---- files ---- */

static bool below(struct slice file, struct slice path)
{
    return slice_starts_with(file, path) && (file.len == path.len || file.data[path.len] == '/');
}

bool hook_touches(const struct hook_push *push, struct slice path)
{
    static const char *const lists[] = {"added", "removed", "modified"};
    size_t i;
    size_t k;
    json_t *commit;
    json_t *file;
    if (!push->files_known || path.len == 0) {
        return true;
    }
    json_array_foreach((json_t *)(uintptr_t)push->commits, i, commit)
    {
        for (size_t l = 0; l < 3; l++) {
            json_array_foreach(json_object_get(commit, lists[l]), k, file)
            {
                if (below(json_text(file), path)) {
                    return true;
                }
            }
        }
    }
    return false;
}
