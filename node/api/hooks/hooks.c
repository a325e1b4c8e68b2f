/* hooks.c: one delivery, from the request to the runs that it makes.
 *
 * Happy path: read the GitWebhook and its Secret from the local view, verify, read the payload,
 * list projects and components (confirmed: one that was made just before the push counts), make a
 * run for each match, note the delivery in the status, answer with what became of each.
 * Failure path: until the signature is verified every failure is the same 401, and a webhook that
 * is not there has a Secret looked up and a signature computed all the same. A run that cannot be
 * written for now makes the answer 503: the provider delivers again, or is asked to, and finds the
 * runs that were made already.
 * Invariants: one backend request is under way at a time; everything lives in the stream's arena,
 * which stays until the answer, whatever becomes of the client. */
#include "node/api/hooks/hooks.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/git_url.h"
#include "base/log.h"
#include "base/metrics.h"
#include "node/api/gate.h"
#include "node/api/hooks/payload.h"
#include "node/api/status.h"
#include "proto/object.h"
#include "proto/workflow_run.h"

#define PREFIX "/webhooks/v1/namespaces/"

enum { NOTED_EVERY_MS = 60 * 1000, PAGE = 200, BEFORE_SHOWN = 7 };

struct delivery {
    struct api_call *call;
    struct hooks *hooks;
    struct api *api;
    struct http_stream *stream;
    struct arena *arena;
    enum hook_provider provider;
    struct slice ns;
    struct slice name;
    struct slice event;
    struct slice id;
    struct subject subject;
    json_t *hook; /* NULL: there is none */
    struct quota_ticket ticket;
    uint64_t deadline_ms;
    json_t *body;
    struct hook_payload payload;
    struct git_url urls[HOOK_URLS_MAX];
    size_t url_count;
    /* what is being read */
    struct backend_get get;
    struct backend_list list;
    struct backend_cursor cursor;
    json_t *projects; /* name -> Project, those with a source */
    json_t *runs;     /* WorkflowRuns to be made */
    json_t *again;    /* what they are where another push led to their commit; or null; true: it is
                       * known that they were there */
    size_t untouched; /* components that follow what was pushed, none of whose files changed */
    bool too_many;
    size_t next;
    struct gate_write write;
    /* the answer */
    json_t *results;
    size_t created;
    size_t failed;
    int worst; /* error of a run that may be made later */
    const char *message;
};

