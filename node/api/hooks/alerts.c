/* alerts.c: one message, from its alerts to TestResults.
 *
 * Happy path: sort out which alerts speak of a release, list the RenderedReleases of their
 * organizations (confirmed), read each one's binding, write the results, answer with what became of
 * each.
 * Failure path: an alert that says nothing usable is told in the answer and stops no other. One
 * that cannot be written for now makes the answer 503: an Alertmanager sends it again.
 * Invariants: one backend request is under way at a time; everything lives in the stream's arena.
 */
#include "node/api/hooks/alerts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "node/api/gate.h"
#include "node/api/hooks/hooks.h"
#include "proto/object.h"

#define PATH "/webhooks/v1/alertmanager"

enum { PAGE = 200, NAME_DIGEST_BYTES = 10, URL_MAX_BYTES = 2048 };

enum step { LOOKS, FOUND, ENDED };

struct alert {
    enum step step;
    struct slice test;
    struct slice ns; /* the organization */
    struct slice cell;
    struct slice component;
    struct slice environment;
    struct slice binding;
    uint64_t started_ms;
    const char *name; /* of the TestResult */
    const char *result;
    const char *message;
    const json_t *told;
};

struct message {
    struct api_call *call;
    struct api *api;
    struct arena *arena;
    json_t *body;
    struct alert *alerts;
    size_t count;
    size_t left; /* that were beyond ALERTS_MAX */
    struct alert *now;
    struct slice listed; /* organization */
    uint64_t deadline_ms;
    struct backend_get get;
    struct backend_list list;
    struct backend_cursor cursor;
    struct gate_write write;
    int worst; /* error of a result that may be written later */
};

static void look_on(struct message *m);

static void release_tree(void *tree)
{
    json_decref(tree);
}

static json_t *kept(struct message *m, json_t *tree)
{
    arena_own(m->arena, tree, release_tree);
    return tree;
}

static void end(struct alert *a, const char *result, const char *message)
{
    char labels[64];
    a->step = ENDED;
    a->result = result;
    a->message = message;
    snprintf(labels, sizeof(labels), "result=\"%s\"", result);
    metric_add(metric_counter("choreod_alerts_total", labels,
                              "Alerts that Alertmanagers told of, by what came of them."),
               1);
}

/* ---- the answer ---- */

static json_t *outcome(const struct alert *a)
{
    json_t *o = json_pack("{s:s}", "result", a->result);
    json_object_set(o, "labels", json_object_get(a->told, "labels"));
    if (a->message != NULL) {
        json_object_set_new(o, "message", json_str(slice_of(a->message)));
    }
    if (a->name != NULL) {
        json_object_set_new(o, "testResult", json_str(slice_of(a->name)));
    }
    return o;
}

static void answer(struct message *m)
{
    struct buf text = {0};
    json_t *told = json_array();
    size_t made = 0;
    for (size_t i = 0; i < m->count; i++) {
        made += strcmp(m->alerts[i].result, "made") == 0 ? 1 : 0;
        json_array_append_new(told, outcome(&m->alerts[i]));
    }
    json_t *all = kept(m, json_pack("{s:o}", "alerts", told));
    if (m->left > 0) {
        json_object_set_new(all, "leftOut", json_integer((json_int_t)m->left));
    }
    json_canonical(all, &text);
    buf_add_char(&text, '\n');
    log_info("webhook.alerts", "alerts=%zu results=%zu", m->count, made);
    api_call_respond(m->call, m->worst != 0 ? err_http_status(m->worst) : 200, "application/json",
                     buf_slice(&text));
    buf_free(&text);
}

/* ---- results ---- */

static void failed(struct message *m, int rc, const struct err *err)
{
    end(m->now, "failed", arena_printf(m->arena, "%s", err->message));
    m->worst = hooks_may_pass(rc) ? rc : m->worst;
}

static void on_written(struct gate_write *w, int rc, const struct err *err)
{
    struct message *m = w->user;
    if (rc != 0 && rc != ERR_EXISTS) {
        failed(m, rc, err);
    } else {
        end(m->now, rc == 0 ? "made" : "was there", NULL);
    }
    look_on(m);
}

/* One for an alert and its start. */
static const char *result_name(const struct message *m, const struct alert *a)
{
    uint8_t digest[SHA256_BYTES];
    struct buf text = {0};
    json_t *labels = json_object_get(a->told, "labels");
    buf_addf(&text, "%" PRIu64 " ", a->started_ms);
    json_canonical(labels, &text);
    crypto_sha256(buf_slice(&text), digest);
    buf_clear(&text);
    buf_add_cstr(&text, "alert-");
    hex_encode(&text, slice_make(digest, NAME_DIGEST_BYTES));
    const char *name = arena_cstr(m->arena, buf_slice(&text));
    buf_free(&text);
    return name;
}

