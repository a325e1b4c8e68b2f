/* Which names a definition gets (crd_judge() of crd.h).
 *
 * In one API group, plural, singular and short names share one space of names, kind and list kind
 * another. Who was granted a name keeps it; what is asked for and taken is refused, name by name:
 * the rest is granted, but the definition is established only once all of its names were. Then it
 * stays so.
 *
 * A definition of a kind that is built in is granted what it asks for: whoever installs a
 * platform's definitions finds them established, and served as they were before. */
#include "base/clock.h"
#include "proto/crd.h"
#include "proto/object.h"
#include "proto/tree_internal.h"

struct judging {
    const struct crd_taken *taken;
    struct slice group;
    json_t *accepted;   /* names, as granted */
    const char *reason; /* of a refusal; NULL: none so far */
    struct buf message;
};

static bool lists(const json_t *list, struct slice name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq(json_text(json_array_get(list, i)), name)) {
            return true;
        }
    }
    return false;
}

static bool kind_has(const struct kind *k, struct slice name, bool kinds)
{
    if (kinds) {
        return slice_eq(k->kind, name) || slice_eq(k->list_kind, name);
    }
    bool has = slice_eq(k->plural, name) || slice_eq(k->singular, name);
    for (size_t i = 0; i < k->short_name_count && !has; i++) {
        has = slice_eq(k->short_names[i], name);
    }
    return has;
}

static bool definition_has(const json_t *names, struct slice name, bool kinds)
{
    if (kinds) {
        return slice_eq(json_text_at(names, "kind"), name) ||
               slice_eq(json_text_at(names, "listKind"), name);
    }
    return slice_eq(json_text_at(names, "plural"), name) ||
           slice_eq(json_text_at(names, "singular"), name) ||
           lists(json_object_get(names, "shortNames"), name);
}

/* By another one of the same group. */
static bool is_taken(const struct judging *j, struct slice name, bool kinds)
{
    const struct crd_taken *t = j->taken;
    for (size_t i = 0; t->fixed != NULL && i < kind_registry_count(t->fixed); i++) {
        const struct kind *k = kind_registry_at(t->fixed, i);
        if (slice_eq(k->group, j->group) && kind_has(k, name, kinds)) {
            return true;
        }
    }
    for (size_t i = 0; i < t->other_count; i++) {
        if (slice_eq(json_text_at(t->others[i], "group"), j->group) &&
            definition_has(json_object_get(t->others[i], "names"), name, kinds)) {
            return true;
        }
    }
    return false;
}

static bool grant(struct judging *j, struct slice name, bool kinds, const char *reason)
{
    if (name.len == 0 || !is_taken(j, name, kinds)) {
        return true;
    }
    j->reason = j->reason != NULL ? j->reason : reason;
    buf_addf(&j->message, "%s\"%.*s\" is already in use", j->message.len > 0 ? ", " : "",
             SLICE_ARG(slice_sub(name, 0, 100)));
    return false;
}

static void judge_names(struct judging *j, const json_t *names)
{
    static const struct {
        const char *member;
        bool kinds;
        const char *reason;
    } single[] = {{"plural", false, "PluralConflict"},
                  {"singular", false, "SingularConflict"},
                  {"kind", true, "KindConflict"},
                  {"listKind", true, "ListKindConflict"}};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
        struct slice name = json_text_at(names, single[i].member);
        if (grant(j, name, single[i].kinds, single[i].reason)) {
            json_object_set_new(j->accepted, single[i].member, json_str(name));
        }
    }
    const json_t *asked = json_object_get(names, "shortNames");
    const json_t *categories = json_object_get(names, "categories");
    bool all = true;
    for (size_t i = 0; i < json_array_size(asked); i++) {
        all = grant(j, json_text(json_array_get(asked, i)), false, "ShortNamesConflict") && all;
    }
    if (json_array_size(asked) > 0 && all) {
        json_object_set_new(j->accepted, "shortNames", tree_copy(asked));
    } else if (all) {
        (void)json_object_del(j->accepted, "shortNames");
    }
    if (json_array_size(categories) > 0) {
        json_object_set_new(j->accepted, "categories", tree_copy(categories));
    } else {
        (void)json_object_del(j->accepted, "categories");
    }
}

