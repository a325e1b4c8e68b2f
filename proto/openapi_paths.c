/* OpenAPI documents: the paths of every kind, with the operations and parameters that clients look
 * for, around the schemas of openapi.c.
 *
 * kubectl finds a kind's schema by x-kubernetes-group-version-kind, the path of its list for
 * `explain`, and what a server can do by the parameters of its PATCH operation (dryRun,
 * fieldValidation). */
#include <ctype.h>
#include <stdio.h>

#include "proto/openapi_internal.h"
#include "proto/tree_internal.h"

struct parameter {
    const char *name;
    const char *type;
    const char *doc;
};

static const struct parameter list_parameters[] = {
    {"allowWatchBookmarks", "boolean", "Ask for BOOKMARK events in a watch."},
    {"continue", "string", "The token of an earlier page."},
    {"fieldSelector", "string", "Select by fields."},
    {"labelSelector", "string", "Select by labels."},
    {"limit", "integer", "At most so many objects in a page."},
    {"resourceVersion", "string", "Read at, or not before, this version; watch after it."},
    {"resourceVersionMatch", "string", "Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Start a watch with what is there."},
    {"timeoutSeconds", "integer", "End the request after this time."},
    {"watch", "boolean", "Stream changes."},
};
static const struct parameter write_parameters[] = {
    {"dryRun", "string", "All: check only, store nothing."},
    {"fieldManager", "string", "Who writes, for the books of field ownership."},
    {"fieldValidation", "string", "Ignore, Warn or Strict: what happens to unknown fields."},
};
static const struct parameter log_parameters[] = {
    {"container", "string", "Of this container alone."},
    {"follow", "boolean", "Go on as it is written."},
    {"limitBytes", "integer", "At most so many bytes of each container."},
    {"previous", "boolean", "Of the container's life before this one."},
    {"sinceSeconds", "integer", "Only lines of the last so many seconds."},
    {"sinceTime", "string", "Only lines since then."},
    {"tailLines", "integer", "Only so many of each container's last lines."},
    {"timestamps", "boolean", "A time before each line."},
};
static const struct parameter force_parameter[] = {
    {"force", "boolean", "Take over fields that others own (server-side apply)."},
};
static const struct parameter delete_parameters[] = {
    {"dryRun", "string", "All: check only, delete nothing."},
    {"gracePeriodSeconds", "integer", "How long it may take to end."},
    {"orphanDependents", "boolean", "Obsolete: true is Orphan, false is Background."},
    {"propagationPolicy", "string", "Background, Foreground or Orphan."},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *parameter_json(const struct openapi_doc *doc, const struct parameter *p,
                              const char *in)
{
    json_t *out = json_pack("{s:s,s:s,s:s}", "name", p->name, "in", in, "description", p->doc);
    if (doc->dialect == OPENAPI_V2) {
        json_object_set_new(out, "type", json_string(p->type));
        json_object_set_new(out, "uniqueItems", json_true());
    } else {
        json_object_set_new(out, "schema",
                            json_pack("{s:s,s:b}", "type", p->type, "uniqueItems", 1));
    }
    if (in[0] == 'p') {
        json_object_set_new(out, "required", json_true());
    }
    return out;
}

static void add_parameters(const struct openapi_doc *doc, json_t *list, const struct parameter *all,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, parameter_json(doc, &all[i], "query"));
    }
}

static json_t *gvk(const struct kind *k, struct slice kind)
{
    return json_pack("{s:s%,s:s%,s:s%}", "group", k->group.data != NULL ? k->group.data : "",
                     k->group.len, "version", k->version.data, k->version.len, "kind", kind.data,
                     kind.len);
}

/* ---- definitions of kinds and their lists ---- */

