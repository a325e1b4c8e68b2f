/* plane_hold.c: who is on a plane.
 *
 * An environment is on the plane that it names, if it may be there: who names another namespace's
 * plane holds nothing. A RenderedRelease is on it as long as it is there, since with it goes what
 * is on a cluster; that counts what an environment that moved away has left, and runs. */
#include "reconcile/controllers/plane_hold.h"

#include "render/plane_access.h"

enum { NAMED_MAX = 5 };

static const char *finalizer(const struct snapshot *s, struct arena *arena)
{
    return arena_printf(arena, "choreo.dev/in-use-%u", s->shard);
}

bool plane_is_held(const struct snapshot *s, const struct snapshot_entry *plane,
                   struct arena *arena)
{
    return object_has_finalizer(snapshot_tree(s, plane), finalizer(s, arena));
}

/* A row of status.inUse; NULL: nobody. */
static json_t *use_of(const struct snapshot *s, const struct snapshot_entry *plane,
                      struct arena *arena)
{
    const struct snapshot_entry **found;
    const json_t *tree = snapshot_tree(s, plane);
    struct slice all = {0};
    size_t count =
        snapshot_list(s, SNAPSHOT_ENVIRONMENT, SNAPSHOT_BY_PLANE, all, plane->name, arena, &found);
    json_t *names = json_array();
    json_int_t environments = 0;
    for (size_t i = 0; i < count; i++) {
        if (!plane_allows(tree, found[i]->ns)) {
            continue;
        }
        if (environments++ < NAMED_MAX) {
            json_array_append_new(
                names, json_str(slice_of(arena_printf(arena, "%.*s/%.*s", SLICE_ARG(found[i]->ns),
                                                      SLICE_ARG(found[i]->name)))));
        }
    }
    size_t releases =
        snapshot_list(s, SNAPSHOT_RENDERED, SNAPSHOT_BY_PLANE, all, plane->name, arena, &found);
    if (environments == 0 && releases == 0) {
        json_decref(names);
        return NULL;
    }
    return json_pack("{s:I, s:o, s:I, s:I}", "shard", (json_int_t)s->shard, "environments", names,
                     "environmentCount", environments, "releaseCount", (json_int_t)releases);
}

/* Takes row, which may be NULL. */
static void put_row(const struct snapshot *s, json_t *edit, json_t *row)
{
    json_t *rows = json_array();
    size_t i;
    json_t *other;
    json_array_foreach(json_at(edit, "status", "inUse", NULL), i, other)
    {
        json_int_t shard = json_integer_value(json_object_get(other, "shard"));
        if (row != NULL && shard > (json_int_t)s->shard) {
            json_array_append_new(rows, row);
            row = NULL;
        }
        if (shard != (json_int_t)s->shard) {
            json_array_append(rows, other);
        }
    }
    if (row != NULL) {
        json_array_append_new(rows, row);
    }
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        rows = NULL;
    }
    status_set(edit, "inUse", rows);
}

void plane_hold(const struct snapshot *s, const struct snapshot_entry *plane, json_t *edit,
                struct plan *plan)
{
    bool held = plane_is_held(s, plane, &plan->arena);
    if (held != plane->deleting) {
        return; /* held, and to be: all is said; or let go of already */
    }
    json_t *use = use_of(s, plane, &plan->arena);
    if (plane->deleting) {
        if (use == NULL) {
            object_remove_finalizer(edit, finalizer(s, &plan->arena));
        }
        put_row(s, edit, use);
        return;
    }
    if (use != NULL) {
        object_add_finalizer(edit, finalizer(s, &plan->arena));
    }
    json_decref(use);
}

void plane_hold_tell(const struct snapshot *s, json_t *edit)
{
    struct buf names = {0};
    json_int_t environments = 0;
    json_int_t named = 0;
    json_int_t releases = 0;
    size_t i;
    json_t *row;
    json_array_foreach(json_at(edit, "status", "inUse", NULL), i, row)
    {
        size_t k;
        json_t *name;
        environments += json_integer_value(json_object_get(row, "environmentCount"));
        releases += json_integer_value(json_object_get(row, "releaseCount"));
        json_array_foreach(json_object_get(row, "environments"), k, name)
        {
            if (named++ < NAMED_MAX) {
                buf_addf(&names, "%s%s", names.len > 0 ? ", " : "", json_string_value(name));
            }
        }
    }
    if (environments > NAMED_MAX) {
        buf_addf(&names, " and %lld more", (long long)(environments - NAMED_MAX));
    }
    if (environments > 0) {
        bool one = environments == 1;
        condition_set(edit, s, READY, STATUS_FALSE, "Terminating",
                      "being deleted, once nothing is on it any more: environment%s %s %s on it "
                      "still; delete %s, or give %s another data plane",
                      one ? "" : "s", buf_cstr(&names), one ? "is" : "are", one ? "it" : "them",
                      one ? "it" : "them");
    } else {
        condition_set(edit, s, READY, STATUS_FALSE, "Terminating",
                      "being deleted, once nothing is on it any more: %lld RenderedRelease%s left; "
                      "what an environment has left goes by itself, what a run made with the run",
                      (long long)releases, releases == 1 ? " is" : "s are");
    }
    buf_free(&names);
}
