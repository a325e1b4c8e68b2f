/* discovery.c: what is served: aggregated (two documents, newer clients) and legacy (one per group
 * and version).
 *
 * All is written from the kind registry, in its order; a kind that is registered is advertised,
 * and nothing else, since Argo CD lists and watches whatever it discovers. */
#include "node/api/rest/rest.h"

#include <string.h>

static void add_member(struct buf *out, const char *name, struct slice value)
{
    buf_addf(out, "\"%s\":", name);
    json_quote(out, value);
}

static void add_list(struct buf *out, const char *name, const struct slice *items, size_t count)
{
    if (count == 0) {
        return;
    }
    buf_addf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        if (i != 0) {
            buf_add_char(out, ',');
        }
        json_quote(out, items[i]);
    }
    buf_add_char(out, ']');
}

static void add_verbs(struct buf *out, uint32_t verbs)
{
    buf_add_cstr(out, "\"verbs\":[");
    bool any = false;
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if ((verbs & (1U << i)) != 0) {
            buf_addf(out, "%s\"%s\"", any ? "," : "", kind_verb_name(i));
            any = true;
        }
    }
    buf_add_char(out, ']');
}

enum { SUB_VERBS = KIND_GET | KIND_UPDATE | KIND_PATCH };

/* A subresource: its name, what it is, and what it can do. */
struct sub {
    struct slice name;
    struct slice group;
    struct slice version;
    struct slice kind;
    uint32_t verbs;
};

/* Those of a kind, in turn. False behind the last. */
static bool sub_at(const struct kind_registry *kinds, const struct kind *kind, size_t i,
                   struct sub *sub)
{
    bool is_namespace = kind->group.len == 0 && slice_eq_cstr(kind->plural, "namespaces");
    struct sub own[4];
    size_t count = 0;
    if (kind->status) {
        own[count++] =
            (struct sub){SLICE("status"), kind->group, kind->version, kind->kind, SUB_VERBS};
    }
    if (kind->scale_spec_replicas.len != 0) {
        own[count++] = (struct sub){SLICE("scale"), SLICE("autoscaling"), SLICE("v1"),
                                    SLICE("Scale"), SUB_VERBS};
    }
    if (kind->log) {
        own[count++] = (struct sub){SLICE("log"), kind->group, kind->version, kind->kind, KIND_GET};
    }
    if (is_namespace) {
        own[count++] =
            (struct sub){SLICE("finalize"), kind->group, kind->version, kind->kind, KIND_UPDATE};
    }
    if (i < count) {
        *sub = own[i];
        return true;
    }
    struct slice name;
    const struct kind *part = kind_part_at(kinds, kind, i - count, &name);
    if (part != NULL) {
        *sub = (struct sub){name, part->group, part->version, part->kind, part->verbs};
    }
    return part != NULL;
}

/* ---- aggregated ---- */

static void add_response_kind(struct buf *out, struct slice group, struct slice version,
                              struct slice kind)
{
    buf_add_cstr(out, "\"responseKind\":{");
    add_member(out, "group", group);
    buf_add_char(out, ',');
    add_member(out, "version", version);
    buf_add_char(out, ',');
    add_member(out, "kind", kind);
    buf_add_char(out, '}');
}

static void add_discovered(struct buf *out, const struct kind_registry *kinds,
                           const struct kind *kind)
{
    buf_add_char(out, '{');
    add_member(out, "resource", kind->plural);
    buf_add_char(out, ',');
    add_response_kind(out, kind->group, kind->version, kind->kind);
    buf_addf(out, ",\"scope\":\"%s\",", kind->namespaced ? "Namespaced" : "Cluster");
    add_member(out, "singularResource", kind->singular);
    buf_add_char(out, ',');
    add_verbs(out, kind->verbs);
    add_list(out, "shortNames", kind->short_names, kind->short_name_count);
    add_list(out, "categories", kind->categories, kind->category_count);
    struct sub sub;
    size_t i;
    for (i = 0; sub_at(kinds, kind, i, &sub); i++) {
        buf_add_cstr(out, i == 0 ? ",\"subresources\":[{" : ",{");
        add_member(out, "subresource", sub.name);
        buf_add_char(out, ',');
        add_response_kind(out, sub.group, sub.version, sub.kind);
        buf_add_char(out, ',');
        add_verbs(out, sub.verbs);
        buf_add_char(out, '}');
    }
    buf_add_cstr(out, i != 0 ? "]}" : "}");
}