/* "io.k8s.api.core.v1.Pod", "com.example.v1.Thing": for kinds that have no message. */
static struct slice made_name(const struct kind *k, struct slice kind, char out[512])
{
    char group[256] = "";
    struct slice rest = k->group;
    size_t dot;
    while ((dot = slice_find(rest, SLICE("."))) != SIZE_MAX || rest.len > 0) {
        struct slice part = dot == SIZE_MAX ? rest : slice_sub(rest, 0, dot);
        char before[256];
        (void)snprintf(before, sizeof(before), "%s", group);
        (void)snprintf(group, sizeof(group), "%.*s%s%.200s", (int)(part.len > 50 ? 50 : part.len),
                       part.data, before[0] != '\0' ? "." : "", before);
        rest = dot == SIZE_MAX ? SLICE("") : slice_sub(rest, dot + 1, SIZE_MAX);
    }
    if (group[0] == '\0') {
        (void)snprintf(group, sizeof(group), "io.k8s.api.core");
    }
    int len = snprintf(out, 512, "%s.%.*s.%.*s", group, SLICE_ARG(k->version), SLICE_ARG(kind));
    return slice_make(out, len > 0 && len < 512 ? (size_t)len : 0);
}

static const char list_meta_name[] = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

static void define_list_meta(struct openapi_doc *doc)
{
    json_t *text = json_pack("{s:s}", "type", "string");
    json_t *number = json_pack("{s:s,s:s}", "type", "integer", "format", "int64");
    json_object_set_new(doc->definitions, list_meta_name,
                        json_pack("{s:s,s:s,s:{s:o,s:o,s:o,s:O}}", "type", "object", "description",
                                  "ListMeta describes a list.", "properties", "continue",
                                  json_deep_copy(text), "remainingItemCount", number,
                                  "resourceVersion", json_deep_copy(text), "selfLink", text));
    json_decref(text);
}

/* The kind's own definition; its reference's name. */
static struct slice define_kind(struct openapi_doc *doc, const struct kind *k, char scratch[512])
{
    struct slice name;
    if (k->schema != NULL) {
        name = k->schema->name.len > 0 ? k->schema->name : made_name(k, k->kind, scratch);
        if (k->schema->name.len > 0) {
            json_decref(openapi__schema(doc, k->schema));
        } else {
            tree_set(doc->definitions, name, openapi__inline(doc, k->schema));
        }
    } else {
        name = made_name(k, k->kind, scratch);
        tree_set(
            doc->definitions, name,
            json_pack("{s:s,s:b}", "type", "object", "x-kubernetes-preserve-unknown-fields", 1));
    }
    json_t *kinds = json_array();
    json_array_append_new(kinds, gvk(k, k->kind));
    json_object_set_new(tree_get(doc->definitions, name), "x-kubernetes-group-version-kind", kinds);
    return name;
}

static struct slice define_list(struct openapi_doc *doc, const struct kind *k, struct slice item,
                                char scratch[512])
{
    struct slice name = made_name(k, k->list_kind, scratch);
    struct slice prefix = k->schema != NULL ? k->schema->name : SLICE("");
    if (slice_ends_with(prefix, k->kind)) {
        int len = snprintf(scratch, 512, "%.*s%.*s", (int)(prefix.len - k->kind.len), prefix.data,
                           SLICE_ARG(k->list_kind));
        name = slice_make(scratch, len > 0 && len < 512 ? (size_t)len : 0);
    }
    json_t *text = json_pack("{s:s}", "type", "string");
    json_t *list = json_pack("{s:s,s:s,s:[s],s:[o],s:{s:O,s:o,s:{s:s,s:o},s:o}}", "type", "object",
                             "description", "A list of objects.", "required", "items",
                             "x-kubernetes-group-version-kind", gvk(k, k->list_kind), "properties",
                             "apiVersion", text, "kind", json_deep_copy(text), "items", "type",
                             "array", "items", openapi__ref(doc, item), "metadata",
                             openapi__ref(doc, slice_of(list_meta_name)));
    json_decref(text);
    tree_set(doc->definitions, name, list);
    return name;
}

