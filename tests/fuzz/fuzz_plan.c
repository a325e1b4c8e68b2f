/* Any objects, as YAML: each of them is planned, or refused with a reason, and planning changes
 * none. They need not be of the form that admission holds them to: what was stored by another
 * version may not be. */
#include "base/yaml.h"
#include "proto/object.h"
#include "reconcile/plan.h"
#include "tests/fuzz/fuzz.h"

static int put(json_t *document, int line, void *user, struct err *err)
{
    struct snapshot *s = user;
    struct buf body = {0};
    uint32_t splice;
    enum snapshot_kind kind = snapshot_kind_named(object_kind(document));
    json_t *metadata = json_object_get(document, "metadata");
    (void)line;
    if (kind == SNAPSHOT_KIND_COUNT || object_name(document).len == 0) {
        return 0;
    }
    json_t *defaults = json_pack("{s:s, s:s, s:i}", "uid", "u", "creationTimestamp",
                                 "2026-01-01T00:00:00Z", "generation", 1);
    (void)json_object_update_missing(metadata, defaults);
    json_decref(defaults);
    if (object_canonical(document, &body, &splice, err) == 0) {
        (void)snapshot_put(s, kind, object_ns(document), object_name(document), buf_slice(&body),
                           1000, err);
    }
    buf_free(&body);
    return 0;
}

static void plan_all(struct snapshot *s, enum snapshot_kind kind)
{
    struct arena arena = {0};
    const struct snapshot_entry **all;
    size_t count = snapshot_all(s, kind, &arena, &all);
    for (size_t i = 0; i < count; i++) {
        struct plan plan;
        struct err err = {0};
        plan_init(&plan);
        int rc = plan_run(s, kind, all[i]->ns, all[i]->name, &plan, &err);
        PROPERTY(rc == 0 || (err.code == rc && err.message[0] != '\0'));
        plan_free(&plan);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshot s = {.now_ms = UINT64_C(1767323045000)};
    struct err err;
    snapshot_init(&s, NULL);
    s.now_ms = UINT64_C(1767323045000);
    if (yaml_each(slice_make(data, size), "fuzz", put, &s, &err) == 0) {
        for (int kind = 0; kind < SNAPSHOT_KIND_COUNT; kind++) {
            plan_all(&s, (enum snapshot_kind)kind);
        }
    }
    snapshot_free(&s);
    return 0;
}
