/* ending.c: the sentences of objects that are being deleted. What holds up an end is most often a
 * cluster, several objects away: whoever waits for it says so, and not only what is next. */
#include "reconcile/controllers/ending.h"

#include <string.h>

static void note_stuck(struct ending *e, const json_t *rendered, struct arena *arena)
{
    struct condition ready = condition_of(rendered, READY);
    if (e->stuck.len == 0 && slice_eq_cstr(ready.reason, TERMINATING) &&
        slice_starts_with(ready.message, SLICE(ENDING_BUT))) {
        e->stuck = slice_of(arena_printf(
            arena, "cluster \"%.*s\" of data plane \"%.*s\": %.*s",
            SLICE_ARG(spec_text(rendered, "cluster")), SLICE_ARG(spec_text(rendered, "dataPlane")),
            SLICE_ARG(slice_sub(ready.message, strlen(ENDING_BUT), SIZE_MAX))));
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
