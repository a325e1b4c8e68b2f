/* shape.c: types and forms come from the tables of proto/k8s, the rest from the rules that the
 * simulated cluster answers with. */
#include "render/shape.h"

#include "proto/kind.h"
#include "proto/kube_rules.h"
#include "proto/schema.h"
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
        causes->items[i].message = SLICE("Invalid value: (not shown: it may be secret)");
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
        schema_validate(kind->schema, r->object, NULL, SLICE(""), &causes);
        forgive_nulls(&causes);
        schema_misspelt(kind->schema, r->object, &causes);
    }
    if (causes.count == 0) { /* members are of their types from here on */
        kube_rules_check(r->object, &causes);
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
