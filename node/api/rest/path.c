/* path.c: Kubernetes' paths, queries and Accept headers, as values.
 *
 * All is cut from the request's own bytes; segments and values are decoded once, here. What cannot
 * be understood is an error with the offending part in it, but for query parameters that we do not
 * know: clients send many (timeout, pretty, ...), and Kubernetes ignores them. */
#include "node/api/rest/path.h"

#include "node/http/uri.h"

enum { SEGMENTS_MAX = 8 };

static int cut_segments(struct slice path, struct arena *arena, struct slice *segments,
                        size_t *count, struct err *err)
{
    *count = 0;
    struct slice rest = slice_sub(path, 1, path.len); /* the leading '/' */
    if (slice_ends_with(rest, SLICE("/"))) {
        rest = slice_sub(rest, 0, rest.len - 1);
    }
    struct slice part;
    while (slice_split(&rest, '/', &part)) {
        if (*count == SEGMENTS_MAX || part.len == 0 ||
            !uri_decode(part, false, arena, &segments[*count])) {
            return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
        }
        (*count)++;
    }
    return 0;
}

/* namespaces/N/PLURAL[/NAME[/SUB]], or PLURAL[/NAME[/SUB]]. Of "namespaces" itself, N is a name
 * unless a plural follows that is no subresource of it. */
static bool cut_object(const struct slice *s, size_t count, struct rest_path *out)
{
    bool in_ns =
        count >= 3 && slice_eq_cstr(s[0], "namespaces") &&
        !(count == 3 && (slice_eq_cstr(s[2], "status") || slice_eq_cstr(s[2], "finalize")));
    if (in_ns) {
        out->ns = s[1];
        s += 2;
        count -= 2;
    }
    out->kind = REST_PATH_OBJECTS;
    out->plural = s[0];
    out->name = count > 1 ? s[1] : (struct slice){0};
    out->sub = count > 2 ? s[2] : (struct slice){0};
    return count <= 3;
}

int rest_path_parse(struct slice path, struct arena *arena, struct rest_path *out, struct err *err)
{
    struct slice s[SEGMENTS_MAX];
    size_t count;
    *out = (struct rest_path){.kind = REST_PATH_NONE};
    int rc = cut_segments(path, arena, s, &count, err);
    if (rc != 0 || count == 0) {
        return rc;
    }
    size_t head; /* segments up to and with the version */
    if (slice_eq_cstr(s[0], "api")) {
        head = 2;
        out->kind = count == 1 ? REST_PATH_VERSIONS : REST_PATH_RESOURCES;
        out->version = count > 1 ? s[1] : (struct slice){0};
    } else if (slice_eq_cstr(s[0], "apis")) {
        head = 3;
        out->kind = count == 1   ? REST_PATH_GROUPS
                    : count == 2 ? REST_PATH_GROUP
                                 : REST_PATH_RESOURCES;
        out->group = count > 1 ? s[1] : (struct slice){0};
        out->version = count > 2 ? s[2] : (struct slice){0};
    } else {
        return 0;
    }
    if (count > head && !cut_object(s + head, count - head, out)) {
        return err_set(err, ERR_NOT_FOUND, "the server could not find the requested resource");
    }
    return 0;
}

/* ---- queries ---- */

static int bad_param(struct err *err, struct slice name, struct slice value)
{
    return err_set(err, ERR_INVALID, "invalid value \"%.*s\" of parameter %.*s",
                   (int)(value.len < 100 ? value.len : 100), value.data != NULL ? value.data : "",
                   SLICE_ARG(name));
}

int rest_bad_dry_run(struct err *err)
{
    return err_set(err, ERR_UNPROCESSABLE, "dryRun: Unsupported value: supported values: \"All\"");
}

enum param_type { PARAM_TEXT, PARAM_BOOL, PARAM_NUMBER, PARAM_INCLUDE, PARAM_DRY_RUN };

static const struct param {
    const char *name;
    enum param_type type;
    size_t at; /* of its field in struct rest_query */
} params[] = {
#define PARAM(name, type, field)                                                                   \
    {                                                                                              \
        name, type, offsetof(struct rest_query, field)                                             \
    }
    PARAM("labelSelector", PARAM_TEXT, labels),
    PARAM("fieldSelector", PARAM_TEXT, fields),
    PARAM("resourceVersion", PARAM_TEXT, version),
    PARAM("resourceVersionMatch", PARAM_TEXT, match),
    PARAM("continue", PARAM_TEXT, continued),
    PARAM("fieldManager", PARAM_TEXT, manager),
    PARAM("fieldValidation", PARAM_TEXT, validation),
    PARAM("propagationPolicy", PARAM_TEXT, propagation),
    PARAM("orphanDependents", PARAM_TEXT, orphan),
    PARAM("pretty", PARAM_TEXT, pretty),
    PARAM("watch", PARAM_BOOL, watch),
    PARAM("allowWatchBookmarks", PARAM_BOOL, bookmarks),
    PARAM("sendInitialEvents", PARAM_BOOL, send_initial),
    PARAM("force", PARAM_BOOL, force),
    PARAM("limit", PARAM_NUMBER, limit),
    PARAM("timeoutSeconds", PARAM_NUMBER, timeout_s),
    PARAM("includeObject", PARAM_INCLUDE, include_object),
    PARAM("dryRun", PARAM_DRY_RUN, dry_run),
#undef PARAM
};

