/* Stored bytes and trees of one object.
 *
 * The canonical form is json_canonical()'s; this file knows only where metadata keeps things. The
 * splice is found by scanning, never by parsing: `"uid":` is looked up in metadata, and the version
 * goes in front of it. */
#include "proto/object.h"

#include "base/clock.h"
#include "proto/backend.h"
#include "proto/kind.h"
#include "proto/schema.h"
#include "proto/tree_internal.h"

static const struct slice uid_key = {"\"uid\":", 6};

int object_splice(struct slice body, uint32_t *splice, struct err *err)
{
    struct slice uid;
    if (!json_scan(body, &uid, "metadata", "uid", NULL)) {
        return err_set(err, ERR_CORRUPT, "stored object has no metadata.uid");
    }
    size_t at = (size_t)(uid.data - body.data);
    if (at < uid_key.len || !slice_eq(slice_sub(body, at - uid_key.len, uid_key.len), uid_key)) {
        return err_set(err, ERR_CORRUPT, "stored object is not canonical");
    }
    *splice = (uint32_t)(at - uid_key.len);
    return 0;
}

/* A NUL, which our parser refuses: bytes with one could be stored, but never read again. */
static bool holds_nul(struct slice body)
{
    struct slice rest = body;
    for (;;) {
        size_t at = slice_find(rest, SLICE("\\u0000"));
        if (at == SIZE_MAX) {
            return false;
        }
        size_t slashes = 1;
        const char *first = rest.data + at;
        while (first > body.data && first[-1] == '\\') {
            first--;
            slashes++;
        }
        if (slashes % 2 == 1) {
            return true;
        }
        rest = slice_sub(rest, at + 6, SIZE_MAX);
    }
}

int object_canonical(json_t *tree, struct buf *body, uint32_t *splice, struct err *err)
{
    json_t *meta = json_object_get(tree, "metadata");
    if (json_text_at(meta, "uid").len == 0) {
        return err_set(err, ERR_INVALID, "object has no metadata.uid");
    }
    (void)json_object_del(meta, "resourceVersion");
    (void)json_object_del(meta, "selfLink");
    size_t from = body->len;
    json_canonical(tree, body);
    if (body->len - from > OBJECT_BYTES_MAX) {
        return err_set(err, ERR_TOO_LARGE, "object is %zu bytes, more than the limit of %d",
                       body->len - from, OBJECT_BYTES_MAX);
    }
    struct slice made = slice_sub(buf_slice(body), from, SIZE_MAX);
    if (holds_nul(made)) {
        return err_set(err, ERR_INVALID, "object holds a NUL character");
    }
    return object_splice(made, splice, err);
}

void object_emit(struct buf *out, struct slice body, uint32_t splice, uint64_t version)
{
    if (version == 0 || splice > body.len) {
        buf_add(out, body);
        return;
    }
    buf_reserve(out, body.len + 48);
    buf_add(out, slice_sub(body, 0, splice));
    buf_add_cstr(out, "\"resourceVersion\":\"");
    buf_add_u64(out, version);
    buf_add_cstr(out, "\",");
    buf_add(out, slice_sub(body, splice, SIZE_MAX));
}

struct backend_object object_as_read(const struct kind *kind, const struct backend_object *object,
                                     struct buf *room)
{
    struct backend_object read = *object;
    json_t *tree = NULL;
    if (object->version >= kind->defaults_until || kind->schema == NULL ||
        object_parse(object->body, 0, &tree, NULL) != 0) {
        return read;
    }
    schema_default(kind->schema, tree);
    if (object_canonical(tree, room, &read.splice, NULL) == 0) {
        read.body = buf_slice(room);
    }
    json_decref(tree);
    return read;
}

static void emit_renamed(struct buf *out, const struct kind *kind,
                         const struct backend_object *object)
{
    struct slice body = object->body;
    struct slice value;
    bool other = kind->stored_as.len > 0 && json_scan(body, &value, "apiVersion", NULL) &&
                 !slice_eq(slice_sub(value, 1, value.len - 2), kind->api_version);
    if (!other) {
        object_emit(out, body, object->splice, object->version);
        return;
    }
    struct buf renamed = {0};
    size_t from = (size_t)(value.data - body.data);
    buf_add(&renamed, slice_sub(body, 0, from));
    json_quote(&renamed, kind->api_version);
    size_t grown = renamed.len - from - value.len; /* modulo 2^64: it may have shrunk */
    buf_add(&renamed, slice_sub(body, from + value.len, SIZE_MAX));
    uint32_t splice = object->splice + (object->splice > from ? (uint32_t)grown : 0);
    object_emit(out, buf_slice(&renamed), splice, object->version);
    buf_free(&renamed);
}

