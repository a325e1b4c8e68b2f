/* reviews_rules.c: all that somebody may do, by asking for each thing.
 *
 * Kubernetes lists its rules. Here there is one decision (auth_allows) and no list: whoever may do
 * everything gets one rule that says so; for the others each verb of each kind, and each path that
 * authorization knows by name, is asked about, and what is allowed gathered in rules. So the answer
 * cannot differ from what is decided. */
#include "node/api/reviews.h"

#include <string.h>

/* A ResourceRule: resources of one group with the same verbs. */
struct rule {
    struct slice group;
    uint32_t verbs;
    json_t *names; /* its list's */
};

struct rules {
    const struct subject *subject;
    struct slice ns;
    struct arena *arena;
    json_t *resources; /* ResourceRules */
    json_t *paths;     /* NonResourceRules */
    struct rule *items;
    size_t count;
    size_t cap;
};

static json_t *verbs_json(uint32_t verbs)
{
    json_t *list = json_array();
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if ((verbs & (1U << i)) != 0) {
            json_array_append_new(list, json_string(kind_verb_name(i)));
        }
    }
    return list;
}

/* Which of a resource's verbs are allowed. */
static uint32_t allowed_verbs(const struct rules *r, const struct kind *kind, struct slice sub,
                              uint32_t verbs)
{
    uint32_t allowed = 0;
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        const struct auth_request request = {
            .subject = r->subject,
            .verb = slice_of(kind_verb_name(i)),
            .group = kind->group,
            .resource = kind->plural,
            .subresource = sub,
            .ns = kind->namespaced ? r->ns : (struct slice){0},
        };
        if ((verbs & (1U << i)) != 0 && auth_allows(&request)) {
            allowed |= 1U << i;
        }
    }
    return allowed;
}

static struct rule *rule_of(struct rules *r, struct slice group, uint32_t verbs)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].verbs == verbs && slice_eq(r->items[i].group, group)) {
            return &r->items[i];
        }
    }
    if (r->count == r->cap) {
        struct rule *before = r->items;
        r->cap = r->cap == 0 ? 32 : r->cap * 2;
        r->items = arena_alloc(r->arena, r->cap * sizeof(*r->items));
        for (size_t i = 0; i < r->count; i++) {
            r->items[i] = before[i];
        }
    }
    struct rule *rule = &r->items[r->count++];
    *rule = (struct rule){group, verbs, json_array()};
    json_array_append_new(r->resources,
                          json_pack("{s:o,s:[o],s:o}", "verbs", verbs_json(verbs), "apiGroups",
                                    json_str(group), "resources", rule->names));
    return rule;
}

static void add_resource(struct rules *r, const struct kind *kind, struct slice sub, uint32_t verbs)
{
    uint32_t allowed = allowed_verbs(r, kind, sub, verbs);
    if (allowed == 0) {
        return;
    }
    json_t *name =
        json_sprintf("%.*s%s%.*s", SLICE_ARG(kind->plural), sub.len > 0 ? "/" : "", SLICE_ARG(sub));
    json_array_append_new(rule_of(r, kind->group, allowed)->names, name);
}

static void add_kind(struct rules *r, const struct kind_registry *kinds, const struct kind *kind)
{
    const uint32_t changes = KIND_GET | KIND_UPDATE | KIND_PATCH;
    struct slice sub;
    add_resource(r, kind, (struct slice){0}, kind->verbs);
    if (kind->status) {
        add_resource(r, kind, SLICE("status"), changes);
    }
    if (kind->scale_spec_replicas.len > 0) {
        add_resource(r, kind, SLICE("scale"), changes);
    }
    if (kind->log) {
        add_resource(r, kind, SLICE("log"), KIND_GET);
    }
    for (size_t i = 0; kind_part_at(kinds, kind, i, &sub) != NULL; i++) {
        add_resource(r, kind, sub, KIND_CREATE);
    }
}

static bool has_text(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text(json_array_get(list, i)), text)) {
            return true;
        }
    }
    return false;
}

/* All that may be done with one verb; paths that end in '/' hold for all below. */
static void add_paths(struct rules *r, const char *verb)
{
    json_t *urls = json_array();
    const char *path;
    for (size_t i = 0; (path = auth_path_at(i)) != NULL; i++) {
        const struct auth_request request = {
            .subject = r->subject, .verb = slice_of(verb), .path = slice_of(path)};
        bool below = strlen(path) > 1 && path[strlen(path) - 1] == '/';
        const char *url = arena_printf(r->arena, "%s%s", path, below ? "*" : "");
        if (auth_allows(&request) && !has_text(urls, url)) {
            json_array_append_new(urls, json_string(url));
        }
    }
    if (json_array_size(urls) > 0) {
        json_array_append_new(r->paths,
                              json_pack("{s:[s],s:O}", "verbs", verb, "nonResourceURLs", urls));
    }
    json_decref(urls);
}

static bool may_all(const struct rules *r)
{
    const struct auth_request resources = {.subject = r->subject,
                                           .verb = SLICE("*"),
                                           .group = SLICE("*"),
                                           .resource = SLICE("*"),
                                           .ns = r->ns};
    const struct auth_request paths = {
        .subject = r->subject, .verb = SLICE("*"), .path = SLICE("*")};
    return auth_allows(&resources) && auth_allows(&paths);
}

json_t *review_rules(struct api *api, struct arena *arena, const struct subject *subject,
                     struct slice ns)
{
    struct rules r = {.subject = subject,
                      .ns = ns,
                      .arena = arena,
                      .resources = json_array(),
                      .paths = json_array()};
    if (may_all(&r)) {
        json_array_append_new(r.resources, json_pack("{s:[s],s:[s],s:[s]}", "verbs", "*",
                                                     "apiGroups", "*", "resources", "*"));
        json_array_append_new(r.paths,
                              json_pack("{s:[s],s:[s]}", "verbs", "*", "nonResourceURLs", "*"));
    } else {
        const struct kind_registry *kinds = api_kinds(api, arena);
        for (size_t i = 0; i < kind_registry_count(kinds); i++) {
            add_kind(&r, kinds, kind_registry_at(kinds, i));
        }
        add_paths(&r, "get");
        add_paths(&r, "post");
    }
    return json_pack("{s:o,s:o,s:b}", "resourceRules", r.resources, "nonResourceRules", r.paths,
                     "incomplete", 0);
}