/* ---- operations ---- */

struct operation {
    const char *method;
    const char *action;
    const char *verb; /* of the operation's id */
    struct slice body;
    struct slice answer; /* empty: plain text */
    const struct parameter *parameters;
    size_t parameter_count;
    bool force;
};

static const char *const patch_types[] = {
    "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml",
    "application/strategic-merge-patch+json"};

static json_t *media(const struct openapi_doc *doc, const char *type, struct slice name)
{
    return json_pack("{s:{s:o}}", type, "schema",
                     name.len > 0 ? openapi__ref(doc, name) : json_pack("{s:s}", "type", "object"));
}

static void add_body(const struct openapi_doc *doc, json_t *op, json_t *parameters,
                     const struct operation *o, const struct kind *k)
{
    bool patch = o->method[1] == 'a';
    size_t types = k->strategic ? 4 : 3;
    if (doc->dialect == OPENAPI_V2) {
        json_t *consumes = json_array();
        for (size_t i = 0; patch && i < types; i++) {
            json_array_append_new(consumes, json_string(patch_types[i]));
        }
        if (!patch) {
            json_array_append_new(consumes, json_string("*/*"));
        }
        json_object_set_new(op, "consumes", consumes);
        json_array_append_new(
            parameters,
            json_pack("{s:s,s:s,s:b,s:o}", "name", "body", "in", "body", "required", 1, "schema",
                      patch ? json_pack("{s:s}", "type", "object") : openapi__ref(doc, o->body)));
        return;
    }
    json_t *content = json_object();
    for (size_t i = 0; patch && i < types; i++) {
        (void)json_object_update_new(content, media(doc, patch_types[i], SLICE("")));
    }
    if (!patch) {
        (void)json_object_update_new(content, media(doc, "application/json", o->body));
    }
    json_object_set_new(op, "requestBody",
                        json_pack("{s:o,s:b}", "content", content, "required", 1));
}

static void add_answer(const struct openapi_doc *doc, json_t *op, json_t *ok, struct slice answer)
{
    const char *type = answer.len > 0 ? "application/json" : "text/plain";
    json_t *schema =
        answer.len > 0 ? openapi__ref(doc, answer) : json_pack("{s:s}", "type", "string");
    if (doc->dialect == OPENAPI_V2) {
        json_object_set_new(ok, "schema", schema);
        json_object_set_new(op, "produces", json_pack("[s]", type));
    } else {
        json_object_set_new(ok, "content", json_pack("{s:{s:o}}", type, "schema", schema));
    }
}

static json_t *operation_json(const struct openapi_doc *doc, const struct kind *k,
                              const struct operation *o, const char *suffix)
{
    char id[256];
    (void)snprintf(id, sizeof(id), "%s%.*s%.*s%s", o->verb, SLICE_ARG(k->version),
                   SLICE_ARG(k->kind), suffix);
    json_t *parameters = json_array();
    json_t *op = json_pack("{s:s,s:s,s:o}", "operationId", id, "x-kubernetes-action", o->action,
                           "x-kubernetes-group-version-kind", gvk(k, k->kind));
    add_parameters(doc, parameters, o->parameters, o->parameter_count);
    if (o->force) {
        add_parameters(doc, parameters, force_parameter, 1);
    }
    if (o->body.len > 0) {
        add_body(doc, op, parameters, o, k);
    }
    json_t *ok = json_pack("{s:s}", "description", "OK");
    add_answer(doc, op, ok, o->answer);
    json_object_set_new(op, "responses", json_pack("{s:o}", "200", ok));
    json_object_set_new(op, "parameters", parameters);
    return op;
}

