/* Namespaces as a view: choreo-system among the Organizations, in pages, and for ever. */
#include "node/api/namespaces.h"

#include "proto/object.h"
#include "proto/selector.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"

struct fixture {
    struct onloop o;
    struct kind_registry kinds;
    struct backend under;
    struct namespaces view;
    struct arena arena;
    struct buf seen; /* names of rows, "a,b,"; then "+N" if N remain */
    struct backend_list list;
    struct backend_get get;
    struct backend_submit submit;
    int rc;
    struct err err;
    struct backend_list *listing;
    struct loop_msg msg;
    size_t submits; /* that came through */
};

static const char *const organizations[] = {"acme", "birch", "default", "zoo"};
enum { ORGANIZATIONS = sizeof(organizations) / sizeof(organizations[0]) };

static const char *body_of(struct fixture *f, const char *name)
{
    return arena_printf(
        &f->arena,
        "{\"apiVersion\":\"choreo.dev/v1\",\"kind\":\"Organization\","
        "\"metadata\":{%s\"name\":\"%s\",\"uid\":\"u-%s\"},\"spec\":{}}",
        strcmp(name, "birch") == 0 ? "\"deletionTimestamp\":\"2026-01-02T03:04:05Z\"," : "", name,
        name);
}

static struct backend_object row_of(struct fixture *f, const char *name)
{
    struct backend_object o = {.key = {SLICE("organizations.choreo.dev"), {0}, slice_of(name)},
                               .body = slice_of(body_of(f, name)),
                               .version = 7};
    (void)object_splice(o.body, &o.splice, NULL);
    return o;
}

static void serve_list(struct loop_msg *msg)
{
    struct fixture *f = CONTAINER_OF(msg, struct fixture, msg);
    struct backend_list *l = f->listing;
    size_t given = 0;
    l->more = false;
    l->remaining = 0;
    for (size_t i = 0; i < ORGANIZATIONS; i++) {
        struct slice name = slice_of(organizations[i]);
        if (slice_cmp(name, l->after_name) <= 0) {
            continue;
        }
        struct backend_object o = row_of(f, organizations[i]);
        if (given == l->limit) {
            l->more = true;
            l->remaining++;
        } else if (selector_matches(l->selector, o.body)) {
            given++;
            l->row(l, &o);
        }
    }
    l->read_version = 9;
    l->done(l, 0, NULL);
}

static void under_list(struct backend *b, struct backend_list *l)
{
    struct fixture *f = CONTAINER_OF(b, struct fixture, under);
    f->listing = l;
    f->msg.run = serve_list;
    loop_post(l->loop, &f->msg);
}

static void under_get(struct backend *b, struct backend_get *g)
{
    (void)b;
    struct err err;
    int rc = err_set(&err, ERR_NOT_FOUND, "nothing");
    g->read_version = 9;
    g->done(g, rc, &err);
}

static void under_submit(struct backend *b, struct backend_submit *s)
{
    struct fixture *f = CONTAINER_OF(b, struct fixture, under);
    f->submits++;
    s->done(s, 0, NULL);
}

static const struct backend_ops ops = {
    .list = under_list, .get = under_get, .submit = under_submit};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.under = {.ops = &ops}};
    onloop_start(&f.o);
    kind_registry_init(&f.kinds);
    kind_registry_builtin(&f.kinds);
    namespaces_init(&f.view, &f.under, &f.kinds, 1700000000000);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    onloop_stop(&f->o);
    namespaces_free(&f->view);
    kind_registry_free(&f->kinds);
    arena_free(&f->arena);
    buf_free(&f->seen);
    return 0;
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct fixture *f = list->user;
    buf_add(&f->seen, object->key.name);
    buf_add_char(&f->seen, ',');
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct fixture *f = list->user;
    (void)err;
    f->rc = rc;
    if (list->more) {
        buf_addf(&f->seen, "+%d", (int)list->remaining);
    }
    onloop_done(&f->o);
}

static void start_list(void *arg)
{
    struct fixture *f = arg;
    f->view.backend.ops->list(&f->view.backend, &f->list);
}

static const char *select_and_list(struct fixture *f, const char *after, size_t limit,
                                   const char *labels, const char *fields)
{
    struct selector *selector = NULL;
    const struct kind *kind = kind_by_resource(&f->kinds, SLICE("namespaces"));
    assert_ok(selector_parse(slice_of(labels), slice_of(fields), kind, &selector, &f->err),
              &f->err);
    buf_clear(&f->seen);
    f->list = (struct backend_list){.loop = &f->o.loop,
                                    .resource = SLICE("namespaces"),
                                    .selector = selector,
                                    .after_name = slice_of(after),
                                    .limit = limit,
                                    .user = f,
                                    .row = on_row,
                                    .done = on_listed};
    onloop_call(&f->o, start_list, f);
    onloop_wait(&f->o, "a list");
    assert_int_equal(f->rc, 0);
    selector_free(selector);
    return buf_cstr(&f->seen);
}

static const char *list(struct fixture *f, const char *after, size_t limit, const char *fields)
{
    return select_and_list(f, after, limit, "", fields);
}

