/* elsewhere.c: OpenChoreo's types and traits may have templates for the observability plane. There
 * is none here: logs and metrics stay where clusters keep them. Who uses such a type must not have
 * to find out on a cluster that an alert is missing. */
#include "reconcile/controllers/elsewhere.h"

enum { NAMED_MAX = 5 };

struct found {
    struct buf names;
    size_t count;
};

static bool is_elsewhere(const json_t *template)
{
    return slice_eq_cstr(json_text_at(template, "targetPlane"), "observabilityplane");
}

static void add(struct found *f, const char *what, struct slice name)
{
    if (f->count++ < NAMED_MAX) {
        buf_addf(&f->names, "%s%s \"%.*s\"", f->count > 1 ? ", " : "", what, SLICE_ARG(name));
    }
}

/* Templates of a type, by their ids, and the traits that it brings or is given. */
static void look(struct found *f, const json_t *type, const json_t *traits)
{
    static const char *const parts[] = {"creates", "patches", "removes"};
    size_t i;
    json_t *one;
    json_array_foreach(json_at(type, "spec", "resources", NULL), i, one)
    {
        if (is_elsewhere(one)) {
            add(f, "template", json_text_at(one, "id"));
        }
    }
    json_array_foreach((json_t *)(uintptr_t)traits, i, one)
    {
        bool any = false;
        for (size_t k = 0; k < 3; k++) {
            size_t n;
            json_t *part;
            json_array_foreach(json_at(one, "spec", parts[k], NULL), n, part)
            {
                any |= is_elsewhere(part);
            }
        }
        if (any) {
            add(f, "trait", json_text_at(one, "name"));
        }
    }
}

void elsewhere_tell(const struct snapshot *s, const json_t *release, json_t *edit)
{
    struct found f = {0};
    const json_t *spec = json_object_get(release, "spec");
    look(&f, json_object_get(spec, "componentType"), json_object_get(spec, "traits"));
    if (f.count > NAMED_MAX) {
        buf_addf(&f.names, " and %zu more", f.count - NAMED_MAX);
    }
    if (f.count == 0) {
        condition_drop(edit, ALL_RENDERED);
    } else {
        condition_set(edit, s, ALL_RENDERED, STATUS_FALSE, "NoObservabilityPlane",
                      "what %s %s for the observability plane goes nowhere, since there is none "
                      "here: logs and metrics stay on the clusters",
                      buf_cstr(&f.names), f.count == 1 ? "has" : "have");
    }
    buf_free(&f.names);
}
