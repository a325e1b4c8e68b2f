/* ADMIT_APPLY: from a manager's intent to the whole object.
 *
 * The intent is checked like any body, narrowed to what its subresource may apply, and merged by
 * apply_merge(). Conflicts become Kubernetes' message, which lists managers and their fields. */
#include "base/clock.h"
#include "proto/admit_internal.h"
#include "proto/tree_internal.h"

/* What of an intent its subresource may apply. */
static void narrow_intent(const struct admit_request *request, json_t **intent)
{
    if (request->sub == ADMIT_MAIN) {
        if (admit__status_apart(request)) {
            (void)json_object_del(*intent, "status");
        }
        return;
    }
    json_t *narrow = object_new("", "", request->ns, request->name);
    admit__take_member(narrow, *intent, "apiVersion");
    admit__take_member(narrow, *intent, "kind");
    if (request->sub == ADMIT_STATUS) {
        admit__take_member(narrow, *intent, "status");
    } else if (request->sub == ADMIT_FINALIZE) {
        admit__take_member(narrow, *intent, "spec");
    }
    json_decref(*intent);
    *intent = narrow;
}

static struct slice manager_of(const struct admit_request *request)
{
    struct slice name = request->field_manager;
    if (name.len == 0) {
        size_t slash = slice_find(request->user_agent, SLICE("/"));
        name = slash == SIZE_MAX ? request->user_agent : slice_sub(request->user_agent, 0, slash);
        name = slice_sub(name, 0, ADMIT_MANAGER_BYTES_MAX);
        name = slice_sub(name, 0, slice_utf8(name));
    }
    return name.len > 0 ? name : SLICE("unknown");
}

/* Did a controller make it: its owners', that of what the program ships, or for want of a client's?
 */
static bool is_made(const struct kind *k, const json_t *object)
{
    bool contract = k->message.len > 0 && !k->strategic;
    return contract && (json_array_size(json_at(object, "metadata", "ownerReferences", NULL)) > 0 ||
                        json_at(object, "status", "builtIn", NULL) != NULL ||
                        slice_eq_cstr(object_annotation(object, OBJECT_DEFAULT), "true"));
}

struct apply_context admit__context(const struct admit_request *request, char now[21])
{
    static const struct slice subs[] = {{"", 0}, {"status", 6}, {"scale", 5}, {"finalize", 8}};
    clock_rfc3339(request->now_ms, now);
    return (struct apply_context){
        .schema = request->kind->schema,
        .api_version = request->kind->api_version,
        .manager = request->system ? (struct slice){0} : manager_of(request),
        .subresource = subs[request->sub],
        .now = slice_make(now, strlen(now)),
        .force = request->force,
    };
}

/* "Apply failed with 2 conflicts: conflicts with "a" using v1:\n- .x\n- .y" */
static int conflicts(const struct admit_request *request, struct admit_result *result,
                     struct err *err)
{
    const struct causes *c = &result->causes;
    struct buf text = {0};
    size_t all = c->count + c->dropped;
    buf_addf(&text, "Apply failed with %zu conflict%s: ", all, all == 1 ? "" : "s");
    for (size_t i = 0; i < c->count; i++) {
        bool first = i == 0 || !slice_eq(c->items[i].message, c->items[i - 1].message);
        bool next = i + 1 < c->count && slice_eq(c->items[i].message, c->items[i + 1].message);
        if (first && next) {
            struct slice rest = slice_sub(c->items[i].message, strlen("conflict"), SIZE_MAX);
            buf_addf(&text, "%sconflicts%.*s:", i > 0 ? "\n" : "", SLICE_ARG(rest));
        } else if (first) {
            buf_addf(&text, "%s%.*s:", i > 0 ? "\n" : "", SLICE_ARG(c->items[i].message));
        }
        buf_addf(&text, "%s%.*s", first && !next ? " " : "\n- ", SLICE_ARG(c->items[i].field));
    }
    int rc = admit__fail(request, result, err, ERR_CONFLICT, "%.*s", SLICE_ARG(buf_slice(&text)));
    buf_free(&text);
    return rc;
}

/* Applies are typed: what of a kind of Kubernetes' own is in no schema is an error there that is no
 * status of its, and so 500. */
