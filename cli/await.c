/* await.c: one watch an object, with a field selector on its name. */
#include "cli/await.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/object.h"

uint64_t await_deadline(const struct cli *c)
{
    return uv_hrtime() / 1000000 + c->options.timeout_ms;
}

static int parse_condition(struct await *a, struct slice s, struct err *err)
{
    struct slice type = {0};
    (void)slice_split(&s, '=', &type);
    a->what = AWAIT_CONDITION;
    a->type = arena_cstr(&a->cli->arena, type);
    a->wanted = s.len > 0 ? arena_cstr(&a->cli->arena, s) : "True";
    return type.len > 0 ? 0 : err_set(err, ERR_INVALID, "--for condition=: which condition?");
}

/* The value follows the first '=' outside of braces. */
static int parse_path(struct await *a, struct slice s, struct err *err)
{
    size_t end = slice_starts_with(s, SLICE("{")) ? slice_find(s, SLICE("}")) + 1
                                                  : slice_find(s, SLICE("="));
    struct slice value = slice_sub(s, end, SIZE_MAX);
    a->what = AWAIT_PATH;
    if (end < s.len && value.data[0] != '=') {
        return err_set(err, ERR_INVALID, "--for jsonpath=: want {PATH} or {PATH}=VALUE");
    }
    int rc = jsonpath_parse_path(&a->path, slice_sub(s, 0, end), err);
    value = slice_sub(value, 1, SIZE_MAX);
    if (value.len >= 2 && (value.data[0] == '\'' || value.data[0] == '"') &&
        value.data[value.len - 1] == value.data[0]) {
        value = slice_sub(value, 1, value.len - 2);
    }
    a->wanted = end < s.len ? arena_cstr(&a->cli->arena, value) : NULL;
    return rc;
}

int await_parse(struct await *a, const char *what, struct err *err)
{
    struct slice s = slice_of(what);
    if (slice_eq_cstr(s, "delete")) {
        a->what = AWAIT_DELETED;
        return 0;
    }
    if (slice_eq_cstr(s, "create")) {
        a->what = AWAIT_CREATED;
        return 0;
    }
    if (slice_starts_with(s, SLICE("condition="))) {
        return parse_condition(a, slice_sub(s, 10, SIZE_MAX), err);
    }
    if (slice_starts_with(s, SLICE("jsonpath="))) {
        return parse_path(a, slice_sub(s, 9, SIZE_MAX), err);
    }
    return err_set(err, ERR_INVALID,
                   "--for %s: must be condition=TYPE[=STATUS], jsonpath={PATH}[=VALUE], create or "
                   "delete",
                   what);
}

void await_free(struct await *a)
{
    jsonpath_free(&a->path);
}

/* ---- looking ---- */

static void look_at_path(struct await *a, const json_t *object)
{
    struct jsonpath_values values = {0};
    struct buf text = {0};
    struct err err = {0};
    int rc = jsonpath_find(&a->path, object, &values, &err);
    for (size_t i = 0; i < values.count; i++) {
        buf_add_cstr(&text, i > 0 ? " " : "");
        jsonpath_value_text(values.items[i], &text);
    }
    bool same = rc == 0 && values.count > 0 &&
                (a->wanted == NULL || slice_eq_cstr(buf_slice(&text), a->wanted));
    json_int_t observed = json_integer_value(json_at(object, "status", "observedGeneration", NULL));
    a->reached = same != a->other && (a->generation == 0 || observed >= a->generation);
    (void)snprintf(a->last, sizeof a->last, rc != 0 ? "%s" : "the value is \"%s\"",
                   rc != 0             ? err.message
                   : values.count == 0 ? ""
                                       : buf_cstr(&text));
    jsonpath_values_free(&values);
    buf_free(&text);
}

/* A condition of a generation that is waited for, or NULL. */
static const json_t *condition_now(const struct await *a, const json_t *object, const char *type)
{
    const json_t *condition = object_condition(object, type);
    const json_t *of = json_object_get(condition, "observedGeneration");
    return a->generation == 0 || json_integer_value(of) >= a->generation ? condition : NULL;
}