enum { PARAMS = sizeof(params) / sizeof(params[0]) };

static size_t param_of(struct slice name)
{
    size_t i = 0;
    while (i < PARAMS && !slice_eq_cstr(name, params[i].name)) {
        i++;
    }
    return i;
}

static int set_param(struct rest_query *q, const struct param *param, struct slice value,
                     struct err *err)
{
    void *field = (char *)q + param->at;
    bool good = true;
    switch (param->type) {
    case PARAM_TEXT:
        *(struct slice *)field = value;
        break;
    case PARAM_BOOL:
        *(bool *)field = !slice_eq_cstr(value, "false") && !slice_eq_cstr(value, "0");
        q->has_send_initial |= field == &q->send_initial;
        break;
    case PARAM_NUMBER:
        good = slice_u64(value, field);
        break;
    case PARAM_INCLUDE:
        q->include_object = slice_eq_cstr(value, "Object");
        q->include_none = slice_eq_cstr(value, "None");
        good = q->include_object || q->include_none || slice_eq_cstr(value, "Metadata");
        break;
    case PARAM_DRY_RUN:
        q->dry_run = slice_eq_cstr(value, "All");
        return q->dry_run ? 0 : rest_bad_dry_run(err);
    }
    return good ? 0 : bad_param(err, slice_of(param->name), value);
}

int rest_query_parse(struct slice query, struct arena *arena, struct rest_query *out,
                     struct err *err)
{
    *out = (struct rest_query){0};
    bool seen[PARAMS] = {false};
    struct slice name;
    struct slice value;
    while (uri_next_param(&query, arena, &name, &value)) {
        size_t i = param_of(name);
        if (i == PARAMS || seen[i]) {
            continue;
        }
        seen[i] = true;
        int rc = value.len > 0 ? set_param(out, &params[i], value, err) : 0;
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- Accept ---- */

struct media {
    struct slice type;
    struct slice as;
    struct slice group;
    struct slice version;
};

static struct media cut_media(struct slice text)
{
    struct media m = {0};
    struct slice part;
    bool first = true;
    while (slice_split(&text, ';', &part)) {
        part = slice_trim(part);
        size_t equals = slice_find(part, SLICE("="));
        if (first) {
            m.type = part;
            first = false;
        } else if (equals != SIZE_MAX) {
            struct slice name = slice_sub(part, 0, equals);
            struct slice value = slice_sub(part, equals + 1, part.len);
            struct slice *to = slice_eq_cstr(name, "as")  ? &m.as
                               : slice_eq_cstr(name, "g") ? &m.group
                               : slice_eq_cstr(name, "v") ? &m.version
                                                          : NULL;
            if (to != NULL) {
                *to = value;
            }
        }
    }
    return m;
}

struct slice rest_media_type(struct slice content_type)
{
    return cut_media(content_type).type;
}

/* The form that one alternative asks for, or -1. */
static int form_of(const struct media *m)
{
    bool json = slice_eq_cstr(m->type, "application/json") || slice_eq_cstr(m->type, "*/*") ||
                slice_eq_cstr(m->type, "application/*");
    if (!json) {
        return -1;
    }
    if (m->as.len == 0) {
        return REST_OBJECT;
    }
    if (slice_eq_cstr(m->group, "apidiscovery.k8s.io")) {
        bool known = slice_eq_cstr(m->as, "APIGroupDiscoveryList") &&
                     (slice_eq_cstr(m->version, "v2") || slice_eq_cstr(m->version, "v2beta1"));
        return known ? REST_AGGREGATED : -1;
    }
    if (!slice_eq_cstr(m->group, "meta.k8s.io") ||
        !(slice_eq_cstr(m->version, "v1") || slice_eq_cstr(m->version, "v1beta1"))) {
        return -1;
    }
    if (slice_eq_cstr(m->as, "Table")) {
        return REST_TABLE;
    }
    bool partial = slice_eq_cstr(m->as, "PartialObjectMetadata") ||
                   slice_eq_cstr(m->as, "PartialObjectMetadataList");
    return partial ? REST_PARTIAL : -1;
}

int rest_accept_parse(struct slice accept, unsigned allowed, struct rest_accept *out,
                      struct err *err)
{
    *out = (struct rest_accept){.form = REST_OBJECT};
    if (slice_trim(accept).len == 0) {
        return 0;
    }
    struct slice rest = accept;
    struct slice part;
    while (slice_split(&rest, ',', &part)) {
        struct media m = cut_media(slice_trim(part));
        int form = form_of(&m);
        if (form >= 0 && (allowed & (1U << form)) != 0) {
            out->form = (enum rest_form)form;
            out->version = m.version;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_ACCEPTABLE,
                   "only the following media types are accepted: application/json");
}
