/* openchoreo.c: what all translations have in common, and the kinds that nothing acts on yet. */
#include "reconcile/controllers/openchoreo.h"

#include <stdio.h>

#include "proto/promotion.h"
#include "reconcile/controllers/ending.h"

#define DISPLAY_NAME "openchoreo.dev/display-name"
#define DESCRIPTION "openchoreo.dev/description"

void translation_begin(struct translation *t, const struct snapshot *s,
                       const struct snapshot_entry *entry, struct plan *plan)
{
    *t = (struct translation){.s = s,
                              .entry = entry,
                              .object = snapshot_tree(s, entry),
                              .edit = plan_edit(plan, s, entry),
                              .plan = plan,
                              .hint = ""};
}

void translation_ignore(struct translation *t, const char *field)
{
    const json_t *value = json_at(t->object, "spec", field, NULL);
    if (value != NULL && !json_is_null(value) && !json_is_false(value)) {
        buf_addf(&t->ignored, "%sspec.%s", t->ignored.len > 0 ? ", " : "", field);
    }
}

void translation_refuse(struct translation *t, const char *reason, const char *format, ...)
{
    va_list args;
    struct buf text = {0};
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    t->refused = reason;
    t->why = arena_cstr(&t->plan->arena, buf_slice(&text));
    buf_free(&text);
}

void translation_fail(struct translation *t, const char *reason, const char *format, ...)
{
    va_list args;
    struct buf text = {0};
    va_start(args, format);
    buf_vaddf(&text, format, args);
    va_end(args);
    condition_set(t->edit, t->s, READY, STATUS_FALSE, reason, "%s", buf_cstr(&text));
    buf_free(&text);
}

/* True if something changes. */
static bool merge_spec(json_t *into, const json_t *spec)
{
    bool changed = false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)spec, key, value)
    {
        if (json_is_null(value)) {
            changed |= json_object_del(into, key) == 0;
        } else if (!json_equal(json_object_get(into, key), value)) {
            json_object_set(into, key, value);
            changed = true;
        }
    }
    return changed;
}

/* Nobody asked us but those who wrote what it is made of. */
static void add_authors(const struct translation *t, json_t *counterpart)
{
    promotion_add_authors(counterpart, t->object);
    promotion_add_authors(counterpart, t->beside);
}

void translation_merge(struct translation *t, const struct snapshot_entry *ours, json_t *spec)
{
    json_t *edit = plan_edit(t->plan, t->s, ours);
    if (merge_spec(json_child(edit, "spec"), spec) &&
        (ours->kind == SNAPSHOT_COMPONENT || ours->kind == SNAPSHOT_RESOURCE)) {
        if (promotion_is_released(snapshot_tree(t->s, ours))) {
            object_remove_annotation(edit, PROMOTION_AUTHORS);
        }
        add_authors(t, edit);
    }
    if (ours->kind == SNAPSHOT_RESOURCE_BINDING) {
        binding_requested_by(edit, object_annotation(t->object, PROMOTION_REQUESTED_BY));
    }
    json_decref(spec);
}

/* What people are told of it, which OpenChoreo keeps in annotations. */
static void add_names(const struct translation *t, enum snapshot_kind kind, json_t *spec)
{
    struct slice name = object_annotation(t->object, DISPLAY_NAME);
    struct slice text = object_annotation(t->object, DESCRIPTION);
    if (kind != SNAPSHOT_RELEASE && kind != SNAPSHOT_RESOURCE_RELEASE &&
        kind != SNAPSHOT_RESOURCE_BINDING && kind != SNAPSHOT_RUN) {
        json_object_set_new(spec, "displayName", name.len > 0 ? json_str(name) : json_null());
        json_object_set_new(spec, "description", text.len > 0 ? json_str(text) : json_null());
    }
}

static void create(struct translation *t, enum snapshot_kind kind, const json_t *spec)
{
    json_t *o = object_new("choreo.dev/v1", snapshot_kind_name(kind), t->entry->ns, t->entry->name);
    (void)merge_spec(json_child(o, "spec"), spec);
    object_add_owner(o, t->object, true);
    if (kind == SNAPSHOT_COMPONENT || kind == SNAPSHOT_RELEASE || kind == SNAPSHOT_RESOURCE ||
        kind == SNAPSHOT_RESOURCE_RELEASE || kind == SNAPSHOT_RUN) {
        add_authors(t, o);
    }
    if (promotion_by_hand(t->object)) {
        object_set_annotation(o, PROMOTION_BY_HAND, SLICE("true"));
    }
    if (kind == SNAPSHOT_RESOURCE_BINDING) {
        binding_requested_by(o, object_annotation(t->object, PROMOTION_REQUESTED_BY));
    }
    plan_create(t->plan, kind, o);
    translation_fail(t, "Progressing", "being taken up");
}

/* Made by nobody but the organization, and never changed. */
static bool is_default(const json_t *counterpart)
{
    return slice_eq_cstr(object_annotation(counterpart, OBJECT_DEFAULT), "true") &&
           object_generation(counterpart) == 1 && !has_owner(counterpart);
}