static void add_path(struct openapi_doc *doc, const struct kind *k, const char *path,
                     const struct operation *operations, size_t count, const char *suffix)
{
    static const struct parameter name = {"name", "string", "Name of the object."};
    static const struct parameter ns = {"namespace", "string", "Namespace of the object."};
    json_t *item = json_object();
    json_t *shared = json_array();
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(item, operations[i].method,
                            operation_json(doc, k, &operations[i], suffix));
    }
    if (strstr(path, "{name}") != NULL) {
        json_array_append_new(shared, parameter_json(doc, &name, "path"));
    }
    if (strstr(path, "{namespace}") != NULL) {
        json_array_append_new(shared, parameter_json(doc, &ns, "path"));
    }
    if (json_array_size(shared) > 0) {
        json_object_set(item, "parameters", shared);
    }
    json_decref(shared);
    json_object_set_new(doc->paths, path, item);
}

/* "/apis/G/V" */
static void base_path(const struct kind *k, char *base, size_t size)
{
    (void)snprintf(base, size, "/api%s%s%.*s/%.*s", k->group.len > 0 ? "s" : "",
                   k->group.len > 0 ? "/" : "", SLICE_ARG(k->group), SLICE_ARG(k->version));
}

/* Of a kind that is answered there is one operation. */
static void add_answered(struct openapi_doc *doc, const struct kind *k, const char *path)
{
    char scratch[512];
    struct slice item = define_kind(doc, k, scratch);
    const struct operation create = {
        "post", "post", "create", item, item, write_parameters, COUNT(write_parameters), false};
    add_path(doc, k, path, &create, 1, "");
}

/* The subresources that are kinds of their own. */
static void add_parts(struct openapi_doc *doc, const struct kind_registry *r, const struct kind *k,
                      const char *object)
{
    struct slice name;
    const struct kind *part;
    for (size_t i = 0; (part = kind_part_at(r, k, i, &name)) != NULL; i++) {
        char path[1280];
        (void)snprintf(path, sizeof(path), "%s/%.*s", object, SLICE_ARG(name));
        add_answered(doc, part, path);
    }
}

static void add_log(struct openapi_doc *doc, const struct kind *k, const char *object)
{
    static const struct operation read = {
        .method = "get",
        .action = "get",
        .verb = "read",
        .parameters = log_parameters,
        .parameter_count = COUNT(log_parameters),
    };
    char path[1280];
    (void)snprintf(path, sizeof(path), "%s/log", object);
    add_path(doc, k, path, &read, 1, "Log");
}

static void add_stored(struct openapi_doc *doc, const struct kind_registry *r, const struct kind *k)
{
    char item_scratch[512];
    char list_scratch[512];
    char path[1024];
    char base[768];
    struct slice item = define_kind(doc, k, item_scratch);
    struct slice list = define_list(doc, k, item, list_scratch);
    const struct operation collection[] = {
        {"get", "list", "list", SLICE(""), list, list_parameters, COUNT(list_parameters), false},
        {"post", "post", "create", item, item, write_parameters, COUNT(write_parameters), false},
        {"delete", "deletecollection", "deleteCollection", SLICE(""), list, list_parameters,
         COUNT(list_parameters), false},
    };
    const struct operation object[] = {
        {"get", "get", "read", SLICE(""), item, NULL, 0, false},
        {"put", "put", "replace", item, item, write_parameters, COUNT(write_parameters), false},
        {"patch", "patch", "patch", item, item, write_parameters, COUNT(write_parameters), true},
        {"delete", "delete", "delete", SLICE(""), item, delete_parameters, COUNT(delete_parameters),
         false},
    };
    base_path(k, base, sizeof(base));
    const char *within = k->namespaced ? "/namespaces/{namespace}" : "";
    (void)snprintf(path, sizeof(path), "%s%s/%.*s", base, within, SLICE_ARG(k->plural));
    add_path(doc, k, path, collection, COUNT(collection), "");
    (void)snprintf(path, sizeof(path), "%s%s/%.*s/{name}", base, within, SLICE_ARG(k->plural));
    add_path(doc, k, path, object, COUNT(object), "");
    add_parts(doc, r, k, path);
    if (k->log) {
        add_log(doc, k, path);
    }
    if (k->status) {
        (void)snprintf(path, sizeof(path), "%s%s/%.*s/{name}/status", base, within,
                       SLICE_ARG(k->plural));
        add_path(doc, k, path, object, 3, "Status");
    }
    if (k->namespaced) {
        (void)snprintf(path, sizeof(path), "%s/%.*s", base, SLICE_ARG(k->plural));
        add_path(doc, k, path, collection, 1, "ForAllNamespaces");
    }
}

