/* What a value was before, beside the walk over what it is (struct correlation of
 * schema_internal.h). */
#include "proto/schema_internal.h"
#include "proto/tree_internal.h"

void schema__correlate(struct correlation *c, const struct schema *list, const json_t *old)
{
    *c = (struct correlation){.list = list,
                              .keyed = list->list == SCHEMA_LIST_MAP && json_is_array(old)};
    for (size_t i = 0; c->keyed && i < json_array_size(old); i++) {
        buf_clear(&c->key);
        if (schema__item_key(list, json_array_get(old, i), &c->key)) {
            (void)map_put(&c->index, buf_slice(&c->key), json_array_get(old, i));
        }
    }
}

const json_t *schema__old_item(struct correlation *c, const json_t *item)
{
    buf_clear(&c->key);
    return c->keyed && schema__item_key(c->list, item, &c->key)
               ? map_get(&c->index, buf_slice(&c->key))
               : NULL;
}

void schema__correlate_end(struct correlation *c)
{
    map_free(&c->index);
    buf_free(&c->key);
}
