/* placement.c: which clusters qualify, and which of those are chosen.
 *
 * Choosing goes one by one: of those left, the one whose region holds the fewest of the chosen,
 * then the cheapest, then the first by name; those that were chosen before come first. So the
 * choice depends on nothing but its inputs, and given its own result as what was before, it comes
 * to the same again. */
#include "render/placement.h"

#include "proto/object.h"
#include "proto/selector.h"

enum { TOLD_MAX = 8 };

struct candidate {
    struct plane_cluster cluster;
    const char *excluded; /* by what; NULL: it qualifies */
    double cost;
    size_t region; /* the number of the first candidate in its region */
    size_t used;   /* of that one: how many in the region are chosen */
    bool primary;  /* or need not be */
    bool lost;
    bool before;
    bool chosen;
};

struct choice {
    struct arena *arena;
    const json_t *plane;
    const json_t *placement;
    struct candidate *all;
    size_t count;
};

static bool has(const json_t *names, struct slice name)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        if (slice_eq(json_text(json_array_get(names, i)), name)) {
            return true;
        }
    }
    return false;
}

static bool is_policy(const struct choice *c, const char *policy)
{
    return slice_eq_cstr(json_text_at(c->placement, "policy"), policy);
}

/* What a cluster says of itself, or a plane of its implied one. */
static const json_t *says(const struct choice *c, const struct plane_cluster *cluster,
                          const char *key)
{
    return cluster->spec != NULL ? json_object_get(cluster->spec, key)
                                 : json_at(c->plane, "spec", key, NULL);
}

static bool is_primary(const struct choice *c, const struct plane_cluster *cluster)
{
    return c->count == 1 || json_is_true(json_object_get(cluster->spec, "primary"));
}

static bool matches(const struct choice *c, const struct plane_cluster *cluster,
                    const struct selector *selector)
{
    struct buf labels = {0};
    const json_t *stated = json_object_get(cluster->spec, "labels");
    if (stated != NULL) {
        json_canonical(stated, &labels);
    }
    bool match = json_object_get(c->placement, "clusterSelector") == NULL ||
                 selector_matches_labels(selector, buf_slice(&labels));
    buf_free(&labels);
    return match;
}

static const char *not_among(const struct choice *c, const char *what, struct slice value,
                             const char *field)
{
    return value.len == 0 ? arena_printf(c->arena, "states no %s", what)
                          : arena_printf(c->arena, "%s \"%.*s\" is not among %s", what,
                                         SLICE_ARG(value), field);
}

/* The first constraint that keeps a cluster out; NULL: none does. */
static const char *excluded(const struct choice *c, const struct plane_cluster *cluster,
                            const struct selector *selector)
{
    const json_t *names = json_object_get(c->placement, "clusters");
    const json_t *regions = json_object_get(c->placement, "regions");
    const json_t *providers = json_object_get(c->placement, "providers");
    struct slice provider = json_text(says(c, cluster, "provider"));
    if (json_array_size(names) > 0 && !has(names, cluster->name)) {
        return "is not among clusters";
    }
    if (json_array_size(regions) > 0 && !has(regions, cluster->region)) {
        return not_among(c, "region", cluster->region, "regions");
    }
    if (json_array_size(providers) > 0 && !has(providers, provider)) {
        return not_among(c, "provider", provider, "providers");
    }
    if (!matches(c, cluster, selector)) {
        return "has not the labels of clusterSelector";
    }
    return NULL;
}

static bool is_lost(const json_t *lost, struct slice name)
{
    for (size_t i = 0; i < json_array_size(lost); i++) {
        if (slice_eq(json_text_at(json_array_get(lost, i), "cluster"), name)) {
            return true;
        }
    }
    return false;
}

static int examine(struct choice *c, const json_t *before, const json_t *lost, struct err *err)
{
    struct selector *selector = NULL;
    const json_t *wanted = json_object_get(c->placement, "clusterSelector");
    if (wanted != NULL && selector_from_json(wanted, &selector, err) != 0) {
        return err->code;
    }
    for (size_t i = 0; i < c->count; i++) {
        struct candidate *one = &c->all[i];
        const json_t *cost = says(c, &one->cluster, "cost");
        one->excluded = excluded(c, &one->cluster, selector);
        one->cost = json_is_number(cost) ? json_number_value(cost) : 1;
        one->primary = !is_policy(c, "primary") || is_primary(c, &one->cluster);
        one->lost = is_lost(lost, one->cluster.name);
        one->before = has(before, one->cluster.name);
    }
    selector_free(selector);
    return 0;
}

static size_t count_fit(const struct choice *c, bool primary, bool lost)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *one = &c->all[i];
        count += one->excluded == NULL && one->primary == primary && one->lost == lost ? 1 : 0;
    }
    return count;
}

static void exclude(struct choice *c, bool not_primary, bool lost)
{
    for (size_t i = 0; i < c->count; i++) {
        struct candidate *one = &c->all[i];
        if (one->excluded == NULL && lost && one->lost) {
            one->excluded = "is lost";
        } else if (one->excluded == NULL && not_primary && !one->primary) {
            one->excluded = "is not primary";
        }
    }
}

/* Leaves out what is lost, as long as there is another to go to. How many others are to stand in
 * for primary clusters that are lost; 0: none are. */
