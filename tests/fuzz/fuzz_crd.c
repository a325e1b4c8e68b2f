/* The spec of a definition, and one that it is changed into: each is admitted or refused with
 * causes; what is admitted is judged, twice alike, and once established it compiles to the kinds of
 * the versions that it serves, which prepare and describe themselves. */
#include "proto/admit.h"
#include "proto/crd.h"
#include "proto/openapi.h"
#include "proto/table.h"
#include "tests/fuzz/fuzz.h"

struct world {
    struct arena arena;
    struct kind_registry *registry;
    struct backend_object old;
    struct admit_result result;
    struct err err;
};

/* NULL if it is refused. */
static json_t *admitted(struct world *w, json_t *spec, bool update)
{
    struct buf name = {0};
    buf_addf(&name, "%.*s.%.*s", SLICE_ARG(json_text_at(json_object_get(spec, "names"), "plural")),
             SLICE_ARG(json_text_at(spec, "group")));
    json_t *object = json_pack("{s:{},s:O}", "metadata", "spec", spec);
    json_object_set_new(json_object_get(object, "metadata"), "name", json_str(buf_slice(&name)));
    struct admit_request request = {
        .arena = &w->arena,
        .kind = kind_by_resource(w->registry, SLICE(CRD_RESOURCE)),
        .op = update ? ADMIT_UPDATE : ADMIT_CREATE,
        .name = update ? arena_copy(&w->arena, buf_slice(&name)) : SLICE(""),
        .old = update ? &w->old : NULL,
        .incoming = object,
        .now_ms = 1700000000000,
        .uid = "11111111-2222-4333-8444-555555555555",
        .suffix = "bcdfg",
    };
    int rc = admit(&request, &w->result, &w->err);
    json_t *tree = NULL;
    if (rc == 0) {
        PROPERTY(object_parse(w->result.body, 1, &tree, &w->err) == 0);
        w->old = (struct backend_object){
            .body = w->result.body, .splice = w->result.splice, .version = w->old.version + 1};
    } else {
        PROPERTY(rc != ERR_INTERNAL && rc != ERR_CORRUPT && w->result.message.len > 0);
    }
    json_decref(object);
    buf_free(&name);
    return tree;
}

static void serve(struct world *w, json_t *object)
{
    const struct crd_taken taken = {.fixed = w->registry};
    json_object_set_new(object, "status", crd_judge(object, &taken, 1700000000000));
    json_t *again = crd_judge(object, &taken, 1800000000000);
    PROPERTY(json_equal(again, json_object_get(object, "status")));
    json_decref(again);
    if (!crd_established(object)) {
        return;
    }
    struct crd *crd = crd_compile(object, NULL);
    PROPERTY(crd->stored != NULL);
    for (size_t i = 0; i < crd->kind_count; i++) {
        struct buf columns = {0};
        json_t *value = json_object();
        table_columns(&crd->kinds[i], &columns);
        schema_prune(crd->kinds[i].schema, value, NULL);
        schema_default(crd->kinds[i].schema, value);
        PROPERTY(columns.len > 0);
        json_decref(value);
        buf_free(&columns);
    }
    shared_value_unref(&crd->shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry registry;
    struct world w = {.registry = &registry};
    struct slice rest = slice_make(data, size);
    struct slice first = {0};
    json_t *specs[2] = {NULL, NULL};
    if (kind_registry_count(&registry) == 0) {
        kind_registry_init(&registry);
        kind_registry_builtin(&registry);
    }
    (void)slice_split(&rest, '\n', &first);
    if (json_parse(first, &specs[0], &w.err) == 0) {
        json_t *object = admitted(&w, specs[0], false);
        if (object != NULL) {
            serve(&w, object);
        }
        if (object != NULL && json_parse(rest, &specs[1], &w.err) == 0) {
            json_t *changed = admitted(&w, specs[1], true);
            if (changed != NULL) {
                serve(&w, changed);
            }
            json_decref(changed);
        }
        json_decref(object);
    }
    json_decref(specs[0]);
    json_decref(specs[1]);
    arena_free(&w.arena);
    return 0;
}