/* Sets one of status.conditions by type; its time moves only when its status does. */
static void set_condition(json_t *status, const char *type, const char *value, const char *reason,
                          const char *message, uint64_t now_ms)
{
    json_t *list = json_object_get(status, "conditions");
    json_t *condition = NULL;
    char now[21];
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(status, "conditions", list);
    }
    for (size_t i = 0; i < json_array_size(list) && condition == NULL; i++) {
        json_t *item = json_array_get(list, i);
        condition = slice_eq_cstr(json_text_at(item, "type"), type) ? item : NULL;
    }
    if (condition == NULL) {
        condition = json_pack("{s:s}", "type", type);
        json_array_append_new(list, condition);
    }
    if (!slice_eq_cstr(json_text_at(condition, "status"), value)) {
        clock_rfc3339(now_ms, now);
        json_object_set_new(condition, "lastTransitionTime", json_string(now));
    }
    json_object_set_new(condition, "status", json_string(value));
    json_object_set_new(condition, "reason", json_string(reason));
    json_object_set_new(condition, "message", json_str(slice_of(message)));
}

bool crd_established(const json_t *object)
{
    return object_condition_true(object, "Established");
}

bool crd_built_in(const json_t *object, const struct kind_registry *fixed)
{
    const json_t *spec = json_object_get(object, "spec");
    const json_t *versions = json_object_get(spec, "versions");
    for (size_t i = 0; fixed != NULL && i < json_array_size(versions); i++) {
        const struct kind *k = kind_by_plural(fixed, json_text_at(spec, "group"),
                                              json_text_at(json_array_get(versions, i), "name"),
                                              json_text(json_at(spec, "names", "plural", NULL)));
        /* Those of other definitions have no message. */
        if (k != NULL && k->message.len > 0 &&
            slice_eq(k->kind, json_text(json_at(spec, "names", "kind", NULL)))) {
            return true;
        }
    }
    return false;
}

static json_t *judge_built_in(const json_t *names, json_t *status, uint64_t now_ms)
{
    json_object_set_new(status, "acceptedNames", tree_copy(names));
    set_condition(status, "NamesAccepted", "True", "BuiltIn",
                  "its names are those of a kind that "
                  "is built in",
                  now_ms);
    set_condition(status, "Established", "True", "BuiltIn",
                  "the kind is built in: the definition changes nothing", now_ms);
    return status;
}

json_t *crd_judge(const json_t *object, const struct crd_taken *taken, uint64_t now_ms)
{
    const json_t *spec = json_object_get(object, "spec");
    const json_t *before = json_object_get(object, "status");
    json_t *status = json_is_object(before) ? tree_copy(before) : json_object();
    if (crd_built_in(object, taken->fixed)) {
        return judge_built_in(json_object_get(spec, "names"), status, now_ms);
    }
    struct judging j = {.taken = taken,
                        .group = json_text_at(spec, "group"),
                        .accepted = json_child(status, "acceptedNames")};
    bool established = crd_established(object);
    if (j.accepted == NULL) {
        j.accepted = json_object();
        json_object_set_new(status, "acceptedNames", j.accepted);
    }
    judge_names(&j, json_object_get(spec, "names"));
    if (j.reason == NULL && !established && taken->full) {
        j.reason = "TooManyDefinitions";
        buf_addf(&j.message, "%d definitions are established already", CRD_COUNT_MAX);
    }
    bool good = j.reason == NULL;
    set_condition(status, "NamesAccepted", good ? "True" : "False", good ? "NoConflicts" : j.reason,
                  good ? "no conflicts found" : buf_cstr(&j.message), now_ms);
    if (good && !established) {
        set_condition(status, "Established", "True", "InitialNamesAccepted",
                      "the initial names have been accepted", now_ms);
    } else if (!established) {
        set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted",
                      now_ms);
    }
    buf_free(&j.message);
    return status;
}
