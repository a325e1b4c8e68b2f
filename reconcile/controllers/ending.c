/* ending.c: the sentences of objects that are being deleted. What holds up an end is most often a
 * cluster, several objects away: whoever waits for it says so, and not only what is next. */
#include "reconcile/controllers/ending.h"

#include <string.h>

#define BUT "being deleted, but: "

/* " after 131 ms" or " after 5001 milliseconds", as curl has them, at the start of text: its
 * length; or 0. */
static size_t duration_len(struct slice text)
{
    static const struct slice after = {" after ", 7};
    static const struct slice units[] = {{" ms", 3}, {" milliseconds", 13}};
    size_t i = after.len;
    if (!slice_starts_with(text, after)) {
        return 0;
    }
    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
        i++;
    }
    for (size_t u = 0; i > after.len && u < sizeof(units) / sizeof(units[0]); u++) {
        if (slice_starts_with(slice_sub(text, i, SIZE_MAX), units[u])) {
            return i + units[u].len;
        }
    }
    return 0;
}

struct slice ending_but(struct arena *arena, struct slice why)
{
    struct buf out = {0};
    buf_add_cstr(&out, BUT);
    for (size_t i = 0; i < why.len; i++) {
        size_t skip = duration_len(slice_sub(why, i, SIZE_MAX));
        i += skip;
        if (i < why.len) {
            buf_add_char(&out, why.data[i]);
        }
    }
    struct slice copy = arena_copy(arena, buf_slice(&out));
    buf_free(&out);
    return copy;
}

static void note_stuck(struct ending *e, const json_t *rendered, struct arena *arena)
{
    struct condition ready = condition_of(rendered, READY);
    if (e->stuck.len == 0 && slice_eq_cstr(ready.reason, TERMINATING) &&
        slice_starts_with(ready.message, SLICE(BUT))) {
        e->stuck = slice_of(arena_printf(
            arena, "cluster \"%.*s\" of data plane \"%.*s\": %.*s",
            SLICE_ARG(spec_text(rendered, "cluster")), SLICE_ARG(spec_text(rendered, "dataPlane")),
            SLICE_ARG(slice_sub(ready.message, strlen(BUT), SIZE_MAX))));
    }
}

/* A resource says it of its binding. */
static void note_retained(struct ending *e, const struct snapshot_entry *entry, const json_t *tree,
                          struct arena *arena)
{
    struct condition ready = condition_of(tree, READY);
    if (e->retained.len > 0 || !slice_eq_cstr(ready.reason, RETAINED)) {
        return;
    }
    e->retained = entry->kind == SNAPSHOT_RESOURCE
                      ? ready.message
                      : slice_of(arena_printf(arena, "ResourceReleaseBinding \"%.*s\": %.*s",
                                              SLICE_ARG(entry->name), SLICE_ARG(ready.message)));
}

void ending_add(struct ending *e, const struct snapshot *s, enum snapshot_kind kind,
                const struct snapshot_entry *const *found, size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (kind == SNAPSHOT_RENDERED) {
            note_stuck(e, snapshot_tree(s, found[i]), arena);
        } else if (kind == SNAPSHOT_RESOURCE_BINDING || kind == SNAPSHOT_RESOURCE) {
            note_retained(e, found[i], snapshot_tree(s, found[i]), arena);
        }
    }
    if (count > 0) {
        e->list = slice_of(arena_printf(arena, "%.*s%s%zu %s%s", SLICE_ARG(e->list),
                                        e->left > 0 ? ", " : "", count, snapshot_kind_name(kind),
                                        count == 1 ? "" : "s"));
    }
    e->left += count;
}

void ending_tell(const struct ending *e, const struct snapshot *s, json_t *edit)
{
    if (e->retained.len > 0) {
        ending_waits(s, edit, RETAINED, false, "being deleted; a resource is in the way: %.*s",
                     SLICE_ARG(e->retained));
    } else {
        ending_waits(s, edit, TERMINATING, e->stuck.len == 0,
                     "being deleted; waiting for its clusters to be clean: %.*s left%s%.*s",
                     SLICE_ARG(e->list), e->stuck.len > 0 ? "; " : "", SLICE_ARG(e->stuck));
    }
}

void ending_waits(const struct snapshot *s, json_t *edit, const char *reason, bool moving,
                  const char *format, ...)
{
    struct buf message = {0};
    va_list args;
    va_start(args, format);
    buf_vaddf(&message, format, args);
    va_end(args);
    condition_set(edit, s, READY, STATUS_FALSE, reason, "%s", buf_cstr(&message));
    if (object_condition(edit, PROGRESSING) != NULL) {
        condition_set(edit, s, PROGRESSING, moving ? STATUS_TRUE : STATUS_FALSE,
                      moving ? "Progressing" : "Stuck",
                      moving ? "work is under way" : "waiting for what stands in the way of Ready");
    }
    status_observe(edit);
    buf_free(&message);
}
