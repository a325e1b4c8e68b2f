/* Three lines: two digits (operation, kind), an object to start from, and what a client sends.
 * Whatever they are: no crash; what is admitted is canonical, has its splice, and the same apply or
 * merge again changes nothing. */
#include "proto/admit.h"
#include "tests/fuzz/fuzz.h"

struct world {
    struct arena arena;
    struct backend_object old;
    struct admit_request request;
    struct admit_result result;
    struct err err;
};

static void check_stored(struct world *w)
{
    json_t *tree = NULL;
    struct buf canonical = {0};
    uint32_t splice = 0;
    if (!w->result.changed) {
        return;
    }
    PROPERTY(json_parse(w->result.body, &tree, &w->err) == 0);
    json_canonical(tree, &canonical);
    PROPERTY(slice_eq(buf_slice(&canonical), w->result.body));
    PROPERTY(object_splice(w->result.body, &splice, &w->err) == 0 && splice == w->result.splice);
    buf_free(&canonical);
    json_decref(tree);
}

static int write_once(struct world *w, enum admit_op op, const json_t *incoming)
{
    w->request.op = op;
    w->request.incoming = incoming;
    int rc = admit(&w->request, &w->result, &w->err);
    if (rc != 0) {
        PROPERTY(rc != ERR_INTERNAL && rc != ERR_CORRUPT && w->result.message.len > 0);
        return rc;
    }
    check_stored(w);
    if (w->result.changed) {
        w->old.body = w->result.body;
        w->old.splice = w->result.splice;
        w->old.version++;
        w->request.old = w->result.verb == BACKEND_DELETE ? NULL : &w->old;
    }
    return 0;
}

static void run(struct world *w, enum admit_op op, const json_t *first, const json_t *second)
{
    static const enum admit_op all[] = {ADMIT_UPDATE,          ADMIT_PATCH_JSON, ADMIT_PATCH_MERGE,
                                        ADMIT_PATCH_STRATEGIC, ADMIT_APPLY,      ADMIT_DELETE};
    op = all[(unsigned)op % (sizeof(all) / sizeof(all[0]))];
    (void)write_once(w, ADMIT_APPLY, first);
    w->request.field_manager = SLICE("b");
    int rc = write_once(w, op, second);
    bool conditional = json_at(second, "metadata", "resourceVersion", NULL) != NULL;
    if (rc == 0 && !conditional && w->request.old != NULL &&
        (op == ADMIT_APPLY || op == ADMIT_PATCH_MERGE)) {
        w->request.now_ms += 3600000;
        PROPERTY(write_once(w, op, second) == 0);
        PROPERTY(!w->result.changed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry registry;
    struct world w = {.old = {.version = 1}};
    struct slice rest = slice_make(data, size);
    struct slice head = {0};
    struct slice first = {0};
    json_t *a = NULL;
    json_t *b = NULL;
    if (kind_registry_count(&registry) == 0) {
        kind_registry_builtin(&registry);
        kind_registry_workloads(&registry);
    }
    if (!slice_split(&rest, '\n', &head) || !slice_split(&rest, '\n', &first) || head.len < 2) {
        return 0;
    }
    const struct kind *kind =
        kind_registry_at(&registry, (uint8_t)(head.data[1] - '0') % kind_registry_count(&registry));
    w.request = (struct admit_request){
        .arena = &w.arena,
        .kind = kind,
        .ns = kind->namespaced ? SLICE("ns") : SLICE(""),
        .name = SLICE("x"),
        .field_manager = SLICE("a"),
        .force = true,
        .now_ms = 1700000000000,
        .uid = "11111111-2222-4333-8444-555555555555",
        .suffix = "bcdfg",
    };
    if (json_parse(first, &a, &w.err) == 0 && json_parse(rest, &b, &w.err) == 0) {
        run(&w, (enum admit_op)(uint8_t)(head.data[0] - '0'), a, b);
    }
    json_decref(a);
    json_decref(b);
    arena_free(&w.arena);
    return 0;
}