static int check_declared(const struct admit_request *request, struct admit_result *result,
                          const json_t *intent, struct err *err)
{
    const struct kind *k = request->kind;
    struct causes unknown = {.arena = request->arena};
    struct buf text = {0};
    int rc = 0;
    if (!k->strategic || k->lenient || request->validation == ADMIT_STRICT) {
        return 0; /* a strict client is told in other words */
    }
    json_t *copy = tree_copy(intent);
    schema_prune(k->schema, copy, &unknown);
    json_decref(copy);
    buf_addf(&text, "%s", unknown.count > 1 ? "errors:" : "");
    for (size_t i = 0; i < unknown.count; i++) {
        buf_addf(&text, "%s.%.*s: field not declared in schema", unknown.count > 1 ? "\n  " : "",
                 SLICE_ARG(unknown.items[i].field));
    }
    if (unknown.count > 0) {
        rc =
            admit__fail(request, result, err, ERR_INTERNAL,
                        "failed to create typed patch object (%.*s%s%.*s; %s%.*s, Kind=%.*s): %.*s",
                        SLICE_ARG(request->ns), request->ns.len > 0 ? "/" : "",
                        SLICE_ARG(request->name), k->group.len > 0 ? "" : "/",
                        SLICE_ARG(k->api_version), SLICE_ARG(k->kind), SLICE_ARG(buf_slice(&text)));
    }
    buf_free(&text);
    return rc;
}

static int check_intent(const struct admit_request *request, struct admit_result *result,
                        json_t *intent, struct err *err)
{
    if (request->field_manager.len == 0) {
        cause_add(&result->causes, CAUSE_REQUIRED, SLICE("fieldManager"),
                  "Required value: is required for apply patch");
        return admit__invalid(request, result, err);
    }
    int rc = admit__identity(request, result, intent, err);
    json_t *meta = json_object_get(intent, "metadata");
    if (rc == 0 && json_array_size(json_object_get(meta, "managedFields")) > 0) {
        rc = admit__fail(request, result, err, ERR_INVALID, "metadata.managedFields must be nil");
    }
    rc = rc == 0 ? check_declared(request, result, intent, err) : rc;
    if (rc == 0) {
        rc = admit__prune(request, result, intent, err);
    }
    if (rc == 0) {
        (void)json_object_del(meta, "managedFields");
        rc = admit__preconditions(request, result, json_text_at(meta, "uid"),
                                  json_text_at(meta, "resourceVersion"), err);
    }
    return rc;
}

int admit__apply(const struct admit_request *request, struct admit_result *result, json_t **object,
                 struct err *err)
{
    json_t *intent = request->incoming != NULL ? tree_copy(request->incoming) : json_null();
    int rc = 0;
    if (request->sub == ADMIT_SCALE) {
        json_t *partial = object_new("", "", request->ns, request->name);
        (void)json_object_del(partial, "apiVersion");
        (void)json_object_del(partial, "kind");
        if (!admit__scale_take(request->kind, intent, partial)) {
            rc = admit__fail(request, result, err, ERR_INVALID,
                             "a Scale is applied with spec.replicas");
        }
        json_decref(intent);
        intent = partial;
    }
    rc = rc == 0 ? check_intent(request, result, intent, err) : rc;
    if (rc == 0) {
        char now[21];
        struct apply_context ctx = admit__context(request, now);
        ctx.unowned = is_made(request->kind, result->before);
        if (request->sub != ADMIT_SCALE) {
            narrow_intent(request, &intent);
        }
        rc = apply_merge(&ctx, result->before, intent, object, &result->causes, err);
        if (rc == ERR_CONFLICT) {
            rc = conflicts(request, result, err);
        } else if (rc == ERR_UNPROCESSABLE) {
            rc = admit__invalid(request, result, err);
        } else if (rc != 0) {
            rc = admit__fail(request, result, NULL, rc, "%s", err != NULL ? err->message : "");
        }
    }
    json_decref(intent);
    return rc;
}

/* ---- times ---- */

/* Is one of these the entry, but for its time? */
static bool is_entry_of(const json_t *list, const json_t *entry)
{
    json_t *bare = json_copy((json_t *)(uintptr_t)entry);
    size_t i;
    json_t *other;
    bool found = false;
    json_array_foreach((json_t *)(uintptr_t)list, i, other)
    {
        json_t *time = json_object_get(other, "time");
        if (!found && time != NULL) {
            json_object_set(bare, "time", time);
            found = json_equal(bare, other);
        }
    }
    json_decref(bare);
    return found;
}

void admit__keep_times(const json_t *before, json_t *object)
{
    json_t *was = json_at(before, "metadata", "managedFields", NULL);
    json_t *is = json_at(object, "metadata", "managedFields", NULL);
    bool alike =
        was != is && json_array_size(was) > 0 && json_array_size(was) == json_array_size(is);
    for (size_t i = 0; alike && i < json_array_size(is); i++) {
        alike = is_entry_of(was, json_array_get(is, i));
    }
    if (!alike) {
        return;
    }
    json_t *meta = json_object_get(object, "metadata");
    json_incref(is);
    json_object_set(meta, "managedFields", was);
    if (!json_equal(before, object)) {
        json_object_set(meta, "managedFields", is);
    }
    json_decref(is);
}
