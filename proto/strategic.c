/* strategic.c: Kubernetes' strategic merge patch.
 *
 * Happy path: the target is copied; objects merge member by member, lists by their key or as a
 * whole, null removes; directives are obeyed where they stand and never stored.
 * Failure path: a malformed directive fails the whole patch; the copy is dropped.
 * Invariant: the depth is bounded by the parsers of both trees (JSON_DEPTH_MAX). */
#include "proto/strategic.h"

#include <stdio.h>
#include <string.h>

#include "proto/kind.h"

static int merge_object(json_t *target, const json_t *patch, const struct schema *schema,
                        struct err *err);

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && slice_eq_cstr(json_text(value), text);
}

/* Does the name begin with prefix, and with what does it go on? */
static const char *behind(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* ---- which lists merge, and by what ---- */

/* The key by which a list of objects merges; NULL: the patch's list replaces it. */
static const char *merge_key(const struct schema *list)
{
    return list != NULL && list->list == SCHEMA_LIST_MAP ? list->map_keys[0].data : NULL;
}

static bool merges_as_set(const struct schema *list)
{
    return list != NULL && list->list == SCHEMA_LIST_SET;
}

/* ---- lists ---- */

/* Items are found by walking the list, so the product of two lists' lengths is bounded: a small
 * patch cannot make much work. */
enum { LIST_WORK_MAX = 250000 };

static int check_work(const json_t *list, const json_t *patch, struct err *err)
{
    if (json_array_size(list) * json_array_size(patch) <= LIST_WORK_MAX ||
        json_array_size(list) + json_array_size(patch) < 100) {
        return 0;
    }
    return err_set(
        err, ERR_TOO_LARGE,
        "strategic merge patch: lists of %zu and %zu items are too long to merge: send a "
        "JSON patch",
        json_array_size(list), json_array_size(patch));
}

static size_t find_by_key(const json_t *list, const char *key, const json_t *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (json_equal(json_object_get(item, key), value)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t find_value(const json_t *list, const json_t *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (json_equal(item, value)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* One item of a patch's list that merges by key. */
static int merge_item(json_t *list, const json_t *item, const char *key,
                      const struct schema *schema, struct err *err)
{
    const json_t *value = json_object_get(item, key);
    const json_t *directive = json_object_get(item, "$patch");
    if (is_text(directive, "replace")) {
        return 0; /* the list was emptied before */
    }
    if (value == NULL) {
        return err_set(err, ERR_INVALID, "strategic merge patch: a list's item has no \"%s\"", key);
    }
    size_t at = find_by_key(list, key, value);
    if (is_text(directive, "delete")) {
        if (at != SIZE_MAX) {
            json_array_remove(list, at);
        }
        return 0;
    }
    const struct schema *items = schema != NULL ? schema->items : NULL;
    if (at != SIZE_MAX) {
        return merge_object(json_array_get(list, at), item, items, err);
    }
    json_t *fresh = json_object();
    json_array_append_new(list, fresh);
    return merge_object(fresh, item, items, err);
}

static int merge_list(json_t *list, const json_t *patch, const char *key,
                      const struct schema *schema, struct err *err)
{
    size_t i;
    const json_t *item;
    int rc = check_work(patch, patch, err); /* appended items are walked too */
    if (rc == 0) {
        rc = check_work(list, patch, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_array_foreach((json_t *)(uintptr_t)patch, i, item)
    {
        if (is_text(json_object_get(item, "$patch"), "replace")) {
            json_array_clear(list);
        }
    }
    json_array_foreach((json_t *)(uintptr_t)patch, i, item)
    {
        rc = rc != 0 ? rc : merge_item(list, item, key, schema, err);
    }
    return rc;
}

static int merge_set(json_t *list, const json_t *patch, struct err *err)
{
    size_t i;
    const json_t *item;
    int rc = check_work(patch, patch, err);
    if (rc == 0) {
        rc = check_work(list, patch, err);
    }
    if (rc != 0) {
        return rc;
    }
    json_array_foreach((json_t *)(uintptr_t)patch, i, item)
    {
        if (find_value(list, item) == SIZE_MAX) {
            json_array_append_new(list, json_deep_copy(item));
        }
    }
    return 0;
}

/* What the order names comes first, in its order; the rest behind it, as it was. */
static void order_list(json_t *list, const json_t *order, const char *key)
{
    json_t *sorted = json_array();
    size_t i;
    const json_t *wanted;
    json_array_foreach((json_t *)(uintptr_t)order, i, wanted)
    {
        size_t at = key != NULL && json_is_object(wanted)
                        ? find_by_key(list, key, json_object_get(wanted, key))
                        : find_value(list, wanted);
        if (at != SIZE_MAX) {
            json_array_append(sorted, json_array_get(list, at));
            json_array_remove(list, at);
        }
    }
    json_array_extend(sorted, list);
    json_array_clear(list);
    json_array_extend(list, sorted);
    json_decref(sorted);
}

/* ---- directives of an object ---- */

static int obey(json_t *target, const char *name, const json_t *value, const struct schema *schema,
                struct err *err)
{
    const char *list_name = behind(name, "$deleteFromPrimitiveList/");
    bool listed = list_name != NULL || strcmp(name, "$retainKeys") == 0 ||
                  behind(name, "$setElementOrder/") != NULL;
    if (listed && !json_is_array(value)) {
        return err_set(err, ERR_INVALID, "strategic merge patch: %s is no list", name);
    }
    size_t i;
    const json_t *item;
    const char *any = list_name != NULL ? list_name : behind(name, "$setElementOrder/");
    if (any != NULL && check_work(json_object_get(target, any), value, err) != 0) {
        return ERR_TOO_LARGE;
    }
    if (strcmp(name, "$retainKeys") == 0 && json_array_size(value) > LIST_WORK_MAX / 100) {
        return err_set(err, ERR_TOO_LARGE, "strategic merge patch: too many $retainKeys");
    }
    if (list_name != NULL) {
        json_t *list = json_object_get(target, list_name);
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
        {
            size_t at = find_value(list, item);
            if (at != SIZE_MAX) {
                json_array_remove(list, at);
            }
        }
    } else if (strcmp(name, "$retainKeys") == 0) {
        const char *member;
        void *next;
        json_t *unused;
        json_object_foreach_safe(target, next, member, unused)
        {
            json_t *text = json_str(slice_of(member));
            if (find_value(value, text) == SIZE_MAX) {
                json_object_del(target, member);
            }
            json_decref(text);
        }
    } else if ((list_name = behind(name, "$setElementOrder/")) != NULL) {
        json_t *list = json_object_get(target, list_name);
        if (json_is_array(list)) {
            order_list(list, value, merge_key(schema_member(schema, slice_of(list_name))));
        }
    } else if (strcmp(name, "$patch") != 0) {
        return err_set(err, ERR_INVALID, "strategic merge patch: unknown directive %s", name);
    }
    return 0;
}

static int obey_all(json_t *target, const json_t *patch, bool orders, const struct schema *schema,
                    struct err *err)
{
    const char *name;
    const json_t *value;
    int rc = 0;
    json_object_foreach((json_t *)(uintptr_t)patch, name, value)
    {
        bool is_order = behind(name, "$setElementOrder/") != NULL;
        if (rc == 0 && name[0] == '$' && is_order == orders) {
            rc = obey(target, name, value, schema, err);
        }
    }
    return rc;
}

/* ---- objects ---- */

static int merge_member(json_t *target, const char *name, const json_t *value,
                        const struct schema *schema, struct err *err)
{
    json_t *old = json_object_get(target, name);
    if (json_is_null(value)) {
        json_object_del(target, name);
        return 0;
    }
    if (json_is_object(value)) {
        if (!json_is_object(old)) {
            old = json_object();
            json_object_set_new(target, name, old);
        }
        return merge_object(old, value, schema, err);
    }
    const char *key = json_is_array(value) ? merge_key(schema) : NULL;
    bool set = json_is_array(value) && merges_as_set(schema);
    if (key == NULL && !set) {
        json_object_set_new(target, name, json_deep_copy(value));
        return 0;
    }
    if (!json_is_array(old)) {
        old = json_array();
        json_object_set_new(target, name, old);
    }
    if (set) {
        return merge_set(old, value, err);
    }
    return merge_list(old, value, key, schema, err);
}

static int merge_object(json_t *target, const json_t *patch, const struct schema *schema,
                        struct err *err)
{
    const json_t *directive = json_object_get(patch, "$patch");
    if (is_text(directive, "replace") || is_text(directive, "delete")) {
        json_object_clear(target);
        if (is_text(directive, "delete")) {
            return 0;
        }
    } else if (directive != NULL && !is_text(directive, "merge")) {
        return err_set(err, ERR_INVALID, "strategic merge patch: unknown $patch");
    }
    int rc = obey_all(target, patch, false, schema, err);
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)patch, name, value)
    {
        if (rc == 0 && name[0] != '$') {
            rc = merge_member(target, name, value, schema_member(schema, slice_of(name)), err);
        }
    }
    return rc != 0 ? rc : obey_all(target, patch, true, schema, err);
}

int strategic_merge(json_t **target, const json_t *patch, const struct schema *schema,
                    struct err *err)
{
    if (!json_is_object(patch) || !json_is_object(*target)) {
        return err_set(err, ERR_INVALID, "a strategic merge patch is an object");
    }
    const struct schema_field metadata = {.name = SLICE("metadata"),
                                          .schema = kind_metadata_schema()};
    const struct schema unknown = {.type = SCHEMA_OBJECT, .fields = &metadata, .field_count = 1};
    json_t *copy = json_deep_copy(*target);
    int rc = merge_object(copy, patch, schema != NULL ? schema : &unknown, err);
    if (rc != 0) {
        json_decref(copy);
        return rc;
    }
    json_decref(*target);
    *target = copy;
    return 0;
}