static void add_kind(struct openapi_doc *doc, const struct kind_registry *r, const struct kind *k)
{
    if (k->answered) {
        char base[768];
        char path[1024];
        base_path(k, base, sizeof(base));
        (void)snprintf(path, sizeof(path), "%s%s/%.*s", base,
                       k->namespaced ? "/namespaces/{namespace}" : "", SLICE_ARG(k->plural));
        add_answered(doc, k, path);
    } else {
        add_stored(doc, r, k);
    }
}

/* ---- documents ---- */

static json_t *info(void)
{
    return json_pack("{s:s,s:s}", "title", "choreod", "version", "v" CHOREO_VERSION);
}

int openapi_v3(const struct kind_registry *r, struct slice group, struct slice version,
               struct buf *out, struct err *err)
{
    struct openapi_doc doc = {OPENAPI_V3, json_object(), json_object()};
    size_t found = 0;
    define_list_meta(&doc);
    for (size_t i = 0; i < kind_registry_count(r); i++) {
        const struct kind *k = kind_registry_at(r, i);
        if (slice_eq(k->group, group) && slice_eq(k->version, version)) {
            add_kind(&doc, r, k);
            found++;
        }
    }
    json_t *root = json_pack("{s:s,s:o,s:o,s:{s:o}}", "openapi", "3.0.0", "info", info(), "paths",
                             doc.paths, "components", "schemas", doc.definitions);
    if (found > 0) {
        json_canonical(root, out);
    }
    json_decref(root);
    return found > 0 ? 0
                     : err_set(err, ERR_NOT_FOUND, "nothing of %.*s/%.*s is served",
                               SLICE_ARG(group), SLICE_ARG(version));
}

void openapi_v3_index(const struct kind_registry *r, struct buf *out)
{
    json_t *paths = json_object();
    for (size_t i = 0; i < kind_registry_count(r); i++) {
        const struct kind *k = kind_registry_at(r, i);
        char path[512];
        char url[640];
        struct buf document = {0};
        (void)snprintf(path, sizeof(path), "api%s%.*s/%.*s", k->group.len > 0 ? "s/" : "",
                       SLICE_ARG(k->group), SLICE_ARG(k->version));
        if (json_object_get(paths, path) == NULL &&
            openapi_v3(r, k->group, k->version, &document, NULL) == 0) {
            (void)snprintf(url, sizeof(url), "/openapi/v3/%s?hash=%016llX", path,
                           (unsigned long long)slice_hash(buf_slice(&document)));
            json_object_set_new(paths, path, json_pack("{s:s}", "serverRelativeURL", url));
        }
        buf_free(&document);
    }
    json_t *root = json_pack("{s:o}", "paths", paths);
    json_canonical(root, out);
    json_decref(root);
}

void openapi_v2(const struct kind_registry *r, struct buf *out)
{
    struct openapi_doc doc = {OPENAPI_V2, json_object(), json_object()};
    define_list_meta(&doc);
    for (size_t i = 0; i < kind_registry_count(r); i++) {
        add_kind(&doc, r, kind_registry_at(r, i));
    }
    json_t *root = json_pack("{s:s,s:o,s:o,s:o}", "swagger", "2.0", "info", info(), "paths",
                             doc.paths, "definitions", doc.definitions);
    json_canonical(root, out);
    json_decref(root);
}