void object_emit_as(struct buf *out, const struct kind *kind, const struct backend_object *object)
{
    struct buf room = {0};
    struct backend_object read = object_as_read(kind, object, &room);
    emit_renamed(out, kind, &read);
    buf_free(&room);
}

int object_parse(struct slice body, uint64_t version, json_t **tree, struct err *err)
{
    if (json_read(body, tree, err) != 0) {
        if (err != NULL) {
            err->code = ERR_CORRUPT;
        }
        (void)err_wrap(err, "stored object");
        return ERR_CORRUPT;
    }
    json_t *meta = json_object_get(*tree, "metadata");
    if (!json_is_object(meta)) {
        json_decref(*tree);
        *tree = NULL;
        return err_set(err, ERR_CORRUPT, "stored object has no metadata");
    }
    if (version != 0) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)version);
        json_object_set_new(meta, "resourceVersion", json_string(text));
    }
    return 0;
}

static struct slice scan_text(struct slice from, const char *key, struct arena *arena)
{
    struct slice raw;
    return json_scan(from, &raw, key, NULL) ? json_unquote(raw, arena) : (struct slice){0};
}

static struct slice scan_raw(struct slice from, const char *key)
{
    struct slice raw;
    return json_scan(from, &raw, key, NULL) ? raw : (struct slice){0};
}

int object_meta(struct slice body, struct arena *arena, struct object_meta *meta, struct err *err)
{
    memset(meta, 0, sizeof(*meta));
    struct slice metadata = scan_raw(body, "metadata");
    if (metadata.len == 0) {
        return err_set(err, ERR_CORRUPT, "stored object has no metadata");
    }
    meta->api_version = scan_text(body, "apiVersion", arena);
    meta->kind = scan_text(body, "kind", arena);
    meta->name = scan_text(metadata, "name", arena);
    meta->ns = scan_text(metadata, "namespace", arena);
    meta->uid = scan_text(metadata, "uid", arena);
    meta->created = scan_text(metadata, "creationTimestamp", arena);
    meta->deleted = scan_text(metadata, "deletionTimestamp", arena);
    meta->labels = scan_raw(metadata, "labels");
    meta->annotations = scan_raw(metadata, "annotations");
    meta->finalizers = scan_raw(metadata, "finalizers");
    meta->owners = scan_raw(metadata, "ownerReferences");
    (void)slice_i64(scan_raw(metadata, "generation"), &meta->generation);
    return 0;
}

struct slice object_api_version(const json_t *object)
{
    return json_text_at(object, "apiVersion");
}

struct slice object_kind(const json_t *object)
{
    return json_text_at(object, "kind");
}

static const json_t *metadata(const json_t *object)
{
    return json_object_get(object, "metadata");
}

struct slice object_name(const json_t *object)
{
    return json_text_at(metadata(object), "name");
}

struct slice object_ns(const json_t *object)
{
    return json_text_at(metadata(object), "namespace");
}

struct slice object_uid(const json_t *object)
{
    return json_text_at(metadata(object), "uid");
}

int object_age_order(const json_t *a, const json_t *b)
{
    int order = slice_cmp(json_text_at(metadata(a), "creationTimestamp"),
                          json_text_at(metadata(b), "creationTimestamp"));
    return order != 0 ? order : slice_cmp(object_name(a), object_name(b));
}

bool object_is_kept_secret(const json_t *secret)
{
    return slice_eq_cstr(json_text_at(secret, "type"), OBJECT_CREDENTIALS_TYPE) ||
           (slice_starts_with(object_name(secret), SLICE("cluster-")) &&
            json_at(secret, "data", "kubeconfig", NULL) != NULL);
}

int64_t object_generation(const json_t *object)
{
    return json_integer_value(json_object_get(metadata(object), "generation"));
}

uint64_t object_version(const json_t *object)
{
    uint64_t version = 0;
    return slice_u64(json_text_at(metadata(object), "resourceVersion"), &version) ? version : 0;
}

bool object_deleting(const json_t *object)
{
    return json_is_string(json_object_get(metadata(object), "deletionTimestamp"));
}

struct slice object_label(const json_t *object, const char *key)
{
    return json_text_at(json_object_get(metadata(object), "labels"), key);
}

struct slice object_annotation(const json_t *object, const char *key)
{
    return json_text_at(json_object_get(metadata(object), "annotations"), key);
}

static size_t finalizer_index(const json_t *list, const char *finalizer)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text(json_array_get(list, i)), finalizer)) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool object_has_finalizer(const json_t *object, const char *finalizer)
{
    return finalizer_index(json_object_get(metadata(object), "finalizers"), finalizer) != SIZE_MAX;
}

void object_add_finalizer(json_t *object, const char *finalizer)
{
    json_t *meta = json_child(object, "metadata");
    if (meta == NULL || object_has_finalizer(object, finalizer)) {
        return;
    }
    json_t *list = json_object_get(meta, "finalizers");
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(meta, "finalizers", list);
    }
    json_array_append_new(list, json_string(finalizer));
}