/* Ours of before goes first. What it retains, it may have been told here to give up. */
static void wait_for_end(struct translation *t, const struct snapshot_entry *there,
                         const json_t *spec)
{
    const json_t *is = snapshot_tree(t->s, there);
    if (owned_by(is, t->entry->uid)) {
        translation_give_up(t, there, spec);
    }
    struct condition ready = condition_of(is, READY);
    bool told = slice_eq_cstr(ready.reason, RETAINED) || slice_eq_cstr(ready.reason, TERMINATING);
    translation_fail(t, slice_eq_cstr(ready.reason, RETAINED) ? RETAINED : TERMINATING,
                     "choreo.dev %s \"%.*s\" is being deleted first%s%.*s",
                     snapshot_kind_name(there->kind), SLICE_ARG(there->name), told ? ": " : "",
                     SLICE_ARG(told ? ready.message : (struct slice){0}));
}

const json_t *translation_counterpart(struct translation *t, enum snapshot_kind kind, json_t *spec)
{
    const struct snapshot_entry *there = snapshot_find(t->s, kind, t->entry->ns, t->entry->name);
    const json_t *is = there != NULL ? snapshot_tree(t->s, there) : NULL;
    add_names(t, kind, spec);
    if (is == NULL) {
        if (!translation_waits(t, spec)) {
            create(t, kind, spec);
        }
        json_decref(spec);
        return NULL;
    }
    bool ours = owned_by(is, t->entry->uid);
    if (there->deleting) {
        wait_for_end(t, there, spec);
        json_decref(spec);
        return NULL;
    }
    if (!ours && !is_default(is)) {
        translation_fail(t, "Conflict",
                         "choreo.dev %s \"%.*s\" is there, and was not made for this: it is left "
                         "as it is; delete one of them",
                         snapshot_kind_name(kind), SLICE_ARG(there->name));
        json_decref(spec);
        return NULL;
    }
    if (!ours) {
        json_t *edit = plan_edit(t->plan, t->s, there);
        object_add_owner(edit, t->object, true);
        (void)json_object_del(json_at(edit, "metadata", "annotations", NULL), OBJECT_DEFAULT);
    }
    translation_merge(t, there, spec);
    return is;
}

void translation_end(struct translation *t, const json_t *counterpart)
{
    if (counterpart != NULL) {
        struct condition ready = condition_of(counterpart, READY);
        bool known = ready.reason.len > 0;
        object_set_condition(
            t->edit, READY, known ? arena_cstr(&t->plan->arena, ready.status) : "False",
            known ? arena_cstr(&t->plan->arena, ready.reason) : "Progressing",
            known ? arena_cstr(&t->plan->arena, ready.message) : "has not been looked at yet",
            t->s->now_ms);
    }
    if (t->refused != NULL) {
        condition_set(t->edit, t->s, "Accepted", STATUS_FALSE, t->refused, "%s", t->why);
    } else if (t->ignored.len > 0) {
        condition_set(t->edit, t->s, "Accepted", STATUS_FALSE, "NotSupported",
                      "recorded, but nothing acts on it yet: %s%s", buf_cstr(&t->ignored), t->hint);
    } else {
        condition_set(t->edit, t->s, "Accepted", STATUS_TRUE, "Accepted",
                      "all that it says is acted on");
    }
    status_observe(t->edit);
    buf_free(&t->ignored);
}

/* ---- kinds that nothing acts on yet ---- */

static const struct {
    enum snapshot_kind kind;
    const char *hint; /* what would make it act, or what does that instead */
} hints[] = {
    {SNAPSHOT_OC_OBSERVABILITY_PLANE,
     "; logs and metrics stay where clusters keep them: choreo logs reads them there"},
    {SNAPSHOT_OC_CLUSTER_OBSERVABILITY_PLANE,
     "; logs and metrics stay where clusters keep them: choreo logs reads them there"},
    {SNAPSHOT_OC_ALERT_RULE,
     "; spec.slo of a choreo.dev Component gives a cluster's Prometheus rules to alert by"},
    {SNAPSHOT_OC_ALERT_CHANNEL,
     "; who is told of alerts, the Alertmanager of a cluster is configured with"},
    {SNAPSHOT_OC_RENDERED,
     "; what clusters get is told by RenderedReleases of choreo.dev, which nobody but the control "
     "plane makes"},
};

void openchoreo_idle_plan(const struct snapshot *s, const struct snapshot_entry *entry,
                          struct plan *plan)
{
    const char *hint = "";
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (hints[i].kind == entry->kind) {
            hint = hints[i].hint;
        }
    }
    if (entry->deleting) {
        return;
    }
    json_t *edit = plan_edit(plan, s, entry);
    static const char *const types[] = {"Accepted", READY};
    for (size_t i = 0; i < 2; i++) {
        condition_set(edit, s, types[i], STATUS_FALSE, "NotSupported",
                      "recorded, but nothing acts on it yet%s", hint);
    }
}