/* What a Namespace has and its Organization does not. */
static void what_only_namespaces_have_is_selected_by(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *labels;
        const char *fields;
        const char *names;
    } cases[] = {
        {"kubernetes.io/metadata.name=zoo", "", "zoo,"},
        {"kubernetes.io/metadata.name==choreo-system", "", "choreo-system,"},
        {"kubernetes.io/metadata.name in (acme,zoo,nobody)", "", "acme,zoo,"},
        {"kubernetes.io/metadata.name notin (acme,zoo),!other", "", "birch,choreo-system,default,"},
        {"kubernetes.io/metadata.name", "", "acme,birch,choreo-system,default,zoo,"},
        {"!kubernetes.io/metadata.name", "", ""},
        {"kubernetes.io/metadata.name=zoo,other=1", "", ""},
        {"", "status.phase=Active", "acme,choreo-system,default,zoo,"},
        {"", "status.phase=Terminating", "birch,"},
        {"", "status.phase!=Active", "birch,"},
        {"", "status.phase!=Terminating", "acme,choreo-system,default,zoo,"},
        {"", "status.phase=Other", ""},
        {"", "status.phase!=Other", "acme,birch,choreo-system,default,zoo,"},
        {"kubernetes.io/metadata.name!=zoo", "status.phase=Active,metadata.name!=acme",
         "choreo-system,default,"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(select_and_list(f, "", 500, cases[i].labels, cases[i].fields),
                            cases[i].names);
    }
}

static void own_stands_where_its_name_belongs(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(list(f, "", 500, ""), "acme,birch,choreo-system,default,zoo,");
    /* in pages: each as long as was asked, none told twice, none left out */
    assert_string_equal(list(f, "", 1, ""), "acme,+4");
    assert_string_equal(list(f, "acme", 2, ""), "birch,choreo-system,+2");
    assert_string_equal(list(f, "choreo-system", 2, ""), "default,zoo,");
    assert_string_equal(list(f, "birch", 1, ""), "choreo-system,+2");
    assert_string_equal(list(f, "", 2, ""), "acme,birch,+3");
    assert_string_equal(list(f, "default", 500, ""), "zoo,");
    /* by selectors */
    assert_string_equal(list(f, "", 500, "metadata.name=choreo-system"), "choreo-system,");
    assert_string_equal(list(f, "", 500, "metadata.name=zoo"), "zoo,");
    assert_string_equal(list(f, "", 500, "metadata.name!=choreo-system"),
                        "acme,birch,default,zoo,");
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct fixture *f = get->user;
    (void)err;
    f->rc = rc;
    onloop_done(&f->o);
}

static void start_get(void *arg)
{
    struct fixture *f = arg;
    f->view.backend.ops->get(&f->view.backend, &f->get);
}

static void own_can_be_got(void **state)
{
    struct fixture *f = *state;
    f->get = (struct backend_get){.loop = &f->o.loop,
                                  .key = {SLICE("namespaces"), {0}, SLICE("choreo-system")},
                                  .user = f,
                                  .done = on_got};
    onloop_call(&f->o, start_get, f);
    onloop_wait(&f->o, "a get");
    assert_int_equal(f->rc, 0);
    assert_int_equal(f->get.read_version, 9);
    assert_slice(f->get.object.body,
                 "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{"
                 "\"creationTimestamp\":\"2023-11-14T22:13:20Z\",\"labels\":{"
                 "\"kubernetes.io/metadata.name\":\"choreo-system\"},\"name\":\"choreo-system\","
                 "\"uid\":\"63686f72-656f-4000-8000-73797374656d\"},\"spec\":{\"finalizers\":["
                 "\"kubernetes\"]},\"status\":{\"phase\":\"Active\"}}");
    f->get.key.name = SLICE("nowhere");
    onloop_call(&f->o, start_get, f);
    onloop_wait(&f->o, "a get");
    assert_int_equal(f->rc, ERR_NOT_FOUND);
}

static void on_submitted(struct backend_submit *submit, int rc, const struct err *err)
{
    struct fixture *f = submit->user;
    f->rc = rc;
    f->err = err != NULL ? *err : (struct err){0};
    onloop_done(&f->o);
}

static void start_submit(void *arg)
{
    struct fixture *f = arg;
    f->view.backend.ops->submit(&f->view.backend, &f->submit);
}

static int submit(struct fixture *f, const char *resource, enum backend_verb verb)
{
    f->submit = (struct backend_submit){.loop = &f->o.loop,
                                        .key = {slice_of(resource), {0}, SLICE("choreo-system")},
                                        .verb = verb,
                                        .user = f,
                                        .done = on_submitted};
    onloop_call(&f->o, start_submit, f);
    onloop_wait(&f->o, "a submit");
    return f->rc;
}

static void own_cannot_be_written(void **state)
{
    struct fixture *f = *state;
    assert_err(submit(f, "namespaces", BACKEND_CREATE), &f->err, ERR_EXISTS, "already exists");
    assert_err(submit(f, "namespaces", BACKEND_UPDATE), &f->err, ERR_FORBIDDEN,
               "namespaces \"choreo-system\" is forbidden");
    assert_err(submit(f, "organizations.choreo.dev", BACKEND_CREATE), &f->err, ERR_FORBIDDEN,
               "cannot be changed");
    assert_int_equal(f->submits, 0);
    assert_int_equal(submit(f, "secrets", BACKEND_CREATE), 0); /* of that name, anywhere */
    assert_int_equal(f->submits, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(own_stands_where_its_name_belongs), T(own_can_be_got),
                                       T(what_only_namespaces_have_is_selected_by),
                                       T(own_cannot_be_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