void object_remove_finalizer(json_t *object, const char *finalizer)
{
    json_t *meta = json_object_get(object, "metadata");
    json_t *list = json_object_get(meta, "finalizers");
    size_t i = finalizer_index(list, finalizer);
    if (i != SIZE_MAX) {
        json_array_remove(list, i);
        if (json_array_size(list) == 0) {
            json_object_del(meta, "finalizers");
        }
    }
}

static void set_in(json_t *object, const char *map, const char *key, struct slice value)
{
    json_t *meta = json_child(object, "metadata");
    json_t *child = meta != NULL ? json_child(meta, map) : NULL;
    if (child != NULL) {
        json_object_set_new(child, key, json_str(value));
    }
}

void object_set_label(json_t *object, const char *key, struct slice value)
{
    set_in(object, "labels", key, value);
}

void object_set_annotation(json_t *object, const char *key, struct slice value)
{
    set_in(object, "annotations", key, value);
}

void object_remove_annotation(json_t *object, const char *key)
{
    json_t *meta = json_object_get(object, "metadata");
    json_t *annotations = json_object_get(meta, "annotations");
    if (json_object_del(annotations, key) == 0 && json_object_size(annotations) == 0) {
        (void)json_object_del(meta, "annotations");
    }
}

json_t *object_new(const char *api_version, const char *kind, struct slice ns, struct slice name)
{
    json_t *meta = json_object();
    json_object_set_new(meta, "name", json_str(name));
    if (ns.len > 0) {
        json_object_set_new(meta, "namespace", json_str(ns));
    }
    json_t *object = json_object();
    json_object_set_new(object, "apiVersion", json_string(api_version));
    json_object_set_new(object, "kind", json_string(kind));
    json_object_set_new(object, "metadata", meta);
    return object;
}

void object_add_owner(json_t *owned, const json_t *owner, bool controller)
{
    json_t *meta = json_child(owned, "metadata");
    if (meta == NULL) {
        return;
    }
    json_t *list = json_object_get(meta, "ownerReferences");
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(meta, "ownerReferences", list);
    }
    json_t *ref = json_object();
    json_object_set_new(ref, "apiVersion", json_str(object_api_version(owner)));
    json_object_set_new(ref, "kind", json_str(object_kind(owner)));
    json_object_set_new(ref, "name", json_str(object_name(owner)));
    json_object_set_new(ref, "uid", json_str(object_uid(owner)));
    if (controller) {
        json_object_set_new(ref, "blockOwnerDeletion", json_true());
        json_object_set_new(ref, "controller", json_true());
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq(json_text_at(json_array_get(list, i), "uid"), object_uid(owner))) {
            json_array_set_new(list, i, ref);
            return;
        }
    }
    json_array_append_new(list, ref);
}

const json_t *object_condition(const json_t *object, const char *type)
{
    const json_t *list = json_at(object, "status", "conditions", NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *condition = json_array_get(list, i);
        if (slice_eq_cstr(json_text_at(condition, "type"), type)) {
            return condition;
        }
    }
    return NULL;
}

bool object_condition_true(const json_t *object, const char *type)
{
    return slice_eq_cstr(json_text_at(object_condition(object, type), "status"), "True");
}

static json_t *conditions_of(json_t *object)
{
    json_t *status = json_child(object, "status");
    json_t *list = json_object_get(status, "conditions");
    if (status != NULL && !json_is_array(list)) {
        list = json_array();
        json_object_set_new(status, "conditions", list);
    }
    return list;
}

bool object_set_condition(json_t *object, const char *type, const char *status, const char *reason,
                          const char *message, uint64_t now_ms)
{
    json_t *list = conditions_of(object);
    if (list == NULL) {
        return false;
    }
    json_t *condition = tree_mutable(object_condition(object, type));
    if (condition == NULL) {
        condition = json_object();
        json_object_set_new(condition, "type", json_string(type));
        json_array_append_new(list, condition);
    }
    json_t *before = json_copy(condition);
    if (!slice_eq_cstr(json_text_at(condition, "status"), status)) {
        char now[21];
        clock_rfc3339(now_ms, now);
        json_object_set_new(condition, "lastTransitionTime", json_string(now));
        json_object_set_new(condition, "status", json_string(status));
    }
    json_object_set_new(condition, "reason", json_str(slice_of(reason)));
    json_object_set_new(condition, "message", json_str(slice_of(message)));
    if (object_generation(object) > 0) {
        json_object_set_new(condition, "observedGeneration",
                            json_integer(object_generation(object)));
    }
    bool changed = !json_equal(before, condition);
    json_decref(before);
    return changed;
}