static bool same_version(const struct kind *a, const struct kind *b)
{
    return slice_eq(a->group, b->group) && slice_eq(a->version, b->version);
}

/* True if no kind before the i-th has its group (and, if asked, its version). */
static bool first_of(const struct kind_registry *kinds, size_t i, bool version)
{
    const struct kind *kind = kind_registry_at(kinds, i);
    for (size_t j = 0; j < i; j++) {
        const struct kind *other = kind_registry_at(kinds, j);
        if (version ? same_version(other, kind) : slice_eq(other->group, kind->group)) {
            return false;
        }
    }
    return true;
}

static void add_aggregated_version(struct buf *out, const struct kind_registry *kinds,
                                   const struct kind *of)
{
    bool any = false;
    buf_add_char(out, '{');
    add_member(out, "version", of->version);
    buf_add_cstr(out, ",\"resources\":[");
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (same_version(kind, of)) {
            if (any) {
                buf_add_char(out, ',');
            }
            any = true;
            add_discovered(out, kinds, kind);
        }
    }
    buf_add_cstr(out, "],\"freshness\":\"Current\"}");
}

static void add_aggregated_group(struct buf *out, const struct kind_registry *kinds,
                                 struct slice group)
{
    bool any = false;
    buf_add_cstr(out, "{\"metadata\":{");
    add_member(out, "name", group);
    buf_add_cstr(out, ",\"creationTimestamp\":null},\"versions\":[");
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (slice_eq(kind->group, group) && first_of(kinds, i, true)) {
            if (any) {
                buf_add_char(out, ',');
            }
            any = true;
            add_aggregated_version(out, kinds, kind);
        }
    }
    buf_add_cstr(out, "]}");
}

static void aggregated(struct rest_call *call, bool core)
{
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    struct buf *out = http_stream_out(call->stream);
    bool any = false;
    buf_addf(out,
             "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%.*s\","
             "\"metadata\":{},\"items\":[",
             SLICE_ARG(call->accept.version));
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if ((kind->group.len == 0) == core && first_of(kinds, i, false)) {
            if (any) {
                buf_add_char(out, ',');
            }
            any = true;
            add_aggregated_group(out, kinds, kind->group);
        }
    }
    buf_add_cstr(out, "]}\n");
    rest_respond(call, 200,
                 arena_printf(call->arena,
                              "application/json;g=apidiscovery.k8s.io;v=%.*s;"
                              "as=APIGroupDiscoveryList",
                              SLICE_ARG(call->accept.version)),
                 (struct slice){0});
}

/* ---- legacy ---- */

static void add_group_version(struct buf *out, const struct kind *kind)
{
    buf_add_cstr(out, "{");
    add_member(out, "groupVersion", kind->api_version);
    buf_add_char(out, ',');
    add_member(out, "version", kind->version);
    buf_add_char(out, '}');
}

static void add_group(struct buf *out, const struct kind_registry *kinds, const struct kind *first,
                      bool alone)
{
    bool any = false;
    buf_addf(out, "{%s", alone ? "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "");
    add_member(out, "name", first->group);
    buf_add_cstr(out, ",\"versions\":[");
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (slice_eq(kind->group, first->group) && first_of(kinds, i, true)) {
            if (any) {
                buf_add_char(out, ',');
            }
            any = true;
            add_group_version(out, kind);
        }
    }
    buf_add_cstr(out, "],\"preferredVersion\":");
    add_group_version(out, first);
    buf_add_char(out, '}');
}

static void groups(struct rest_call *call)
{
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    struct buf *out = http_stream_out(call->stream);
    bool any = false;
    buf_add_cstr(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (kind->group.len != 0 && first_of(kinds, i, false)) {
            if (any) {
                buf_add_char(out, ',');
            }
            any = true;
            add_group(out, kinds, kind, false);
        }
    }
    buf_add_cstr(out, "]}\n");
    rest_respond_out(call, 200, NULL, 0);
}