static size_t leave_out_lost(struct choice *c)
{
    size_t gone = count_fit(c, true, true);
    if (count_fit(c, true, false) > 0 || gone == 0) {
        exclude(c, true, true);
        return 0;
    }
    if (count_fit(c, false, false) > 0) {
        exclude(c, false, true);
        return gone;
    }
    exclude(c, true, false);
    return 0;
}

/* Numbers regions, so that choosing compares no names. */
static void number_regions(struct choice *c)
{
    for (size_t i = 0; i < c->count; i++) {
        size_t first = 0;
        while (!slice_eq(c->all[first].cluster.region, c->all[i].cluster.region)) {
            first++;
        }
        c->all[i].region = first;
    }
}

static bool is_better(const struct choice *c, const struct candidate *a, const struct candidate *b)
{
    size_t others_a = c->all[a->region].used;
    size_t others_b = c->all[b->region].used;
    if (a->before != b->before) {
        return a->before;
    }
    if (others_a != others_b) {
        return others_a < others_b;
    }
    if (a->cost < b->cost || a->cost > b->cost) {
        return a->cost < b->cost;
    }
    return slice_cmp(a->cluster.name, b->cluster.name) < 0;
}

static bool choose_next(struct choice *c)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct candidate *one = &c->all[i];
        if (one->excluded == NULL && !one->chosen && (best == NULL || is_better(c, one, best))) {
            best = one;
        }
    }
    if (best != NULL) {
        best->chosen = true;
        c->all[best->region].used++;
    }
    return best != NULL;
}

/* How many there are to be: count, or one of each region where some cluster qualifies. */
static size_t wanted_count(const struct choice *c)
{
    const json_t *count = json_object_get(c->placement, "count");
    if (json_is_integer(count)) {
        return (size_t)json_integer_value(count);
    }
    size_t regions = 0;
    for (size_t i = 0; i < c->count; i++) {
        bool first = c->all[i].excluded == NULL;
        for (size_t k = 0; first && k < i; k++) {
            first = c->all[k].excluded != NULL || c->all[k].region != c->all[i].region;
        }
        regions += first ? 1 : 0;
    }
    return regions;
}

/* Where one of each region is asked for, the second of a region has no place to keep. */
static void keep_one_of_each(struct choice *c)
{
    for (size_t i = 0; json_object_get(c->placement, "count") == NULL && i < c->count; i++) {
        struct candidate *one = &c->all[i];
        for (size_t k = 0; one->before && k < c->count; k++) {
            const struct candidate *other = &c->all[k];
            bool rivals = other != one && other->before && other->excluded == NULL &&
                          other->region == one->region;
            one->before = !rivals || !is_better(c, other, one);
        }
    }
}

static void spread(struct choice *c, size_t wanted)
{
    size_t chosen = 0;
    while (chosen < wanted && choose_next(c)) {
        chosen++;
    }
}

static void choose_all(struct choice *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->all[i].chosen = c->all[i].excluded == NULL;
    }
}

static const char *tell(const struct choice *c, size_t wanted, size_t chosen)
{
    struct buf text = {0};
    size_t told = 0;
    size_t out = 0;
    if (chosen == 0) {
        buf_addf(&text, "no cluster of data plane \"%.*s\" qualifies",
                 SLICE_ARG(object_name(c->plane)));
    } else {
        buf_addf(&text,
                 "only %zu of the %zu clusters that are asked for qualify in data plane \"%.*s\"",
                 chosen, wanted, SLICE_ARG(object_name(c->plane)));
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct candidate *one = &c->all[i];
        out += one->excluded != NULL ? 1 : 0;
        if (one->excluded != NULL && told < TOLD_MAX) {
            buf_addf(&text, "%s \"%.*s\" %s", told++ == 0 ? ":" : ",", SLICE_ARG(one->cluster.name),
                     one->excluded);
        }
    }
    if (out > told) {
        buf_addf(&text, ", and %zu more", out - told);
    }
    const char *kept = arena_cstr(c->arena, buf_slice(&text));
    buf_free(&text);
    return kept;
}

void placement_choose(const json_t *plane, const json_t *placement, const json_t *before,
                      const json_t *lost, struct arena *arena, struct placement *out)
{
    struct plane_cluster *clusters;
    struct choice c = {.arena = arena, .plane = plane, .placement = placement};
    struct err err;
    c.count = plane_clusters(plane, arena, &clusters);
    c.all = arena_zero(arena, c.count * sizeof *c.all);
    *out = (struct placement){.clusters = clusters};
    for (size_t i = 0; i < c.count; i++) {
        c.all[i].cluster = clusters[i];
    }
    if (examine(&c, before, lost, &err) != 0) {
        out->shortage = arena_printf(arena, "clusterSelector: %s", err.message);
        return;
    }
    size_t wanted = 1;
    size_t stand_in = leave_out_lost(&c);
    if (stand_in > 0) {
        number_regions(&c);
        wanted = stand_in;
        spread(&c, wanted);
    } else if (is_policy(&c, "spread")) {
        number_regions(&c);
        keep_one_of_each(&c);
        wanted = wanted_count(&c);
        spread(&c, wanted);
    } else {
        choose_all(&c);
    }
    for (size_t i = 0; i < c.count; i++) {
        if (c.all[i].chosen) {
            out->clusters[out->count++] = c.all[i].cluster;
        }
    }
    if (out->count == 0 || out->count < wanted) {
        out->shortage = tell(&c, wanted, out->count);
    }
}
