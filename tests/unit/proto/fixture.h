/* fixture.h: what the tests of proto/ share: one registry, trees from text in JSON5-ish quotes, and
 * writes through admit() against one remembered object. Thread: the test's. */
#ifndef TESTS_UNIT_PROTO_FIXTURE_H
#define TESTS_UNIT_PROTO_FIXTURE_H

#include "tests/lib/test.h"

#include <stdlib.h>

#include "proto/admit.h"

struct fixture {
    struct kind_registry registry;
    struct arena arena;
    struct err err;
    struct admit_result result;
    /* the stored object, if any */
    bool stored;
    struct buf body;
    struct backend_object old;
    uint64_t version;
    uint64_t now_ms;
};

/* "{'a': 1}": single quotes stand for double ones. The arena frees it. */
static inline json_t *tree(struct fixture *f, const char *text)
{
    char *copy = arena_cstr(&f->arena, slice_of(text));
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    json_t *value = NULL;
    assert_ok(json_parse(slice_of(copy), &value, &f->err), &f->err);
    arena_own(&f->arena, value, (void (*)(void *))json_decref);
    return value;
}

static inline const char *text_of(struct fixture *f, const json_t *value)
{
    struct buf out = {0};
    json_canonical(value, &out);
    char *text = arena_cstr(&f->arena, buf_slice(&out));
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '"' ? '\'' : *c;
    }
    buf_free(&out);
    return text;
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));
    kind_registry_init(&f->registry);
    kind_registry_builtin(&f->registry);
    f->version = 1000;
    f->now_ms = 1700000000000;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    kind_registry_free(&f->registry);
    arena_free(&f->arena);
    buf_free(&f->body);
    free(f);
    return 0;
}

static inline const struct kind *kind_named(struct fixture *f, const char *name)
{
    const struct kind *k = kind_by_name(&f->registry, slice_of(name));
    assert_non_null(k);
    return k;
}

static inline struct admit_request request_of(struct fixture *f, const char *kind, enum admit_op op,
                                              const json_t *incoming)
{
    struct admit_request request = {
        .arena = &f->arena,
        .kind = kind_named(f, kind),
        .op = op,
        .ns = SLICE("acme"),
        .name = op == ADMIT_CREATE ? SLICE("") : SLICE("x"),
        .old = f->stored ? &f->old : NULL,
        .incoming = incoming,
        .field_manager = SLICE("tester"),
        .now_ms = f->now_ms,
        .uid = "11111111-2222-4333-8444-555555555555",
        .suffix = "bcdfg",
    };
    if (!request.kind->namespaced) {
        request.ns = SLICE("");
    }
    return request;
}

/* Stores what the last write gave. */
static inline void store(struct fixture *f)
{
    if (!f->result.changed) {
        return;
    }
    f->stored = f->result.verb != BACKEND_DELETE;
    buf_clear(&f->body);
    buf_add(&f->body, f->result.body);
    f->old.body = buf_slice(&f->body);
    f->old.splice = f->result.splice;
    f->old.version = ++f->version;
}

static inline int write_request(struct fixture *f, const struct admit_request *request)
{
    int rc = admit(request, &f->result, &f->err);
    if (rc == 0) {
        store(f);
    }
    return rc;
}

static inline int write_op(struct fixture *f, const char *kind, enum admit_op op, const char *text)
{
    struct admit_request request = request_of(f, kind, op, text != NULL ? tree(f, text) : NULL);
    return write_request(f, &request);
}

/* A value of the stored object, as text. */
static inline const char *stored_at(struct fixture *f, const char *path)
{
    json_t *object = NULL;
    assert_ok(object_parse(f->old.body, f->old.version, &object, &f->err), &f->err);
    arena_own(&f->arena, object, (void (*)(void *))json_decref);
    const json_t *value = object_path(object, slice_of(path));
    return value == NULL ? "absent" : text_of(f, value);
}

static inline bool has_cause(const struct causes *causes, const char *field, const char *text)
{
    for (size_t i = 0; i < causes->count; i++) {
        if (slice_eq_cstr(causes->items[i].field, field) &&
            slice_find(causes->items[i].message, slice_of(text)) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

#endif
