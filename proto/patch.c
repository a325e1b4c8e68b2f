/* RFC 6902 and RFC 7396.
 *
 * A JSON patch works on a deep copy that replaces the target only when all operations went well.
 * Costs are charged: each operation that copies or moves a value pays for what it takes, so that a
 * small patch cannot make much of it; results stay within JSON_DEPTH_MAX. */
#include "proto/patch.h"

#include "proto/tree_internal.h"

enum { POINTER_STEPS_MAX = JSON_DEPTH_MAX, STEP_BYTES_MAX = 1024 };

struct patching {
    json_t *root;
    size_t copied_bytes;
    size_t index; /* of the operation, for messages */
    struct err *err;
};

/* A parsed pointer: where its last step is to be taken. */
struct place {
    json_t *parent; /* NULL: the pointer is "", the whole document */
    char step[STEP_BYTES_MAX];
    size_t step_len;
    size_t depth;
};

static int fail(struct patching *p, int code, const char *why, struct slice path)
{
    return err_set(p->err, code, "patch: operation %zu: %s: \"%.*s\"", p->index, why,
                   SLICE_ARG(path));
}

static bool charge(struct patching *p, const json_t *value)
{
    p->copied_bytes += json_tree_bytes(value, PATCH_COPIES_MAX);
    return p->copied_bytes <= PATCH_COPIES_MAX;
}

/* ~1 is /, ~0 is ~. False if it is too long or another escape. */
static bool decode_step(struct slice raw, struct place *place)
{
    place->step_len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '~') {
            i++;
            if (i == raw.len || (raw.data[i] != '0' && raw.data[i] != '1')) {
                return false;
            }
            c = raw.data[i] == '0' ? '~' : '/';
        }
        if (place->step_len == STEP_BYTES_MAX) {
            return false;
        }
        place->step[place->step_len++] = c;
    }
    return true;
}

static struct slice step_of(const struct place *place)
{
    return slice_make(place->step, place->step_len);
}

/* An array index without leading zeros; size for "-". SIZE_MAX if it is none. */
static size_t index_of(const json_t *array, struct slice step)
{
    uint64_t index = 0;
    if (slice_eq_cstr(step, "-")) {
        return json_array_size(array);
    }
    if (!slice_u64(step, &index) || (step.len > 1 && step.data[0] == '0') || index > INT32_MAX) {
        return SIZE_MAX;
    }
    return (size_t)index;
}

static json_t *child_of(const json_t *parent, struct slice step)
{
    if (json_is_array(parent)) {
        size_t index = index_of(parent, step);
        return index < json_array_size(parent) ? json_array_get(parent, index) : NULL;
    }
    return json_is_object(parent) ? tree_get(parent, step) : NULL;
}

/* Walks to the parent of the last step. */
static int locate(struct patching *p, struct slice path, struct place *place)
{
    place->parent = NULL;
    place->depth = 0;
    if (path.len == 0) {
        return 0;
    }
    if (path.data[0] != '/') {
        return fail(p, ERR_INVALID, "a pointer starts with /", path);
    }
    struct slice rest = slice_sub(path, 1, SIZE_MAX);
    json_t *at = p->root;
    for (;;) {
        size_t slash = slice_find(rest, SLICE("/"));
        struct slice raw = slash == SIZE_MAX ? rest : slice_sub(rest, 0, slash);
        if (++place->depth > POINTER_STEPS_MAX || !decode_step(raw, place)) {
            return fail(p, ERR_INVALID, "malformed pointer", path);
        }
        if (slash == SIZE_MAX) {
            break;
        }
        at = child_of(at, step_of(place));
        if (at == NULL) {
            return fail(p, ERR_UNPROCESSABLE, "path does not exist", path);
        }
        rest = slice_sub(rest, slash + 1, SIZE_MAX);
    }
    if (!json_is_object(at) && !json_is_array(at)) {
        return fail(p, ERR_UNPROCESSABLE, "path leads into a scalar", path);
    }
    place->parent = at;
    return 0;
}

static json_t *value_at(struct patching *p, const struct place *place)
{
    return place->parent == NULL ? p->root : child_of(place->parent, step_of(place));
}

static void replace_root(struct patching *p, json_t *value)
{
    json_t *old = p->root;
    p->root = value;
    json_decref(old);
}

/* Takes value, also on error. */
static int put(struct patching *p, struct slice path, json_t *value)
{
    struct place place;
    int rc = locate(p, path, &place);
    if (rc == 0 && place.depth + (size_t)json_depth(value) > JSON_DEPTH_MAX) {
        rc = fail(p, ERR_TOO_LARGE, "nested too deeply", path);
    }
    if (rc != 0) {
        json_decref(value);
        return rc;
    }
    if (place.parent == NULL) {
        replace_root(p, value);
    } else if (json_is_array(place.parent)) {
        size_t index = index_of(place.parent, step_of(&place));
        if (index > json_array_size(place.parent)) {
            json_decref(value);
            return fail(p, ERR_UNPROCESSABLE, "index is outside the list", path);
        }
        (void)json_array_insert_new(place.parent, index, value);
    } else {
        tree_set(place.parent, step_of(&place), value);
    }
    return 0;
}

