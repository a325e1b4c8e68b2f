/* shape.c: types and forms come from the tables of proto/k8s, the rest from the rules that the
 * simulated cluster answers with. Two things are not known there: which time zones there are, and
 * whether what a cluster makes of an object will have a name that it takes. */
#include "render/shape.h"

#include "proto/kind.h"
#include "proto/kube_rules.h"
#include "proto/schema.h"
#include "render/cel/zone.h"
#include "render/manifest.h"

/* Kubernetes reads null as absent, wherever it stands. */
static void forgive_nulls(struct causes *causes)
{
    size_t kept = 0;
    for (size_t i = 0; i < causes->count; i++) {
        bool null = causes->items[i].kind == CAUSE_TYPE &&
                    slice_starts_with(causes->items[i].message, SLICE("Invalid value: null:"));
        if (!null) {
            causes->items[kept++] = causes->items[i];
        }
    }
    causes->count = kept;
}

/* What is wrong with a Secret is told in conditions, which others read than may read it. */
static void hide_values(struct causes *causes)
{
    for (size_t i = 0; i < causes->count; i++) {
        enum cause_kind kind = causes->items[i].kind;
        if (kind != CAUSE_REQUIRED && kind != CAUSE_FORBIDDEN && kind != CAUSE_TOO_LONG) {
            causes->items[i].message = SLICE("Invalid value: (not shown: it may be secret)");
        }
    }
}

/* A StatefulSet's pods have its name and a hash of ten in a label of 63; CloudNativePG has a rule
 * of its own, and redis-operator makes a StatefulSet of the same name. */
static void check_name(const json_t *object, struct causes *causes)
{
    static const struct {
        const char *kind;
        const char *api_version;
        unsigned max;
        const char *why;
    } names[] = {{"StatefulSet", "apps/v1", 52, "its pods have it and a hash in a label"},
                 {"Cluster", "postgresql.cnpg.io/v1", 50, "CloudNativePG takes no longer one"},
                 {"RedisReplication", "redis.redis.opstreelabs.in/v1beta2", 52,
                  "its pods have it and a hash in a label"}};
    struct slice name = json_text(json_at(object, "metadata", "name", NULL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name.len > names[i].max && slice_eq_cstr(json_text_at(object, "kind"), names[i].kind) &&
            slice_eq_cstr(json_text_at(object, "apiVersion"), names[i].api_version)) {
            cause_add(causes, CAUSE_INVALID, SLICE("metadata.name"),
                      "Invalid value: \"%.*s\": must be no more than %u characters: %s",
                      SLICE_ARG(slice_sub(name, 0, 253)), names[i].max, names[i].why);
        }
    }
}

static void check_zone(const json_t *object, struct causes *causes)
{
    struct slice zone = json_text(json_at(object, "spec", "timeZone", NULL));
    int32_t offset;
    if (zone.len > 0 && slice_eq_cstr(json_text_at(object, "kind"), "CronJob") &&
        !cel_zone_offset(zone, 0, &offset)) {
        cause_add(causes, CAUSE_INVALID, SLICE("spec.timeZone"),
                  "Invalid value: \"%.*s\": unknown time zone", SLICE_ARG(slice_sub(zone, 0, 200)));
    }
}

int shape_check(const struct resource *r, struct err *err)
{
    struct slice name = json_text_at(r->object, "kind");
    const struct kind *kind = kind_of_kubernetes(json_text_at(r->object, "apiVersion"), name);
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    int rc = 0;
    if (kind != NULL) {
        bool known = schema_validate(kind->schema, r->object, NULL, SLICE(""), &causes);
        forgive_nulls(&causes);
        if (!known) {
            schema_misspelt(kind->schema, r->object, &causes);
        }
    }
    if (causes.count == 0) { /* members are of their types from here on */
        kube_rules_check(r->object, &causes);
        check_name(r->object, &causes);
        check_zone(r->object, &causes);
    }
    if (slice_eq_cstr(name, "Secret")) {
        hide_values(&causes);
    }
    if (causes.count > 0) {
        struct buf text = {0};
        causes_text(&causes, &text);
        rc = manifest_refuse(
            err, r, arena_printf(&arena, "would be refused by its cluster: %s", buf_cstr(&text)));
        buf_free(&text);
    }
    arena_free(&arena);
    return rc;
}
