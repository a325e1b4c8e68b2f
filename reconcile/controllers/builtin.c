/* builtin.c: what choreod ships, in control planes that keep it.
 *
 * A leader makes of it what is missing, when it begins. From then on it lies there like what people
 * wrote, and they may change it: so what a newer program ships takes its place only where nobody
 * has. status.builtIn says which version was written last, and in which generation of the object;
 * in another, somebody has changed it. What was stored before there was such a record is in its
 * first generation, and nobody but us wrote its spec.
 *
 *     recorded version    spec               then
 *     newer than ours     -                  another program's: left alone, or two leaders would
 *                                            write in turns while nodes are upgraded
 *     older, or none      as we wrote it     becomes ours
 *     any                 somebody's         stays, and the condition UpToDate says so
 *
 * Two annotations are people's to set: choreo.dev/builtin: keep (whatever comes, this stays, and
 * nobody is told), and take (ours, now; it goes as it is obeyed). */
#include "reconcile/controllers/common.h"
#include "render/shipped.h"

#include <string.h>

#define WISH "choreo.dev/builtin"
#define KEEP "keep"
#define TAKE "take"
#define RECORD "builtIn"
#define UP_TO_DATE "UpToDate"
/* Who wrote it, when the control plane still was a field manager. */
#define MANAGER_BEFORE "choreod"

/* ---- what is there ---- */

struct case_of {
    const struct snapshot *s;
    const struct snapshot_entry *entry;
    const json_t *object;
    struct shipped shipped;
    int64_t recorded; /* 0: none */
    bool changed;     /* by somebody, since we wrote it */
    bool same;        /* as we would write it */
};

/* True if a field of the spec is somebody's. What we make is nobody's. */
static bool is_claimed(const json_t *object)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_at(object, "metadata", "managedFields", NULL), i, entry)
    {
        if (!slice_eq_cstr(json_text_at(entry, "manager"), MANAGER_BEFORE) &&
            json_at(entry, "fieldsV1", "f:spec", NULL) != NULL) {
            return true;
        }
    }
    return false;
}

static bool was_changed(const json_t *object, const json_t *record)
{
    if (record != NULL) {
        return json_integer_value(json_object_get(record, "generation")) !=
               object_generation(object);
    }
    return object_generation(object) != 1 || is_claimed(object);
}

/* ---- what comes of it ---- */

/* The record of what is written with it: clients cannot change that and leave the record right. */
static void note_written(json_t *object, const struct shipped *shipped, int64_t generation)
{
    json_object_set_new(json_child(object, "metadata"), "generation", json_integer(generation));
    status_set(
        object, RECORD,
        json_pack("{s:i, s:I}", "version", shipped->version, "generation", (json_int_t)generation));
}