static void look_at_condition(struct await *a, const json_t *object)
{
    const json_t *condition = condition_now(a, object, a->type);
    struct slice message = json_text_at(condition, "message");
    a->reached = condition != NULL && slice_eq_cstr(json_text_at(condition, "status"), a->wanted);
    (void)snprintf(a->last, sizeof a->last, "%s is %.*s%s%.*s", a->type,
                   SLICE_ARG(condition != NULL ? json_text_at(condition, "status")
                                               : SLICE("not reported yet")),
                   message.len > 0 ? ": " : "", SLICE_ARG(message));
}

static void look_for_failure(struct await *a, const json_t *object)
{
    const json_t *condition = a->fails_on != NULL ? condition_now(a, object, a->fails_on) : NULL;
    if (!a->reached && slice_eq_cstr(json_text_at(condition, "status"), "True")) {
        a->rc =
            err_set(&a->err, ERR_UNPROCESSABLE, "%.*s: %s: %.*s", SLICE_ARG(object_name(object)),
                    a->fails_on, SLICE_ARG(json_text_at(condition, "message")));
    }
}

static void look(struct await *a, const json_t *object, bool deleted)
{
    char before[sizeof a->last];
    memcpy(before, a->last, sizeof before);
    a->seen = true;
    if (a->what == AWAIT_DELETED) {
        bool same = a->uid == NULL || slice_eq_cstr(object_uid(object), a->uid);
        a->reached = deleted || !same;
        (void)snprintf(a->last, sizeof a->last, "it is still there");
    } else if (deleted) {
        (void)snprintf(a->last, sizeof a->last, "it was deleted");
    } else if (a->what == AWAIT_CREATED) {
        a->reached = true;
    } else if (a->what == AWAIT_PATH) {
        look_at_path(a, object);
    } else {
        look_at_condition(a, object);
        look_for_failure(a, object);
    }
    /* Progress is for a person's terminal only. */
    if (!a->reached && strcmp(before, a->last) != 0 && isatty(STDERR_FILENO)) {
        print_err("  %.*s: %s\n", SLICE_ARG(object_name(object)), a->last);
    }
}

static bool on_event(const ProtobufCMessage *message, void *user)
{
    struct await *a = user;
    const Choreo__V1__WatchEvent *event = (const Choreo__V1__WatchEvent *)message;
    json_t *tree = NULL;
    if (event->type == CHOREO__V1__WATCH_EVENT__TYPE__SYNCED && !a->seen) {
        a->reached = a->what == AWAIT_DELETED; /* nothing was there */
    } else if (event->object != NULL && (a->rc = ask_tree(event->object, &tree, &a->err)) == 0) {
        look(a, tree, event->type == CHOREO__V1__WATCH_EVENT__TYPE__DELETED);
    }
    json_decref(tree);
    return !a->reached && a->rc == 0;
}

int await_one(struct await *a, Choreo__V1__Ref *ref, const char *title, struct err *err)
{
    Choreo__V1__WatchRequest request = CHOREO__V1__WATCH_REQUEST__INIT;
    struct cli *c = a->cli;
    Choreo__V1__Ref kind = *ref;
    request.ref = &kind;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    request.field_selector = arena_printf(&c->arena, "metadata.name=%s", ref->name);
    kind.name = NULL;
    a->reached = a->seen = false;
    a->last[0] = '\0';
    int rc = 0;
    while (!a->reached && a->rc == 0) {
        uint64_t now_ms = uv_hrtime() / 1000000;
        a->seen = false;
        rc = now_ms >= a->end_ms
                 ? ERR_TIMEOUT
                 : client_stream(&c->client, "choreo.v1.ResourceService/Watch", &request.base,
                                 &choreo__v1__watch_event__descriptor,
                                 (uint32_t)(a->end_ms - now_ms), on_event, a, err);
        if (rc == ERR_TIMEOUT) {
            return err_set(err, ERR_TIMEOUT, "%s: timed out waiting: %s", title,
                           a->last[0] != '\0' ? a->last : "it is not there");
        }
        if (rc != 0 && rc != ERR_UNAVAILABLE && rc != ERR_GONE && rc != ERR_CLOSED) {
            return rc;
        }
    }
    if (a->rc != 0) {
        *err = a->err;
        return a->rc;
    }
    if (!a->quiet) {
        print_out("%s %s\n", title,
                  a->what == AWAIT_DELETED   ? "deleted"
                  : a->what == AWAIT_CREATED ? "created"
                                             : "condition met");
    }
    return 0;
}
