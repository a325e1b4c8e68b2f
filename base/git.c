/* git.c: one lookup: info/refs, and in version 2 of the protocol a question for the refs.
 *
 *   GET info/refs?service=git-upload-pack -> [redirect: again there] -> version 0, 1: found or not
 *                                         -> version 2: POST git-upload-pack -> found or not
 *
 * An answer is read as it comes and only if it is a success of git's media type; of any other
 * nothing is kept. Errors are told with repository and ref in front, and what to do behind.
 * A lookup that brings a certificate authority has a fetcher of its own, so that connections which
 * one Secret vouches for are never another's; its memory goes when that has closed. */
#include "base/git.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

#define INFO_REFS "/info/refs?service=git-upload-pack"

enum step { ASKING_INFO, ASKING_REFS };

struct git_lookup_impl {
    struct list link;
    struct git_client *client;
    struct git_lookup *lookup;
    struct loop_timer deadline;
    struct loop_task refused; /* ends it without having asked anybody */
    struct fetcher own;
    bool has_own;
    bool fetching;
    bool canceled;
    bool timed_out;
    bool over;
    enum step step;
    unsigned redirects;
    size_t received;
    struct git_url url;
    struct arena arena;
    struct buf shown; /* the address, for messages */
    struct buf base;  /* the address, for requests */
    struct buf target;
    struct buf authorization;
    struct buf question;
    struct slice ref;
    struct fetch fetch;
    struct git_wire wire;
    struct err err; /* of what was read, or of the end */
    const char *headers[6];
    unsigned closing; /* handles that have not closed yet */
};

static void ask_info(struct git_lookup_impl *i);

/* ---- the end ---- */

static void check_client(struct git_client *c);

static void release(struct git_lookup_impl *i)
{
    if (--i->closing > 0) {
        return;
    }
    struct git_client *c = i->client;
    struct git_lookup *l = i->lookup;
    int rc = i->err.code;
    struct err err = i->err;
    list_remove(&i->link);
    fetch_clear(&i->fetch);
    git_wire_free(&i->wire);
    buf_free(&i->shown);
    buf_free(&i->base);
    buf_free(&i->target);
    buf_free(&i->authorization);
    buf_free(&i->question);
    arena_free(&i->arena);
    free(i);
    l->impl = NULL;
    l->done(l, rc, rc != 0 ? &err : NULL);
    check_client(c);
}

static void on_deadline_closed(struct loop_timer *timer)
{
    release(CONTAINER_OF(timer, struct git_lookup_impl, deadline));
}

static void on_own_closed(struct fetcher *f)
{
    release(CONTAINER_OF(f, struct git_lookup_impl, own));
}

/* With i->err as it is. done() comes once everything has closed. */
static void finish(struct git_lookup_impl *i)
{
    assert(!i->over && !i->fetching);
    i->over = true;
    loop_task_cancel(&i->refused);
    i->closing = i->has_own ? 2 : 1;
    loop_timer_close(&i->deadline, on_deadline_closed);
    if (i->has_own) {
        fetcher_close(&i->own, on_own_closed);
    }
}

static void fail(struct git_lookup_impl *i, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct git_lookup_impl *i, int code, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    err_set(&i->err, code, "%s", buf_cstr(&text));
    buf_free(&text);
    if (i->ref.len > 0) {
        err_wrap(&i->err, "repository %s, \"%.*s\"", buf_cstr(&i->shown), SLICE_ARG(i->ref));
    } else {
        err_wrap(&i->err, "repository %s", buf_cstr(&i->shown));
    }
    finish(i);
}

static void check_client(struct git_client *c)
{
    if (c->closing && list_empty(&c->lookups) && c->shared.impl == NULL && c->closed != NULL) {
        void (*closed)(struct git_client *) = c->closed;
        c->closed = NULL;
        closed(c);
    }
}

/* ---- what the refs say ---- */