/* sub NULL: the kind itself. */
static void add_resource(struct buf *out, const struct kind *kind, const struct sub *sub)
{
    buf_add_cstr(out, "{\"name\":\"");
    buf_add(out, kind->plural);
    if (sub != NULL) {
        buf_addf(out, "/%.*s", SLICE_ARG(sub->name));
    }
    buf_add_cstr(out, "\",");
    add_member(out, "singularName", sub != NULL ? (struct slice){0} : kind->singular);
    buf_addf(out, ",\"namespaced\":%s,", kind->namespaced ? "true" : "false");
    if (sub != NULL && !slice_eq(sub->kind, kind->kind)) {
        add_member(out, "group", sub->group);
        buf_add_char(out, ',');
        add_member(out, "version", sub->version);
        buf_add_char(out, ',');
    }
    add_member(out, "kind", sub != NULL ? sub->kind : kind->kind);
    buf_add_char(out, ',');
    add_verbs(out, sub != NULL ? sub->verbs : kind->verbs);
    if (sub == NULL) {
        add_list(out, "shortNames", kind->short_names, kind->short_name_count);
        add_list(out, "categories", kind->categories, kind->category_count);
    }
    buf_add_char(out, '}');
}

static void resources(struct rest_call *call)
{
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    struct buf *out = http_stream_out(call->stream);
    size_t count = 0;
    buf_addf(out,
             "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%.*s%s%.*s\","
             "\"resources\":[",
             SLICE_ARG(call->path.group), call->path.group.len != 0 ? "/" : "",
             SLICE_ARG(call->path.version));
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (!slice_eq(kind->group, call->path.group) ||
            !slice_eq(kind->version, call->path.version)) {
            continue;
        }
        if (count++ != 0) {
            buf_add_char(out, ',');
        }
        add_resource(out, kind, NULL);
        struct sub sub;
        for (size_t j = 0; sub_at(kinds, kind, j, &sub); j++) {
            buf_add_char(out, ',');
            add_resource(out, kind, &sub);
        }
    }
    bool core = call->path.group.len == 0 && slice_eq_cstr(call->path.version, "v1");
    if (count == 0 && !core) {
        rest_fail(call, ERR_NOT_FOUND, NULL);
        return;
    }
    buf_add_cstr(out, "]}\n");
    rest_respond_out(call, 200, NULL, 0);
}

static void group(struct rest_call *call)
{
    const struct kind_registry *kinds = api_kinds(call->api, call->arena);
    for (size_t i = 0; i < kind_registry_count(kinds); i++) {
        const struct kind *kind = kind_registry_at(kinds, i);
        if (slice_eq(kind->group, call->path.group)) {
            add_group(http_stream_out(call->stream), kinds, kind, true);
            rest_respond_out(call, 200, NULL, 0);
            return;
        }
    }
    rest_fail(call, ERR_NOT_FOUND, NULL);
}

static void versions(struct rest_call *call)
{
    buf_add_cstr(http_stream_out(call->stream), "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],"
                                                "\"serverAddressByClientCIDRs\":[]}\n");
    rest_respond_out(call, 200, NULL, 0);
}

void rest_discovery(struct rest_call *call)
{
    struct err err = {0};
    bool roots = call->path.kind == REST_PATH_VERSIONS || call->path.kind == REST_PATH_GROUPS;
    unsigned forms = (1U << REST_OBJECT) | (roots ? 1U << REST_AGGREGATED : 0);
    int rc =
        rest_accept_parse(http_stream_header(call->stream, "accept"), forms, &call->accept, &err);
    if (rc != 0) {
        rest_fail(call, rc, &err);
        return;
    }
    if (call->accept.form == REST_AGGREGATED) {
        aggregated(call, call->path.kind == REST_PATH_VERSIONS);
        return;
    }
    switch (call->path.kind) {
    case REST_PATH_VERSIONS:
        versions(call);
        break;
    case REST_PATH_GROUPS:
        groups(call);
        break;
    case REST_PATH_GROUP:
        group(call);
        break;
    case REST_PATH_RESOURCES:
        resources(call);
        break;
    case REST_PATH_NONE:
    case REST_PATH_OBJECTS:
        rest_fail(call, ERR_NOT_FOUND, NULL);
        break;
    }
}
