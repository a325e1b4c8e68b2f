/* controller_owner.c: children that are let go of, and taken up by another owner.
 *
 * Happy path: an owner that is deleted with `--cascade=orphan` is held by a finalizer. Each of its
 * children loses its reference to it; once a look finds none that has one, the finalizer goes, and
 * the owner with it. Who comes then, and would make a child of that name, takes the one that is
 * there, if it has no owner and the new one's selector fits its labels.
 * Failure path: a child under way, or written by somebody else meanwhile, is looked at again with
 * the next tick. Invariant: an owner goes only when none of its children names it any more. */
#include "plane/controller_internal.h"
#include "proto/object.h"

static void remove_owner(json_t *object, const char *uid)
{
    json_t *meta = json_child(object, "metadata");
    json_t *owners = json_object_get(meta, "ownerReferences");
    for (size_t i = json_array_size(owners); i > 0; i--) {
        if (slice_eq_cstr(json_text_at(json_array_get(owners, i - 1), "uid"), uid)) {
            (void)json_array_remove(owners, i - 1);
        }
    }
    if (json_array_size(owners) == 0) {
        (void)json_object_del(meta, "ownerReferences");
    }
}

static json_t *parsed(const struct item *item)
{
    json_t *tree = NULL;
    struct err err;
    return item->body.len > 0 && object_parse(buf_slice(&item->body), 0, &tree, &err) == 0 ? tree
                                                                                           : NULL;
}

/* Whether one of them still names it. */
static bool let_go(struct controller *c, const struct item *owner)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    bool any = false;
    while (map_next(&c->items, &cursor, &key, &value)) {
        struct item *child = value;
        if (!slice_eq_cstr(slice_of(owner->uid), child->owner_uid)) {
            continue;
        }
        any = true;
        json_t *tree = child->busy ? NULL : parsed(child);
        if (tree != NULL) {
            remove_owner(tree, owner->uid);
            controller__update(c, child, tree);
        }
        json_decref(tree);
    }
    return any;
}

bool controller__end_orphan(struct controller *c, struct item *item, json_t *tree)
{
    if (!object_deleting(tree) || !object_has_finalizer(tree, OBJECT_FINALIZER_ORPHAN)) {
        return false;
    }
    if (let_go(c, item)) {
        item->due_ms = controller__now(c); /* the next tick looks again */
        return true;
    }
    object_remove_finalizer(tree, OBJECT_FINALIZER_ORPHAN);
    if (json_array_size(json_at(tree, "metadata", "finalizers", NULL)) == 0) {
        controller__delete(c, item);
    } else {
        controller__update(c, item, tree);
    }
    return true;
}

static bool selects(const json_t *owner, const json_t *child)
{
    const json_t *wanted = json_at(owner, "spec", "selector", "matchLabels", NULL);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
    {
        if (!slice_eq(object_label(child, key), json_text(value))) {
            return false;
        }
    }
    return json_object_size(wanted) > 0;
}

bool controller__adopt(struct controller *c, struct item *child, const json_t *owner)
{
    if (child->kind != WORKLOAD_POD || child->owner_uid[0] != '\0') {
        return true;
    }
    json_t *tree = child->busy ? NULL : parsed(child);
    bool settled = tree != NULL;
    if (settled && !object_deleting(tree) && selects(owner, tree)) {
        object_add_owner(tree, owner, true);
        controller__update(c, child, tree);
    }
    json_decref(tree);
    return settled;
}