static void write_result(struct message *m, const json_t *binding)
{
    struct alert *a = m->now;
    struct slice url = json_text_at(a->told, "generatorURL");
    a->name = result_name(m, a);
    json_t *result = kept(m, object_new("choreo.dev/v1", "TestResult", a->ns, slice_of(a->name)));
    json_t *spec = json_pack(
        "{s:o, s:o, s:o, s:o, s:b}", "component", json_str(a->component), "release",
        json_str(json_text(json_at(binding, "status", "releaseName", NULL))), "environment",
        json_str(a->environment), "test", json_str(a->test), "passed", false);
    if (url.len > 0 && url.len <= URL_MAX_BYTES) {
        json_object_set_new(spec, "url", json_str(url));
    }
    json_object_set_new(result, "spec", spec);
    m->write = (struct gate_write){
        .api = m->api,
        .loop = m->call->stream->loop,
        .arena = m->arena,
        .subject = m->call->subject,
        .kind =
            kind_by_type(api_kinds(m->api, m->arena), SLICE("choreo.dev/v1"), SLICE("TestResult")),
        .op = ADMIT_CREATE,
        .ns = a->ns,
        .incoming = result,
        .field_manager = SLICE("alertmanager"),
        .user_agent = http_stream_header(m->call->stream, "user-agent"),
        .remote = slice_of(m->call->stream->remote),
        .deadline_ms = m->deadline_ms,
        .user = m,
        .done = on_written,
    };
    gate_write(&m->write);
}

/* Why the alert says nothing of what runs now; or NULL. */
static const char *not_held_against(const struct alert *a, const json_t *binding,
                                    struct arena *arena)
{
    const json_t *rollout = json_array_get(json_at(binding, "status", "history", NULL), 0);
    uint64_t since_ms = 0;
    struct slice since = json_text_at(rollout, "startedAt");
    if (json_text(json_at(binding, "status", "releaseName", NULL)).len == 0 || rollout == NULL) {
        return "no release runs there";
    }
    if (clock_parse_rfc3339(arena_cstr(arena, since), &since_ms) != 0 || a->started_ms < since_ms) {
        return arena_printf(arena, "it began before the release that runs there came (%.*s)",
                            SLICE_ARG(since));
    }
    return NULL;
}

static void on_binding(struct backend_get *get, int rc, const struct err *err)
{
    struct message *m = get->user;
    json_t *binding = NULL;
    struct err bad = {0};
    if (rc == ERR_NOT_FOUND) {
        end(m->now, "ignored", "its binding has just gone");
        look_on(m);
        return;
    }
    if (rc == 0) {
        err = &bad;
        rc = json_parse(get->object.body, &binding, &bad);
    }
    if (rc != 0) {
        failed(m, rc, err);
        look_on(m);
        return;
    }
    kept(m, binding);
    const char *why = not_held_against(m->now, binding, m->arena);
    if (why != NULL) {
        end(m->now, "ignored", why);
        look_on(m);
    } else {
        write_result(m, binding);
    }
}

/* ---- where it runs ---- */

static void on_rendered(struct backend_list *list, const struct backend_object *object)
{
    struct message *m = list->user;
    static const char *const members[] = {"bindingName", "environmentName", "namespace", "owner",
                                          NULL};
    struct slice spec;
    struct slice owner;
    struct slice raw[4];
    backend_cursor_set(&m->cursor, &object->key);
    if (!json_scan(object->body, &spec, "spec", NULL)) {
        return;
    }
    json_scan_members(spec, members, raw);
    if (!json_scan(raw[3], &owner, "componentName", NULL)) {
        return; /* a cell's own, or a resource's */
    }
    struct slice binding = json_unquote(raw[0], m->arena);
    struct slice environment = json_unquote(raw[1], m->arena);
    struct slice cell = json_unquote(raw[2], m->arena);
    struct slice component = json_unquote(owner, m->arena);
    for (size_t i = 0; i < m->count; i++) {
        struct alert *a = &m->alerts[i];
        if (a->step == LOOKS && slice_eq(a->ns, m->listed) && slice_eq(a->component, component) &&
            slice_eq(a->environment, environment) && slice_eq(a->cell, cell)) {
            a->binding = binding;
            a->step = FOUND;
        }
    }
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct message *m = list->user;
    if (rc == 0 && list->more) {
        backend_list_next(list, &m->cursor);
        m->api->backend->ops->list(m->api->backend, list);
        return;
    }
    for (size_t i = 0; i < m->count; i++) {
        m->now = &m->alerts[i];
        if (m->now->step == LOOKS && slice_eq(m->now->ns, m->listed)) {
            if (rc != 0) {
                failed(m, rc, err);
            } else {
                end(m->now, "ignored", "no such component is in that namespace of a cluster");
            }
        }
    }
    look_on(m);
}

