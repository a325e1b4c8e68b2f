/* events_view.c: turning the members of Events.
 *
 * What is asked of the view is asked of the core group's Events (node/api/alias.h), with members
 * renamed. Selectors need no turning: the kind's selectable fields name places in the stored form.
 * Invariant: the members of one form and of the other are the same, one to one, so nothing is lost
 * either way, and a write needs no look at what was there. */
#include "node/api/events_view.h"

static const struct {
    const char *core;
    const char *view;
} names[] = {
    {"count", "deprecatedCount"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"involvedObject", "regarding"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"message", "note"},
    {"reportingComponent", "reportingController"},
    {"source", "deprecatedSource"},
};

static void rename_member(json_t *event, const char *from, const char *to)
{
    json_t *value = json_object_get(event, from);
    if (value != NULL) {
        json_object_set(event, to, value);
        (void)json_object_del(event, from);
    }
}

static json_t *to_view(json_t *event)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rename_member(event, names[i].core, names[i].view);
    }
    json_object_set_new(event, "apiVersion", json_string("events.k8s.io/v1"));
    return event;
}

static json_t *to_core(struct alias *a, json_t *event, json_t *old)
{
    (void)a;
    (void)old; /* is not read */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rename_member(event, names[i].view, names[i].core);
    }
    json_object_set_new(event, "apiVersion", json_string("v1"));
    return event;
}

static const struct alias_form form = {
    .shown = {"events.events.k8s.io", sizeof "events.events.k8s.io" - 1},
    .stored = {"events", sizeof "events" - 1},
    .show = to_view,
    .store = to_core,
};

void events_view_init(struct events_view *v, struct backend *under)
{
    alias_init(&v->alias, under, &form);
}
