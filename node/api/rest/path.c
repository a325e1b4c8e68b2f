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

static bool parse_bool(struct slice value)
{
    return !slice_eq_cstr(value, "false") && !slice_eq_cstr(value, "0");
}

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

static int set_dry_run(struct rest_query *q, struct slice value, struct err *err)
{
    q->dry_run = slice_eq_cstr(value, "All");
    return q->dry_run ? 0 : rest_bad_dry_run(err);
}

static int set_include(struct rest_query *q, struct slice name, struct slice value, struct err *err)
{
    q->include_object = slice_eq_cstr(value, "Object");
    q->include_none = slice_eq_cstr(value, "None");
    bool known = q->include_object || q->include_none || slice_eq_cstr(value, "Metadata");
    return known ? 0 : bad_param(err, name, value);
}

static int set_param(struct rest_query *q, struct slice name, struct slice value, struct err *err)
{
    const struct {
        const char *name;
        struct slice *to;
    } texts[] = {
        {"labelSelector", &q->labels},       {"fieldSelector", &q->fields},
        {"resourceVersion", &q->version},    {"resourceVersionMatch", &q->match},
        {"continue", &q->continued},         {"fieldManager", &q->manager},
        {"fieldValidation", &q->validation}, {"propagationPolicy", &q->propagation},
        {"orphanDependents", &q->orphan},    {"pretty", &q->pretty},
    };
    const struct {
        const char *name;
        bool *to;
    } bools[] = {
        {"watch", &q->watch},
        {"allowWatchBookmarks", &q->bookmarks},
        {"sendInitialEvents", &q->send_initial},
        {"force", &q->force},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (slice_eq_cstr(name, texts[i].name)) {
            *texts[i].to = value;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
        if (slice_eq_cstr(name, bools[i].name)) {
            *bools[i].to = parse_bool(value);
            q->has_send_initial |= bools[i].to == &q->send_initial;
            return 0;
        }
    }
    if (slice_eq_cstr(name, "limit")) {
        return slice_u64(value, &q->limit) ? 0 : bad_param(err, name, value);
    }
    if (slice_eq_cstr(name, "timeoutSeconds")) {
        return slice_u64(value, &q->timeout_s) ? 0 : bad_param(err, name, value);
    }
    if (slice_eq_cstr(name, "includeObject")) {
        return set_include(q, name, value, err);
    }
    return slice_eq_cstr(name, "dryRun") ? set_dry_run(q, value, err) : 0;
}

int rest_query_parse(struct slice query, struct arena *arena, struct rest_query *out,
                     struct err *err)
{
    *out = (struct rest_query){0};
    struct slice name;
    struct slice value;
    while (uri_next_param(&query, arena, &name, &value)) {
        if (value.len == 0) {
            continue; /* `limit=` is as good as nothing */
        }
        int rc = set_param(out, name, value, err);
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