static void list_rendered(struct message *m, const struct alert *a)
{
    m->listed = a->ns;
    m->list = (struct backend_list){.loop = m->call->stream->loop,
                                    .resource = SLICE("renderedreleases.choreo.dev"),
                                    .ns = a->ns,
                                    .limit = PAGE,
                                    .deadline_ms = m->deadline_ms,
                                    .user = m,
                                    .row = on_rendered,
                                    .done = on_listed};
    m->api->backend->ops->list(m->api->backend, &m->list);
}

static void get_binding(struct message *m, const struct alert *a)
{
    m->get = (struct backend_get){
        .loop = m->call->stream->loop,
        .key = {.resource = SLICE("releasebindings.choreo.dev"), .ns = a->ns, .name = a->binding},
        .deadline_ms = m->deadline_ms,
        .user = m,
        .done = on_binding};
    m->api->backend->ops->get(m->api->backend, &m->get);
}

/* The next alert that is not at its end; at the end, the answer. */
static void look_on(struct message *m)
{
    for (size_t i = 0; i < m->count; i++) {
        struct alert *a = &m->alerts[i];
        m->now = a;
        if (a->step == LOOKS) {
            list_rendered(m, a);
            return;
        }
        if (a->step == FOUND) {
            get_binding(m, a);
            return;
        }
    }
    answer(m);
}

/* ---- what was told ---- */

static bool may_report(struct message *m, struct slice ns)
{
    const struct auth_request asked = {.subject = m->call->subject,
                                       .verb = SLICE("create"),
                                       .group = SLICE("choreo.dev"),
                                       .resource = SLICE("testresults"),
                                       .ns = ns};
    return auth_allows(&asked);
}

static struct slice label(const json_t *told, const char *name)
{
    return json_text(json_at(told, "labels", name, NULL));
}

static void read_alert(struct message *m, const json_t *told)
{
    struct alert *a = &m->alerts[m->count++];
    *a = (struct alert){.told = told,
                        .test = label(told, "test"),
                        .ns = label(told, "organization"),
                        .cell = label(told, "namespace"),
                        .component = label(told, "component"),
                        .environment = label(told, "environment")};
    const struct {
        struct slice value;
        const char *name;
    } needed[] = {{a->test, "test"},
                  {a->ns, "organization"},
                  {a->cell, "namespace"},
                  {a->component, "component"},
                  {a->environment, "environment"}};
    if (!slice_eq_cstr(json_text_at(told, "status"), "firing")) {
        end(a, "ignored", "it is not firing");
        return;
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (needed[i].value.len == 0) {
            end(a, "ignored", arena_printf(m->arena, "it has no label \"%s\"", needed[i].name));
            return;
        }
    }
    const char *starts = arena_cstr(m->arena, json_text_at(told, "startsAt"));
    if (clock_parse_rfc3339(starts, &a->started_ms) != 0) {
        end(a, "ignored", "startsAt is no time");
    } else if (!may_report(m, a->ns)) {
        end(a, "refused",
            arena_printf(m->arena, "\"%.*s\" may not create TestResults in namespace \"%.*s\"",
                         SLICE_ARG(m->call->subject->user), SLICE_ARG(a->ns)));
    }
}

static void serve(struct api_call *call)
{
    struct http_stream *s = call->stream;
    struct message *m = ARENA_NEW(&s->arena, struct message);
    struct err err = {0};
    *m = (struct message){.call = call,
                          .api = call->api,
                          .arena = &s->arena,
                          .deadline_ms = loop_now_ms(s->loop) + call->api->config.timeout_ms};
    if (json_parse_body(s->body, &m->body, &err) != 0) {
        api_call_error(call, &err);
        return;
    }
    kept(m, m->body);
    const json_t *alerts = json_object_get(m->body, "alerts");
    if (!json_is_array(alerts)) {
        (void)err_set(&err, ERR_INVALID,
                      "alerts: there is no such list; this is where an Alertmanager's "
                      "webhook_configs point to");
        api_call_error(call, &err);
        return;
    }
    size_t count = json_array_size(alerts);
    m->left = count > ALERTS_MAX ? count - ALERTS_MAX : 0;
    m->alerts = arena_alloc(m->arena, (count - m->left) * sizeof(*m->alerts));
    for (size_t i = 0; i < count - m->left; i++) {
        read_alert(m, json_array_get(alerts, i));
    }
    look_on(m);
}

void alerts_init(struct api *api)
{
    const struct api_route route = {.method = "POST", .path = PATH, .serve = serve};
    api_add_route(api, &route);
}