static struct metric *deliveries(const char *result)
{
    char labels[64];
    snprintf(labels, sizeof(labels), "result=\"%s\"", result);
    return metric_counter("choreod_webhook_deliveries_total", labels,
                          "Messages of git providers, by what came of them.");
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

static json_t *kept(struct delivery *d, json_t *tree)
{
    arena_own(d->arena, tree, release_tree);
    return tree;
}

/* ---- answers ---- */

static void leave(void *ticket)
{
    quota_leave(ticket);
}

static void refuse(struct delivery *d)
{
    struct err err;
    (void)err_set(&err, ERR_UNAUTHENTICATED,
                  "no webhook of this namespace and name, or not signed with its secret");
    metric_add(deliveries("refused"), 1);
    api_call_error(d->call, &err);
}

static void fail(struct delivery *d, const struct err *err)
{
    metric_add(deliveries("failed"), 1);
    api_call_error(d->call, err);
}

static void respond(struct delivery *d, int status)
{
    struct buf text = {0};
    json_t *answer = kept(d, json_object());
    json_object_set_new(answer, "message", json_str(slice_of(d->message)));
    if (d->results != NULL) {
        json_object_set(answer, "runs", d->results);
    }
    json_canonical(answer, &text);
    buf_add_char(&text, '\n');
    metric_add(deliveries(status == 202 ? "ignored" : status == 200 ? "taken" : "failed"), 1);
    api_call_respond(d->call, status, "application/json", buf_slice(&text));
    buf_free(&text);
}

static void answer(struct delivery *d)
{
    bool ignored = d->payload.ignored != NULL;
    respond(d, d->worst != 0 ? err_http_status(d->worst) : ignored ? 202 : 200);
}

static void on_noted(struct gate_write *w, int rc, const struct err *err)
{
    struct delivery *d = w->user;
    if (rc != 0) {
        log_debug("webhook.note", "webhook=%.*s/%.*s error=%s", SLICE_ARG(d->ns),
                  SLICE_ARG(d->name), log_q(err->message));
    }
    answer(d);
}

static void write_as_hook(struct delivery *d, struct slice api_version, const char *kind,
                          enum admit_op op, json_t *incoming,
                          void (*done)(struct gate_write *w, int rc, const struct err *err))
{
    const struct kind_registry *kinds = api_kinds(d->api, d->arena);
    d->write = (struct gate_write){
        .api = d->api,
        .loop = d->stream->loop,
        .arena = d->arena,
        .subject = &d->subject,
        .kind = kind_by_type(kinds, api_version, slice_of(kind)),
        .op = op,
        .ns = d->ns,
        .incoming = incoming,
        .field_manager = SLICE("webhook"),
        .user_agent = http_stream_header(d->stream, "user-agent"),
        .remote = slice_of(d->stream->remote),
        .deadline_ms = d->deadline_ms,
        .user = d,
        .done = done,
    };
}

/* Has the webhook's status another one of just now that told as much? What led to runs tells more
 * than what led to none, and that more than what was ignored. */
static bool noted_enough(const struct delivery *d, uint64_t now_ms)
{
    const json_t *last = json_at(d->hook, "status", "lastDelivery", NULL);
    const char *before = json_string_value(json_object_get(last, "at"));
    const json_t *runs = json_object_get(last, "runs");
    int told = runs == NULL ? 0 : json_integer_value(runs) == 0 ? 1 : 2;
    int tells = d->payload.ignored != NULL ? 0 : json_array_size(d->runs) == 0 ? 1 : 2;
    uint64_t at_ms = 0;
    return before != NULL && clock_parse_rfc3339(before, &at_ms) == 0 && at_ms <= now_ms &&
           now_ms - at_ms < NOTED_EVERY_MS && tells <= told;
}

/* Notes the delivery in the webhook's status. */
static void finish(struct delivery *d)
{
    uint64_t now_ms = d->api->clock->wall_ms(d->api->clock);
    char at[21];
    log_info("webhook.delivery", "webhook=%.*s/%.*s event=%s runs=%zu message=%s", SLICE_ARG(d->ns),
             SLICE_ARG(d->name), log_q(arena_cstr(d->arena, d->event)), d->created,
             log_q(d->message));
    if (noted_enough(d, now_ms)) {
        answer(d);
        return;
    }
    clock_rfc3339(now_ms, at);
    struct slice url = d->payload.url_count > 0 ? d->payload.urls[0] : (struct slice){0};
    json_t *delivery = json_pack("{s:o, s:s, s:o, s:o, s:o}", "id", json_str(d->id), "at", at,
                                 "event", json_str(d->event), "repository", json_str(url),
                                 "message", json_str(slice_of(d->message)));
    json_object_set_new(delivery, "runs",
                        d->payload.ignored != NULL
                            ? json_null()
                            : json_integer((json_int_t)json_array_size(d->runs)));
    json_t *patch = kept(d, json_pack("{s:{s:o}}", "status", "lastDelivery", delivery));
    write_as_hook(d, SLICE("choreo.dev/v1"), "GitWebhook", ADMIT_PATCH_MERGE, patch, on_noted);
    d->write.name = d->name;
    d->write.sub = ADMIT_STATUS;
    gate_write(&d->write);
}

/* ---- runs ---- */

static void make_next(struct delivery *d);

bool hooks_may_pass(int rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_NOT_LEADER || rc == ERR_TIMEOUT || rc == ERR_BUSY ||
           rc == ERR_CLOSED || rc == ERR_FULL;
}

static void add_row(struct delivery *d, const char *result, const struct err *err)
{
    const json_t *run = json_array_get(d->runs, d->next);
    json_t *row = json_pack("{s:o, s:o, s:s}", "run", json_str(object_name(run)), "component",
                            json_str(workflow_run_component(run)), "result", result);
    if (err != NULL) {
        json_object_set_new(row, "message", json_str(slice_of(err->message)));
    }
    json_array_append_new(d->results, row);
    d->next++;
}

static void told(struct delivery *d, const char *result, const struct err *err)
{
    add_row(d, result, err);
    make_next(d);
}

static void on_push_noted(struct gate_write *w, int rc, const struct err *err)
{
    struct delivery *d = w->user;
    if (rc != 0) {
        log_debug("webhook.note_push", "webhook=%.*s/%.*s error=%s", SLICE_ARG(d->ns),
                  SLICE_ARG(d->name), log_q(err->message));
    }
    told(d, "was there", NULL);
}

static json_t *push_of(const json_t *run, const char **key)
{
    json_t *said = json_at(run, "metadata", "annotations", NULL);
    json_t *over = json_object_get(said, WORKFLOW_RUN_PUSHED_OVER);
    *key = over != NULL ? WORKFLOW_RUN_PUSHED_OVER : WORKFLOW_RUN_PUSHED_FROM;
    return over != NULL ? over : json_object_get(said, WORKFLOW_RUN_PUSHED_FROM);
}

/* There is a run of that commit: by a poll or by hand, which learns of its push; of this push; or
 * of another that led there, and the branch has been elsewhere since: then it is built again. */
static void on_there(struct backend_get *get, int rc, const struct err *err)
{
    struct delivery *d = get->user;
    json_t *run = json_array_get(d->runs, d->next);
    json_t *again = json_array_get(d->again, d->next);
    json_t *there = NULL;
    const char *key;
    (void)err;
    if (rc == 0 && json_parse(get->object.body, &there, NULL) == 0) {
        kept(d, there);
    }
    json_t *before = push_of(there, &key);
    json_t *push = push_of(run, &key);
    if (there == NULL || push == NULL || (before != NULL && json_equal(before, push))) {
        told(d, "was there", NULL);
    } else if (before == NULL) {
        json_t *patch = json_pack("{s:{s:{s:O}}}", "metadata", "annotations", key, push);
        write_as_hook(d, object_api_version(run), "WorkflowRun", ADMIT_PATCH_MERGE, kept(d, patch),
                      on_push_noted);
        d->write.name = object_name(run);
        gate_write(&d->write);
    } else if (json_is_object(again)) {
        json_array_set(d->runs, d->next, again);
        json_array_set_new(d->again, d->next, json_null());
        make_next(d);
    } else {
        told(d, "was there", NULL);
    }
}

static void on_made(struct gate_write *w, int rc, const struct err *err)
{
    struct delivery *d = w->user;
    if (rc == ERR_EXISTS) {
        d->get = (struct backend_get){
            .loop = d->stream->loop,
            .key = {.resource = w->kind->resource, .ns = d->ns, .name = object_name(w->incoming)},
            .deadline_ms = d->deadline_ms,
            .user = d,
            .done = on_there};
        d->api->backend->ops->get(d->api->backend, &d->get);
        return;
    }
    if (rc == 0) {
        d->created++;
    } else {
        d->failed++;
        d->worst = hooks_may_pass(rc) ? rc : d->worst;
    }
    told(d, rc == 0 ? "made" : "refused", rc == 0 ? NULL : err);
}

static void make_next(struct delivery *d)
{
    while (json_is_true(json_array_get(d->again, d->next))) {
        add_row(d, "was there", NULL);
    }
    if (d->next < json_array_size(d->runs)) {
        json_t *run = json_array_get(d->runs, d->next); /* ours or OpenChoreo's */
        write_as_hook(d, object_api_version(run), "WorkflowRun", ADMIT_CREATE, run, on_made);
        gate_write(&d->write);
        return;
    }
    if (d->next == 0 && d->untouched > 0) {
        d->message =
            arena_printf(d->arena,
                         "none of its files is below source.path of the %zu component%s "
                         "that follow%s what was pushed",
                         d->untouched, d->untouched > 1 ? "s" : "", d->untouched > 1 ? "" : "s");
    } else if (d->next == 0) {
        d->message = "no component with spec.autoBuild follows what was pushed";
    } else {
        d->message =
            arena_printf(d->arena, "%zu made, %zu were there, %zu refused%s", d->created,
                         d->next - d->created - d->failed, d->failed,
                         d->too_many ? "; more components match: only the first were built" : "");
    }
    finish(d);
}

/* ---- which components ---- */

static bool is_ours(const struct delivery *d, struct slice repository)
{
    struct git_url url;
    if (git_url_parse(repository, d->arena, &url, NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < d->url_count; i++) {
        if (git_url_same(&url, &d->urls[i])) {
            return true;
        }
    }
    return false;
}

/* A component that names no branch follows the default one; if the provider does not say which that
 * is, it is called as they most often are. */
static bool follows(const struct delivery *d, const json_t *git, const struct hook_push *push)
{
    struct slice branch = json_text_at(git, "branch");
    struct slice tag = json_text_at(git, "tag");
    if (json_text_at(git, "commit").len > 0 || tag.len > 0 || push->tag.len > 0) {
        return tag.len > 0 && slice_eq(tag, push->tag) && json_text_at(git, "commit").len == 0;
    }
    if (branch.len == 0) {
        branch = d->payload.default_branch;
    }
    return branch.len > 0
               ? slice_eq(branch, push->branch)
               : slice_eq_cstr(push->branch, "main") || slice_eq_cstr(push->branch, "master");
}

static void match(struct delivery *d, const json_t *component)
{
    struct slice project = json_text(json_at(component, "status", "project", NULL));
    if (project.len == 0) {
        project = json_text(json_at(component, "spec", "project", NULL));
    }
    const json_t *parent = json_object_getn(d->projects, project.data, project.len);
    json_t *source = kept(d, workflow_run_source(component, parent));
    const json_t *git = json_object_get(source, "git");
    if (git == NULL || !is_ours(d, json_text_at(git, "repository"))) {
        return;
    }
    bool untouched = false;
    for (size_t i = 0; i < d->payload.push_count; i++) {
        const struct hook_push *push = &d->payload.pushes[i];
        if (push->deleted || !follows(d, git, push)) {
            continue;
        }
        if (!hook_touches(push, json_text_at(git, "path"))) {
            untouched = true;
            continue;
        }
        struct workflow_run_request request = {.component = component,
                                               .project = parent,
                                               .project_name = project,
                                               .branch = push->branch,
                                               .commit = push->commit,
                                               .before = push->before,
                                               .forced = push->forced,
                                               .triggered_by = d->subject.user};
        d->too_many = d->too_many || json_array_size(d->runs) == HOOK_RUNS_MAX;
        if (!d->too_many) {
            bool was_pushed = workflow_run_was_pushed(&request);
            json_array_append_new(d->runs, workflow_run_of(&request));
            request.suffix = slice_sub(push->before, 0, BEFORE_SHOWN);
            bool other = push->before.len > 0 && !push->forced;
            json_array_append_new(d->again, was_pushed ? json_true()
                                            : other    ? workflow_run_of(&request)
                                                       : json_null());
        }
        return;
    }
    d->untouched += untouched ? 1 : 0;
}

static void list_page(struct delivery *d, struct slice resource,
                      void (*row)(struct backend_list *, const struct backend_object *),
                      void (*done)(struct backend_list *, int, const struct err *))
{
    d->list = (struct backend_list){.loop = d->stream->loop,
                                    .resource = resource,
                                    .ns = d->ns,
                                    .limit = PAGE,
                                    .deadline_ms = d->deadline_ms,
                                    .user = d,
                                    .row = row,
                                    .done = done};
    d->api->backend->ops->list(d->api->backend, &d->list);
}

/* True: the list was not whole, and goes on. */
static bool next_page(struct delivery *d)
{
    if (d->list.more) {
        backend_list_next(&d->list, &d->cursor);
        d->api->backend->ops->list(d->api->backend, &d->list);
    }
    return d->list.more;
}

static void on_component(struct backend_list *list, const struct backend_object *object)
{
    struct delivery *d = list->user;
    struct slice automatic;
    json_t *tree;
    backend_cursor_set(&d->cursor, &object->key);
    if (json_scan(object->body, &automatic, "spec", "autoBuild", NULL) &&
        slice_eq_cstr(automatic, "true") && json_parse(object->body, &tree, NULL) == 0) {
        if (json_at(tree, "metadata", "deletionTimestamp", NULL) == NULL) {
            match(d, tree);
        }
        json_decref(tree);
    }
}

static void on_components(struct backend_list *list, int rc, const struct err *err)
{
    struct delivery *d = list->user;
    if (rc != 0) {
        fail(d, err);
    } else if (!next_page(d)) {
        make_next(d);
    }
}

static void on_project(struct backend_list *list, const struct backend_object *object)
{
    struct delivery *d = list->user;
    struct slice source;
    json_t *tree;
    backend_cursor_set(&d->cursor, &object->key);
    if (json_scan(object->body, &source, "spec", "source", NULL) &&
        json_parse(object->body, &tree, NULL) == 0) {
        json_object_setn_new(d->projects, object->key.name.data, object->key.name.len, tree);
    }
}

static void on_projects(struct backend_list *list, int rc, const struct err *err)
{
    struct delivery *d = list->user;
    if (rc != 0) {
        fail(d, err);
    } else if (!next_page(d)) {
        list_page(d, SLICE("components.choreo.dev"), on_component, on_components);
    }
}

/* ---- what was pushed ---- */

/* Of spec.repositories: one of them, or "HOST/PATH/" and a star. */
static bool is_allowed(const struct delivery *d)
{
    const json_t *patterns = json_at(d->hook, "spec", "repositories", NULL);
    bool allowed = json_array_size(patterns) == 0;
    for (size_t i = 0; !allowed && i < json_array_size(patterns); i++) {
        struct slice text = json_text(json_array_get(patterns, i));
        struct git_url pattern;
        bool star = slice_ends_with(text, SLICE("/*"));
        if (git_url_parse(slice_sub(text, 0, text.len - (star ? 2 : 0)), d->arena, &pattern,
                          NULL) != 0) {
            continue;
        }
        for (size_t k = 0; k < d->url_count; k++) {
            struct git_url url = d->urls[k];
            if (star && url.path.len > pattern.path.len && url.path.data[pattern.path.len] == '/') {
                url.path = slice_sub(url.path, 0, pattern.path.len);
            } else if (star) {
                continue;
            }
            allowed = allowed || git_url_same(&url, &pattern);
        }
    }
    return allowed;
}

static void read_push(struct delivery *d)
{
    struct err err = {0};
    if (hook_parse(d->stream->body, &d->body, &err) != 0) {
        fail(d, &err);
        return;
    }
    kept(d, d->body);
    if (hook_read(d->provider, d->event, d->body, &d->payload, &err) != 0) {
        fail(d, &err);
        return;
    }
    if (d->payload.ignored != NULL) {
        d->message =
            arena_printf(d->arena, "ignored: %.*s: %s", SLICE_ARG(d->event), d->payload.ignored);
        finish(d);
        return;
    }
    for (size_t i = 0; i < d->payload.url_count; i++) {
        d->url_count +=
            git_url_parse(d->payload.urls[i], d->arena, &d->urls[d->url_count], NULL) == 0 ? 1 : 0;
    }
    if (!is_allowed(d)) {
        d->payload.ignored = "not one of its repositories";
        d->message = "ignored: the repository is none of spec.repositories";
        finish(d);
        return;
    }
    d->projects = kept(d, json_object());
    d->runs = kept(d, json_array());
    d->again = kept(d, json_array());
    d->results = kept(d, json_array());
    list_page(d, SLICE("projects.choreo.dev"), on_project, on_projects);
}

/* ---- whether it may ---- */

static void on_secret(struct backend_get *get, int rc, const struct err *err)
{
    struct delivery *d = get->user;
    struct buf secret = {0};
    json_t *tree = NULL;
    struct err busy = {0};
    (void)err;
    if (rc == 0 && json_parse(get->object.body, &tree, NULL) == 0) {
        (void)base64_decode(&secret, json_text(json_at(tree, "data", "secret", NULL)));
    }
    bool usable = secret.len >= HOOK_SECRET_MIN && d->hook != NULL;
    if (!usable) { /* something to compute with, so that it takes as long */
        buf_clear(&secret);
        buf_add_cstr(&secret, "no secret of anybody's");
    }
    struct slice signature = http_stream_header(d->stream, hook_signature_header(d->provider));
    bool verified =
        hook_verify(d->provider, buf_slice(&secret), signature, d->stream->body) && usable;
    if (secret.data != NULL) {
        explicit_bzero(secret.data, secret.len);
    }
    buf_free(&secret);
    json_decref(tree);
    if (!verified) {
        refuse(d);
        return;
    }
    rc = quota_enter(&d->hooks->names, d->subject.user, QUOTA_REQUESTS,
                     loop_now_ms(d->stream->loop), &d->ticket, &busy);
    if (rc != 0) {
        fail(d, &busy);
        return;
    }
    arena_own(d->arena, &d->ticket, leave);
    read_push(d);
}

static void get_stale(struct delivery *d, struct slice resource, struct slice name,
                      void (*done)(struct backend_get *, int, const struct err *))
{
    d->get = (struct backend_get){.loop = d->stream->loop,
                                  .key = {.resource = resource, .ns = d->ns, .name = name},
                                  .consistency = BACKEND_STALE,
                                  .deadline_ms = d->deadline_ms,
                                  .user = d,
                                  .done = done};
    d->api->backend->ops->get(d->api->backend, &d->get);
}

static void on_hook(struct backend_get *get, int rc, const struct err *err)
{
    struct delivery *d = get->user;
    struct slice secret = SLICE("none");
    (void)err;
    if (rc == 0 && json_parse(get->object.body, &d->hook, NULL) == 0) {
        kept(d, d->hook);
        secret = json_text(json_at(d->hook, "spec", "secretRef", NULL));
        if (!slice_eq_cstr(json_text(json_at(d->hook, "spec", "provider", NULL)),
                           hook_provider_name(d->provider))) {
            d->hook = NULL;
        }
    }
    get_stale(d, SLICE("secrets"), secret, on_secret);
}

/* NAMESPACE/PROVIDER/NAME behind the prefix. */
static bool read_path(struct delivery *d)
{
    struct slice rest = slice_sub(d->stream->path, strlen(PREFIX), SIZE_MAX);
    struct slice provider = {0};
    (void)slice_split(&rest, '/', &d->ns);
    (void)slice_split(&rest, '/', &provider);
    d->provider = hook_provider_named(provider);
    d->name = rest;
    return d->provider != HOOK_PROVIDERS && d->ns.len > 0 && d->ns.len <= 63 && rest.len > 0 &&
           rest.len <= 253 && slice_find(rest, SLICE("/")) == SIZE_MAX;
}

static void serve(struct api_call *call)
{
    struct http_stream *s = call->stream;
    struct delivery *d = ARENA_NEW(&s->arena, struct delivery);
    *d = (struct delivery){.call = call,
                           .hooks = call->route->user,
                           .api = call->api,
                           .stream = s,
                           .arena = &s->arena,
                           .deadline_ms = loop_now_ms(s->loop) + call->api->config.timeout_ms};
    if (!read_path(d)) {
        refuse(d);
        return;
    }
    d->event = slice_sub(http_stream_header(s, hook_event_header(d->provider)), 0, 100);
    for (int i = 0; i < 2 && d->id.len == 0; i++) {
        const char *header = hook_delivery_header(d->provider, i);
        d->id = header != NULL ? slice_sub(http_stream_header(s, header), 0, 100) : d->id;
    }
    d->subject.user = slice_of(
        arena_printf(d->arena, "system:webhook:%.*s/%.*s", SLICE_ARG(d->ns), SLICE_ARG(d->name)));
    get_stale(d, SLICE("gitwebhooks.choreo.dev"), d->name, on_hook);
}

void hooks_init(struct hooks *hooks, struct api *api)
{
    /* A provider's deliveries of all its users come from few addresses. */
    static const struct quota_limits address = {
        .per_second = 100, .most = {[QUOTA_REQUESTS] = 50}, .bytes = HOOK_HELD_MAX_BYTES};
    static const struct quota_limits name = {.per_second = 10, .most = {[QUOTA_REQUESTS] = 10}};
    quota_init(&hooks->addresses, "callers=\"webhooks\"", &address);
    quota_init(&hooks->names, "callers=\"webhook\"", &name);
    const struct api_route route = {.method = "POST",
                                    .path = PREFIX,
                                    .serve = serve,
                                    .user = hooks,
                                    .open = &hooks->addresses,
                                    .body_max = HOOK_BODY_MAX_BYTES};
    api_add_route(api, &route);
}

void hooks_free(struct hooks *hooks)
{
    quota_free(&hooks->addresses);
    quota_free(&hooks->names);
}
