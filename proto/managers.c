/* managers.c: managedFields, entry by entry.
 *
 * Happy path: the list is read into items, whose sets whoever applies or updates changes; it is
 * written without those that own nothing any more, in Kubernetes' order.
 * Failure path: a list that is none is as good as none.
 * Invariants: no two items are of the same manager; their texts are the list's. */
#include "proto/managers.h"

#include "proto/fieldset.h"
#include "proto/tree_internal.h"

enum { UPDATE_MANAGERS_MAX = 10 };

void managers_free(struct managers *m)
{
    for (size_t i = 0; i < m->count; i++) {
        json_decref(m->items[i].set);
    }
    free(m->items);
    *m = (struct managers){0};
}

struct manager *managers_add(struct managers *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap == 0 ? 4 : m->cap * 2;
        m->items = mem_resize(m->items, m->cap * sizeof(m->items[0]));
    }
    return &m->items[m->count++];
}

static bool is_update(const struct manager *m)
{
    return slice_eq_cstr(m->operation, "Update");
}

/* An applier is the same through whatever version it applies: it would conflict with itself else.
 */
static bool same_manager(const struct manager *a, const struct manager *b)
{
    return slice_eq(a->name, b->name) && slice_eq(a->operation, b->operation) &&
           slice_eq(a->subresource, b->subresource) &&
           (slice_eq(a->api_version, b->api_version) || !is_update(a));
}

/* NULL: there is none. */
static struct manager *managers_find(struct managers *m, const struct manager *like)
{
    for (size_t i = 0; i < m->count; i++) {
        if (same_manager(&m->items[i], like)) {
            return &m->items[i];
        }
    }
    return NULL;
}

bool managers_read(const json_t *list, struct managers *m)
{
    for (size_t i = 0; i < json_array_size(list) && m->count < MANAGERS_MAX; i++) {
        const json_t *entry = json_array_get(list, i);
        json_t *set = fieldset_read(json_object_get(entry, "fieldsV1"));
        struct slice operation = json_text_at(entry, "operation");
        if (set == NULL ||
            (!slice_eq_cstr(operation, "Apply") && !slice_eq_cstr(operation, "Update"))) {
            json_decref(set);
            managers_free(m);
            return false;
        }
        const struct manager read = {
            .name = json_text_at(entry, "manager"),
            .operation = operation,
            .api_version = json_text_at(entry, "apiVersion"),
            .subresource = json_text_at(entry, "subresource"),
            .time = json_text_at(entry, "time"),
            .set = set,
        };
        struct manager *known = managers_find(m, &read);
        if (known != NULL) {
            json_decref(known->set);
            *known = read;
        } else {
            *managers_add(m) = read;
        }
    }
    return true;
}

static void set_text(json_t *entry, const char *key, struct slice value)
{
    if (value.len > 0) {
        json_object_set_new(entry, key, json_str(value));
    }
}

static json_t *manager_write(const struct manager *m)
{
    json_t *entry = json_object();
    set_text(entry, "manager", m->name);
    set_text(entry, "operation", m->operation);
    set_text(entry, "apiVersion", m->api_version);
    set_text(entry, "time", m->time);
    json_object_set_new(entry, "fieldsType", json_string("FieldsV1"));
    json_object_set_new(entry, "fieldsV1", fieldset_write(m->set));
    set_text(entry, "subresource", m->subresource);
    return entry;
}

static int by_operation_and_time(const void *a, const void *b)
{
    const struct manager *x = a;
    const struct manager *y = b;
    int order = slice_cmp(x->operation, y->operation);
    order = order != 0 ? order : slice_cmp(x->time, y->time);
    order = order != 0 ? order : slice_cmp(x->name, y->name);
    return order != 0 ? order : slice_cmp(x->subresource, y->subresource);
}

static void managers_drop(struct managers *m, size_t at)
{
    json_decref(m->items[at].set);
    memmove(&m->items[at], &m->items[at + 1], (m->count - at - 1) * sizeof(m->items[0]));
    m->count--;
}

/* Beyond ten updaters the oldest two become one, "ancient-changes", as in Kubernetes. The list is
 * sorted: updaters follow appliers, oldest first. */
static void managers_cap(struct managers *m)
{
    size_t first = 0;
    while (first < m->count && !is_update(&m->items[first])) {
        first++;
    }
    while (m->count - first > UPDATE_MANAGERS_MAX) {
        struct manager *into = &m->items[first + 1];
        json_t *both = fieldset_union(m->items[first].set, into->set);
        json_decref(into->set);
        into->set = both;
        into->name = SLICE("ancient-changes");
        managers_drop(m, first);
    }
}

void managers_write(struct managers *m, json_t *object)
{
    for (size_t i = m->count; i > 0; i--) {
        if (fieldset_empty(m->items[i - 1].set)) {
            managers_drop(m, i - 1);
        }
    }
    if (m->count > 1) {
        qsort(m->items, m->count, sizeof(m->items[0]), by_operation_and_time);
    }
    managers_cap(m);
    json_t *list = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_array_append_new(list, manager_write(&m->items[i]));
    }
    json_t *meta = json_child(object, "metadata");
    if (meta == NULL || m->count == 0) {
        (void)json_object_del(meta, "managedFields");
        json_decref(list);
    } else {
        json_object_set_new(meta, "managedFields", list);
    }
}

struct manager *managers_mine(struct managers *m, const struct manager *like)
{
    struct manager *known = managers_find(m, like);
    if (known != NULL || m->count == MANAGERS_MAX) {
        return known;
    }
    struct manager *item = managers_add(m);
    *item = *like;
    item->set = json_object();
    return item;
}