static void judge(struct git_lookup_impl *i)
{
    const struct git_wire *w = &i->wire;
    if (w->commit[0] != '\0') {
        memcpy(i->lookup->commit, w->commit, sizeof(w->commit));
        memcpy(i->lookup->name, w->name, sizeof(w->name));
        i->err.code = 0;
        finish(i);
    } else if (w->ref_count == 0) {
        fail(i, ERR_NOT_FOUND,
             "it is empty, or has neither that nor a default branch: push a "
             "commit first");
    } else if (i->ref.len == 0) {
        fail(i, ERR_NOT_FOUND, "it has no default branch: name one");
    } else {
        fail(i, ERR_NOT_FOUND, "it has no such branch or tag");
    }
}

/* ---- redirects ---- */

/* The repository's address by the Location of an answer to its info/refs; false: it is none. */
static bool redirected(struct git_lookup_impl *i, struct slice location, struct err *err)
{
    struct git_url to;
    size_t end = slice_find(location, SLICE("/info/refs"));
    if (++i->redirects > GIT_REDIRECTS_MAX || end == SIZE_MAX ||
        git_url_parse(slice_sub(location, 0, end), &i->arena, &to, err) != 0) {
        return false;
    }
    bool safe = to.scheme == GIT_HTTPS || (to.scheme == GIT_HTTP && i->url.scheme == GIT_HTTP);
    bool same =
        to.scheme == i->url.scheme && to.port == i->url.port && slice_eq(to.host, i->url.host);
    if (!safe || slice_find(location, SLICE("://")) == SIZE_MAX) {
        return false;
    }
    if (!same) {
        buf_clear(&i->authorization);
    }
    i->url = to;
    buf_clear(&i->base);
    git_url_text(&to, &i->base);
    return true;
}

/* ---- answers ---- */