static int drop(struct patching *p, struct slice path)
{
    struct place place;
    int rc = locate(p, path, &place);
    if (rc != 0) {
        return rc;
    }
    if (place.parent == NULL || value_at(p, &place) == NULL) {
        return fail(p, ERR_UNPROCESSABLE, "path does not exist", path);
    }
    if (json_is_array(place.parent)) {
        (void)json_array_remove(place.parent, index_of(place.parent, step_of(&place)));
    } else {
        tree_remove(place.parent, step_of(&place));
    }
    return 0;
}

static int replace(struct patching *p, struct slice path, const json_t *value)
{
    struct place place;
    int rc = locate(p, path, &place);
    if (rc != 0) {
        return rc;
    }
    if (value_at(p, &place) == NULL) {
        return fail(p, ERR_UNPROCESSABLE, "path does not exist", path);
    }
    if (place.depth + (size_t)json_depth(value) > JSON_DEPTH_MAX) {
        return fail(p, ERR_TOO_LARGE, "nested too deeply", path);
    }
    if (place.parent != NULL && json_is_array(place.parent)) {
        size_t index = index_of(place.parent, step_of(&place));
        return json_array_set_new(place.parent, index, tree_copy(value)) == 0
                   ? 0
                   : fail(p, ERR_UNPROCESSABLE, "path does not exist", path);
    }
    return put(p, path, tree_copy(value));
}

static int test(struct patching *p, struct slice path, const json_t *value)
{
    struct place place;
    int rc = locate(p, path, &place);
    if (rc != 0) {
        return rc;
    }
    const json_t *found = value_at(p, &place);
    if (found == NULL || !json_equal(found, value)) {
        return fail(p, ERR_UNPROCESSABLE, "test failed", path);
    }
    return 0;
}

static int move_or_copy(struct patching *p, struct slice from, struct slice path, bool move)
{
    struct place place;
    int rc = locate(p, from, &place);
    if (rc != 0) {
        return rc;
    }
    const json_t *found = value_at(p, &place);
    if (found == NULL) {
        return fail(p, ERR_UNPROCESSABLE, "path does not exist", from);
    }
    if (move && slice_starts_with(path, from) &&
        (path.len > from.len && path.data[from.len] == '/')) {
        return fail(p, ERR_INVALID, "cannot move a value into itself", path);
    }
    if (!charge(p, found)) {
        return fail(p, ERR_TOO_LARGE, "the patch copies too much", from);
    }
    json_t *value = tree_copy(found);
    rc = move ? drop(p, from) : 0;
    if (rc != 0) {
        json_decref(value);
        return rc;
    }
    return put(p, path, value);
}

static int one(struct patching *p, const json_t *operation)
{
    struct slice op = json_text_at(operation, "op");
    struct slice path = json_text_at(operation, "path");
    const json_t *value = json_object_get(operation, "value");
    if (!json_is_string(json_object_get(operation, "path"))) {
        return fail(p, ERR_INVALID, "path is missing", op);
    }
    if (slice_eq_cstr(op, "remove")) {
        return drop(p, path);
    }
    if (slice_eq_cstr(op, "move") || slice_eq_cstr(op, "copy")) {
        if (!json_is_string(json_object_get(operation, "from"))) {
            return fail(p, ERR_INVALID, "from is missing", op);
        }
        return move_or_copy(p, json_text_at(operation, "from"), path, slice_eq_cstr(op, "move"));
    }
    if (value == NULL) {
        return fail(p, ERR_INVALID, "no such operation, or value is missing", op);
    }
    if (slice_eq_cstr(op, "add")) {
        return put(p, path, tree_copy(value));
    }
    if (slice_eq_cstr(op, "replace")) {
        return replace(p, path, value);
    }
    if (slice_eq_cstr(op, "test")) {
        return test(p, path, value);
    }
    return fail(p, ERR_INVALID, "no such operation", op);
}

int patch_json(json_t **target, const json_t *patch, struct err *err)
{
    if (!json_is_array(patch)) {
        return err_set(err, ERR_INVALID, "a JSON patch is a list of operations");
    }
    if (json_array_size(patch) > PATCH_OPS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "the patch has %zu operations, more than %d",
                       json_array_size(patch), PATCH_OPS_MAX);
    }
    struct patching p = {.root = tree_copy(*target), .err = err};
    for (; p.index < json_array_size(patch); p.index++) {
        int rc = one(&p, json_array_get(patch, p.index));
        if (rc != 0) {
            json_decref(p.root);
            return rc;
        }
    }
    json_decref(*target);
    *target = p.root;
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by JSON_DEPTH_MAX, the patch being parsed. */
static json_t *merged(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch)) {
        return tree_copy(patch);
    }
    /* A shallow copy: members that the patch does not name are shared until the end. */
    json_t *result = json_is_object(target) ? json_copy(tree_mutable(target)) : json_object();
    TREE_EACH(it, patch)
    {
        struct slice name = tree_key(it);
        const json_t *value = json_object_iter_value(it);
        if (json_is_null(value)) {
            tree_remove(result, name);
        } else {
            tree_set(result, name, merged(tree_get(result, name), value));
        }
    }
    return result;
}

int patch_merge(json_t **target, const json_t *patch, struct err *err)
{
    if (!json_is_object(patch)) {
        return err_set(err, ERR_INVALID, "a merge patch is an object");
    }
    json_t *shared = merged(*target, patch);
    json_t *result = tree_copy(shared);
    json_decref(shared);
    json_decref(*target);
    *target = result;
    return 0;
}