static void tell(const struct case_of *c, json_t *object, enum condition_status status,
                 const char *reason, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(const struct case_of *c, json_t *object, enum condition_status status,
                 const char *reason, const char *format, ...)
{
    struct arena arena = {0};
    va_list args;
    va_start(args, format);
    condition_set(object, c->s, UP_TO_DATE, status, reason, "%s",
                  arena_vprintf(&arena, format, args));
    va_end(args);
    status_observe(object);
    arena_free(&arena);
}

static void tell_ours(const struct case_of *c, json_t *object)
{
    tell(c, object, STATUS_TRUE, "BuiltIn", "as choreod makes it, in version %d",
         c->shipped.version);
}

static void write_ours(const struct case_of *c, struct plan *plan)
{
    json_t *edit = plan_edit(plan, c->s, c->entry);
    json_t *ours = shipped_load(&c->shipped);
    const char *key;
    json_t *value;
    json_object_set(edit, "spec", json_object_get(ours, "spec"));
    json_object_foreach(json_at(ours, "metadata", "annotations", NULL), key, value)
    {
        object_set_annotation(edit, key, json_text(value));
    }
    json_decref(ours);
    if (slice_eq_cstr(object_annotation(edit, WISH), TAKE)) {
        object_remove_annotation(edit, WISH);
    }
    note_written(edit, &c->shipped, object_generation(c->object) + (c->same ? 0 : 1));
    tell_ours(c, edit);
    if (!c->same) {
        plan_event(plan, c->object, false, "BuiltInTaken", "is version %d of choreod's own now",
                   c->shipped.version);
    }
}

/* Once: what was told is in the condition. */
static void tell_newer(const struct case_of *c, json_t *edit, struct plan *plan)
{
    const char *how =
        arena_printf(&plan->arena,
                     "\"choreo annotate %s %.*s " WISH "=" TAKE
                     "\" puts that in its place, with =" KEEP " this one stays without a word",
                     snapshot_resource(c->entry->kind), SLICE_ARG(c->entry->name));
    const char *was =
        c->recorded > 0
            ? arena_printf(&plan->arena, "changed since it was version %d", (int)c->recorded)
            : "not as choreod made it";
    if (!condition_is(c->object, UP_TO_DATE, "False")) {
        plan_event(plan, c->object, false, "NewerBuiltIn",
                   "%s, and stays so: choreod has version %d; %s", was, c->shipped.version, how);
    }
    tell(c, edit, STATUS_FALSE, "NewerBuiltIn", "%s, and stays so: choreod has version %d; %s", was,
         c->shipped.version, how);
}

static void leave(const struct case_of *c, struct plan *plan)
{
    json_t *edit = plan_edit(plan, c->s, c->entry);
    bool older = c->recorded < c->shipped.version;
    if (slice_eq_cstr(object_annotation(c->object, WISH), KEEP)) {
        tell(c, edit, older ? STATUS_FALSE : STATUS_TRUE, "Kept",
             "annotation " WISH " keeps it; choreod has version %d", c->shipped.version);
    } else if (older) {
        tell_newer(c, edit, plan);
    } else {
        tell(c, edit, STATUS_TRUE, "Changed",
             "changed since choreod made it in version %d, its newest", c->shipped.version);
    }
}

void builtin_plan(const struct snapshot *s, const struct snapshot_entry *entry, struct plan *plan)
{
    struct case_of c = {.s = s, .entry = entry, .object = snapshot_tree(s, entry)};
    if (entry->deleting || s->made_up != NULL || /* manifests are somebody's word */
        !shipped_find(slice_of(snapshot_kind_name(entry->kind)), entry->name, &c.shipped)) {
        return;
    }
    const json_t *record = json_at(c.object, "status", RECORD, NULL);
    c.recorded = json_integer_value(json_object_get(record, "version"));
    c.changed = was_changed(c.object, record);
    json_t *ours = shipped_load(&c.shipped);
    c.same = json_equal(json_object_get(c.object, "spec"), json_object_get(ours, "spec"));
    json_decref(ours);
    struct slice wish = object_annotation(c.object, WISH);
    if (slice_eq_cstr(wish, TAKE)) {
        write_ours(&c, plan);
    } else if (c.recorded > c.shipped.version) {
        return;
    } else if (slice_eq_cstr(wish, KEEP) || (c.changed && !c.same)) {
        leave(&c, plan);
    } else if (c.recorded < c.shipped.version || c.changed) {
        write_ours(&c, plan);
    } else {
        tell_ours(&c, plan_edit(plan, s, entry));
    }
}

/* ---- the beginning ---- */

static void create(const struct snapshot *s, const struct shipped *shipped, struct plan *plan)
{
    enum snapshot_kind kind = snapshot_kind_named(slice_of(shipped->kind));
    if (snapshot_find(s, kind, (struct slice){0}, shipped->name) == NULL) {
        const struct case_of c = {.s = s, .shipped = *shipped};
        json_t *object = shipped_load(shipped);
        note_written(object, shipped, 1);
        tell_ours(&c, object);
        plan_create(plan, kind, object);
    }
}

void bootstrap_plan(const struct snapshot *s, struct plan *plan)
{
    struct slice none = {0};
    if (snapshot_find(s, SNAPSHOT_ORGANIZATION, none, SLICE("default")) == NULL) {
        json_t *org = object_new("choreo.dev/v1", "Organization", none, SLICE("default"));
        json_object_set_new(org, "spec",
                            json_pack("{s:s}", "description", "The tenant that is always there"));
        plan_create(plan, SNAPSHOT_ORGANIZATION, org);
    }
    for (size_t i = 0; i < shipped_count(); i++) {
        const struct shipped shipped = shipped_at(i);
        create(s, &shipped, plan);
    }
}
