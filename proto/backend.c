/* From one page of a list to the next (declared in backend.h). */
#include "proto/backend.h"

#include <assert.h>
#include <string.h>

static void keep(char *out, size_t size, struct slice text)
{
    assert(text.len < size); /* no name is longer: admission sees to it */
    memcpy(out, text.len > 0 ? text.data : "", text.len);
    out[text.len] = '\0';
}

void backend_cursor_set(struct backend_cursor *cursor, const struct backend_key *key)
{
    keep(cursor->ns, sizeof(cursor->ns), key->ns);
    keep(cursor->name, sizeof(cursor->name), key->name);
}

void backend_list_next(struct backend_list *list, const struct backend_cursor *cursor)
{
    list->consistency = BACKEND_EXACT;
    list->version = list->read_version;
    list->after_ns = slice_of(cursor->ns);
    list->after_name = slice_of(cursor->name);
}