static void tell_status(struct git_lookup_impl *i)
{
    int status = i->fetch.status;
    uint64_t seconds = 0;
    bool asked = i->authorization.len > 0;
    if (slice_u64(fetch_header(&i->fetch, "retry-after"), &seconds) && seconds < 24 * 3600) {
        i->lookup->retry_after_ms = seconds * 1000;
    }
    switch (status) {
    case 401:
    case 403:
        fail(i, ERR_FORBIDDEN,
             asked ? "the server refuses the credentials (%d): look at the Secret's username and "
                     "password, or token, and at what they may read"
                   : "the server wants credentials (%d), or there is no such repository: name a "
                     "Secret with them in secretRef",
             status);
        break;
    case 404:
    case 410:
        fail(i, ERR_NOT_FOUND, "there is no such repository (%d)%s", status,
             asked ? ", or the credentials may not see it" : ", or it wants credentials");
        break;
    case 429:
        fail(i, ERR_BUSY, "the server asks to come back later (429)");
        break;
    default:
        fail(i, status >= 500 ? ERR_UNAVAILABLE : ERR_UNPROCESSABLE,
             status >= 500 ? "the server failed (%d)" : "it is no git repository (answer %d)",
             status);
    }
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_answer(const struct git_lookup_impl *i)
{
    struct slice type = fetch_header(&i->fetch, "content-type");
    return i->fetch.status == 200 &&
           slice_starts_with(type, i->step == ASKING_INFO
                                       ? SLICE("application/x-git-upload-pack-advertisement")
                                       : SLICE("application/x-git-upload-pack-result"));
}

static void on_data(struct fetch *f, struct slice in)
{
    struct git_lookup_impl *i = f->user;
    i->received += in.len;
    unsigned max_mb = i->client->answer_max_mb;
    if (i->received > (uint64_t)max_mb << 20) {
        err_set(&i->err, ERR_TOO_LARGE, "its list of branches and tags is larger than %u MB",
                max_mb);
    } else if (is_answer(i)) {
        (void)git_wire_feed(&i->wire, in, &i->err);
    }
    if (i->err.code != 0) {
        fetch_cancel(f);
    }
}

static void ask_refs(struct git_lookup_impl *i);

static void on_answer(struct git_lookup_impl *i)
{
    struct err err = {0};
    if (i->step == ASKING_INFO && is_redirect(i->fetch.status)) {
        if (redirected(i, fetch_header(&i->fetch, "location"), &err)) {
            ask_info(i);
        } else {
            fail(i, ERR_UNPROCESSABLE,
                 "the server redirects too often, or to what is no "
                 "repository over https");
        }
    } else if (i->fetch.status != 200) {
        tell_status(i);
    } else if (!is_answer(i)) {
        fail(i, ERR_UNPROCESSABLE, "what answers there does not speak git's protocol");
    } else if (git_wire_end(&i->wire, &err) != 0) {
        fail(i, err.code, "%s", err.message);
    } else if (i->step == ASKING_INFO && i->wire.version == 2) {
        ask_refs(i);
    } else {
        judge(i);
    }
}

static void on_fetched(struct fetch *f, int rc, const struct err *err)
{
    struct git_lookup_impl *i = f->user;
    i->fetching = false;
    if (i->timed_out) {
        fail(i, ERR_TIMEOUT, "no whole answer within %d s", GIT_TIMEOUT_MS / 1000);
    } else if (i->canceled) {
        fail(i, ERR_CANCELED, "canceled");
    } else if (i->err.code != 0) {
        struct err why = i->err;
        fail(i, why.code, "%s", why.message);
    } else if (rc != 0) {
        fail(i, rc, "%s", err->message);
    } else {
        on_answer(i);
    }
}

/* ---- questions ---- */

static void fetch(struct git_lookup_impl *i, const char *method, const char *path)
{
    buf_clear(&i->target);
    buf_add(&i->target, buf_slice(&i->base));
    buf_add_cstr(&i->target, path);
    i->received = 0;
    fetch_clear(&i->fetch);
    i->fetch.method = method;
    i->fetch.url = buf_cstr(&i->target);
    i->fetch.headers = i->headers;
    i->fetch.body = buf_slice(&i->question);
    i->fetch.timeout_ms = GIT_TIMEOUT_MS;
    i->fetch.user = i;
    i->fetch.on_data = on_data;
    i->fetch.done = on_fetched;
    i->fetching = true;
    fetch_start(i->has_own ? &i->own : &i->client->shared, &i->fetch);
}

static size_t common_headers(struct git_lookup_impl *i)
{
    size_t n = 0;
    memset(i->headers, 0, sizeof(i->headers));
    i->headers[n++] = "Git-Protocol: version=2";
    i->headers[n++] = "Accept-Encoding: identity";
    if (i->authorization.len > 0) {
        i->headers[n++] = buf_cstr(&i->authorization);
    }
    return n;
}

static void ask_info(struct git_lookup_impl *i)
{
    (void)common_headers(i);
    i->step = ASKING_INFO;
    git_wire_free(&i->wire);
    git_wire_init(&i->wire, GIT_WIRE_INFO, i->ref);
    fetch(i, "GET", INFO_REFS);
}

static void ask_refs(struct git_lookup_impl *i)
{
    size_t n = common_headers(i);
    i->headers[n++] = "Content-Type: application/x-git-upload-pack-request";
    i->headers[n++] = "Accept: application/x-git-upload-pack-result";
    git_wire_ask(&i->question, i->ref, i->wire.sha256);
    i->step = ASKING_REFS;
    git_wire_free(&i->wire);
    git_wire_init(&i->wire, GIT_WIRE_REFS, i->ref);
    fetch(i, "POST", "/git-upload-pack");
}

/* ---- the user's calls ---- */

static void on_deadline(struct loop_timer *timer)
{
    struct git_lookup_impl *i = CONTAINER_OF(timer, struct git_lookup_impl, deadline);
    if (i->fetching) {
        i->timed_out = true;
        fetch_cancel(&i->fetch);
    }
}

static void on_refused(struct loop_task *task)
{
    struct git_lookup_impl *i = CONTAINER_OF(task, struct git_lookup_impl, refused);
    struct err why = i->err;
    fail(i, why.code, "%s", why.message);
}

static int check(struct git_lookup_impl *i, struct err *err)
{
    const struct git_lookup *l = i->lookup;
    int rc = git_url_parse(l->repository, &i->arena, &i->url, err);
    if (rc != 0) {
        return rc;
    }
    buf_clear(&i->shown);
    git_url_text(&i->url, &i->shown);
    if (i->client->closing) {
        return err_set(err, ERR_CANCELED, "shutting down");
    }
    if (i->url.scheme == GIT_SSH) {
        return err_set(err, ERR_INVALID,
                       "ssh is not spoken: give its https address, and name a Secret with a token "
                       "in secretRef if it is private");
    }
    if (l->ref.len > 0 && !git_ref_valid(l->ref)) {
        return err_set(err, ERR_INVALID, "no branch or tag can be called so");
    }
    if (l->password.len > 0 && i->url.scheme != GIT_HTTPS) {
        return err_set(err, ERR_INVALID, "credentials are sent over https only");
    }
    if (l->ca_pem.len > 0) {
        const struct fetcher_config config = {.ca_pem = l->ca_pem,
                                              .refuse_local = !i->client->allow_local};
        rc = fetcher_init(&i->own, i->client->loop, &config, err);
        i->has_own = rc == 0;
        return rc == 0 ? 0 : err_wrap(err, "the Secret's ca.crt");
    }
    return 0;
}

static void authorize(struct git_lookup_impl *i)
{
    struct buf plain = {0};
    const struct git_lookup *l = i->lookup;
    if (l->password.len > 0) {
        buf_addf(&plain, "%.*s:", SLICE_ARG(l->user));
        buf_add(&plain, l->password);
        buf_add_cstr(&i->authorization, "Authorization: Basic ");
        base64_encode(&i->authorization, buf_slice(&plain));
    }
    buf_free(&plain);
}

/* An address as it was written may hold a password: it is not repeated then. */
static struct slice shown(struct slice repository)
{
    bool secret = slice_find(repository, SLICE("@")) != SIZE_MAX;
    return secret ? SLICE("...") : slice_sub(repository, 0, 100);
}

void git_lookup(struct git_client *c, struct git_lookup *l)
{
    assert(loop_is_current(c->loop) && l->impl == NULL && l->done != NULL);
    struct git_lookup_impl *i = mem_zero(sizeof(*i));
    i->client = c;
    i->lookup = l;
    i->ref = slice_eq_cstr(l->ref, "HEAD") ? (struct slice){0} : l->ref;
    l->impl = i;
    l->commit[0] = '\0';
    l->name[0] = '\0';
    l->retry_after_ms = 0;
    list_push_back(&c->lookups, &i->link);
    loop_task_init(&i->refused, on_refused);
    loop_timer_init(c->loop, &i->deadline, on_deadline);
    buf_addf(&i->shown, "\"%.*s\"", SLICE_ARG(shown(l->repository)));
    if (check(i, &i->err) != 0) {
        loop_defer(c->loop, &i->refused);
        return;
    }
    git_url_text(&i->url, &i->base);
    authorize(i);
    loop_timer_start(&i->deadline, GIT_TIMEOUT_MS, 0);
    ask_info(i);
}

void git_cancel(struct git_lookup *l)
{
    struct git_lookup_impl *i = l->impl;
    if (i != NULL && i->fetching) {
        i->canceled = true;
        fetch_cancel(&i->fetch);
    }
}

int git_client_init(struct git_client *c, struct loop *loop, bool allow_local, struct err *err)
{
    const struct fetcher_config config = {.refuse_local = !allow_local, .connections_max = 32};
    *c = (struct git_client){
        .loop = loop, .allow_local = allow_local, .answer_max_mb = GIT_ANSWER_MAX_MB};
    list_init(&c->lookups);
    return fetcher_init(&c->shared, loop, &config, err);
}

static void on_shared_closed(struct fetcher *f)
{
    check_client(CONTAINER_OF(f, struct git_client, shared));
}

void git_client_close(struct git_client *c, void (*closed)(struct git_client *c))
{
    c->closing = true;
    c->closed = closed;
    LIST_FOREACH(link, &c->lookups)
    {
        git_cancel(CONTAINER_OF(link, struct git_lookup_impl, link)->lookup);
    }
    fetcher_close(&c->shared, on_shared_closed);
}
