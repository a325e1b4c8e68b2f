/* Views and merges on a loop: gets, lists, watches that are live, late, paused, selective. */
#include "tests/unit/store/fixture.h"

#include "proto/selector.h"
#include "store/merge.h"
#include "tests/lib/onloop.h"

enum { VIEWS = 2 };

struct viewing {
    struct onloop o;
    struct fixture *f[VIEWS];
    struct view view[VIEWS];
    struct merge merge;
    int rc;
    int open_count;
};

/* A watch that writes down what it gets: "+a/x ~a/x -a/x". */
struct record {
    struct backend_watch watch;
    struct viewing *t;
    struct buf events; /* written on the loop, read after onloop_call() */
    uint64_t progress;
    uint64_t last;
    bool disordered;
    size_t count;
    size_t pause_at; /* pauses itself at that event */
    size_t stop_at;
    bool merged;
    bool has_ended;
    int end_code;
};

static void on_event(struct backend_watch *watch, enum backend_event event,
                     const struct backend_object *object)
{
    struct record *r = watch->user;
    const char marks[] = {'+', '~', '-'};
    buf_addf(&r->events, "%s%c%.*s", r->events.len > 0 ? " " : "", marks[event],
             SLICE_ARG(object->key.name));
    r->disordered |= object->version <= r->last;
    r->last = object->version;
    r->count++;
    if (r->count == r->pause_at) {
        watch->paused = true;
    }
    if (r->count == r->stop_at) {
        view_watch_stop(&r->t->view[0], watch);
    }
}

static void on_progress(struct backend_watch *watch, uint64_t version)
{
    struct record *r = watch->user;
    r->disordered |= version < r->last || version <= r->progress;
    r->progress = version;
}

static void on_ended(struct backend_watch *watch, int rc, const struct err *err)
{
    struct record *r = watch->user;
    (void)err;
    r->has_ended = true;
    r->end_code = rc;
    onloop_done(&r->t->o);
}

static struct record *record_new(struct viewing *t, uint64_t since)
{
    struct record *r = mem_zero(sizeof *r);
    r->t = t;
    r->watch = (struct backend_watch){.loop = &t->o.loop,
                                      .resource = SLICE("things.test"),
                                      .since = since,
                                      .user = r,
                                      .on_event = on_event,
                                      .on_progress = on_progress,
                                      .ended = on_ended};
    return r;
}

static void record_free(struct record *r)
{
    buf_free(&r->events);
    free(r);
}

static void do_start(void *arg)
{
    struct record *r = arg;
    if (r->merged) {
        merge_watch_start(&r->t->merge, &r->watch);
    } else {
        view_watch_start(&r->t->view[0], &r->watch);
    }
}

static void do_stop(void *arg)
{
    struct record *r = arg;
    view_watch_stop(&r->t->view[0], &r->watch);
}

static void do_resume(void *arg)
{
    struct record *r = arg;
    view_watch_resume(&r->t->view[0], &r->watch);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

struct standing {
    const struct record *r;
    uint64_t progress;
    bool disordered;
};

static void do_look(void *arg)
{
    struct standing *s = arg;
    s->progress = s->r->progress;
    s->disordered = s->r->disordered;
}

/* Where the watch stands; progress is told by a timer, at any time. */
static struct standing standing_of(const struct record *r)
{
    struct standing s = {.r = r};
    onloop_call(&r->t->o, do_look, &s);
    return s;
}

static void start(struct record *r)
{
    onloop_call(&r->t->o, do_start, r);
}

static void stop(struct record *r)
{
    onloop_call(&r->t->o, do_stop, r);
    onloop_wait(&r->t->o, "the watch's end");
    record_free(r);
}

/* Until the watch has got so much; then a little more, to catch what should not come. */
static const char *events_after(struct record *r, size_t count)
{
    for (int i = 0; i < 2000; i++) {
        onloop_call(&r->t->o, do_nothing, NULL);
        if (__atomic_load_n(&r->count, __ATOMIC_SEQ_CST) >= count) {
            break;
        }
        usleep(1000);
    }
    for (int i = 0; i < 5; i++) {
        usleep(1000);
        onloop_call(&r->t->o, do_nothing, NULL);
    }
    return buf_cstr(&r->events);
}

static void do_open(void *arg)
{
    struct viewing *t = arg;
    struct err err;
    for (int i = 0; i < VIEWS; i++) {
        t->rc |= view_open(&t->view[i], &t->o.loop, t->f[i]->path, SHARD, &err);
    }
    /* Both databases are of one shard here; merging only looks at versions. */
    struct view *views[VIEWS] = {&t->view[0], &t->view[1]};
    merge_init(&t->merge, &t->o.loop, views, VIEWS);
    t->open_count = VIEWS;
}

static void on_view_closed(struct view *view)
{
    struct viewing *t = view->user;
    if (--t->open_count == 0) {
        onloop_done(&t->o);
    }
}

static void on_merge_closed(struct merge *merge)
{
    struct viewing *t = CONTAINER_OF(merge, struct viewing, merge);
    for (int i = 0; i < VIEWS; i++) {
        t->view[i].user = t;
        view_close(&t->view[i], on_view_closed);
    }
}

static void do_close(void *arg)
{
    struct viewing *t = arg;
    merge_close(&t->merge, on_merge_closed);
}

static void do_advance(void *arg)
{
    struct viewing *t = arg;
    for (int i = 0; i < VIEWS; i++) {
        view_advance(&t->view[i], t->f[i]->db.state.last_version, 0);
    }
}

static void advance(struct viewing *t)
{
    onloop_call(&t->o, do_advance, t);
}

static int setup(void **state)
{
    struct viewing *t = mem_zero(sizeof *t);
    for (int i = 0; i < VIEWS; i++) {
        t->f[i] = fixture_new();
        make_namespace(t->f[i], "a", NAMESPACE_ACTIVE);
        make_namespace(t->f[i], "b", NAMESPACE_ACTIVE);
    }
    onloop_start(&t->o);
    onloop_call(&t->o, do_open, t);
    assert_int_equal(t->rc, 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct viewing *t = *state;
    onloop_call(&t->o, do_close, t);
    onloop_wait(&t->o, "the views' end");
    onloop_stop(&t->o);
    for (int i = 0; i < VIEWS; i++) {
        fixture_free(t->f[i]);
    }
    free(t);
    return 0;
}

static uint64_t put(struct viewing *t, enum backend_verb verb, const char *ns, const char *name)
{
    struct outcome o = apply_1(t->f[0], write_of(t->f[0], verb, ns, name, "u1"));
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

/* Its body says where it lives, which selectors read. */
static void put_placed(struct viewing *t, const char *ns, const char *name)
{
    struct fixture *f = t->f[0];
    struct command c = write_of(f, BACKEND_CREATE, ns, name, "u1");
    const char *body = arena_printf(
        &f->arena, "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"u1\"}}", name,
        ns);
    c.write.body = slice_of(body);
    c.write.splice = (uint32_t)slice_find(c.write.body, SLICE("\"uid\""));
    assert_int_equal(apply_1(f, c).kind, OUTCOME_DONE);
}

static uint64_t put_labelled(struct viewing *t, enum backend_verb verb, const char *app)
{
    struct command c = write_of(t->f[0], verb, "a", "x", "u1");
    c.write.body = slice_of(arena_printf(
        &t->f[0]->arena,
        "{\"metadata\":{\"labels\":{\"app\":\"%s\"},\"name\":\"x\",\"uid\":\"u1\"}}", app));
    c.write.splice = (uint32_t)slice_find(c.write.body, SLICE("\"uid\""));
    struct outcome o = apply_1(t->f[0], c);
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

static void live_watches_get_changes_once_and_in_order(void **state)
{
    struct viewing *t = *state;
    uint64_t v0 = put(t, BACKEND_CREATE, "a", "old");
    advance(t);
    struct record *all = record_new(t, v0);
    struct record *one = record_new(t, v0);
    struct record *other = record_new(t, v0);
    one->watch.ns = SLICE("b");
    other->watch.resource = SLICE("others.test");
    start(all);
    start(one);
    start(other);
    (void)put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_UPDATE, "a", "x");
    advance(t);
    assert_string_equal(events_after(all, 2), "+x ~x");
    (void)put(t, BACKEND_CREATE, "b", "y");
    uint64_t last = put(t, BACKEND_DELETE, "a", "x");
    advance(t);
    assert_string_equal(events_after(all, 4), "+x ~x +y -x");
    assert_string_equal(events_after(one, 1), "+y");
    assert_string_equal(events_after(other, 0), "");
    assert_true(standing_of(all).progress == last);
    for (int i = 0; i < 150 && standing_of(other).progress != last; i++) {
        usleep(10000); /* told within a second */
    }
    assert_true(standing_of(other).progress == last && !standing_of(other).disordered);
    assert_false(standing_of(all).disordered);
    stop(all);
    stop(one);
    stop(other);
}

static void late_watches_catch_up_from_the_database(void **state)
{
    struct viewing *t = *state;
    uint64_t v0 = put(t, BACKEND_CREATE, "a", "x");
    enum { MANY = 700 }; /* several steps */
    for (int i = 0; i < MANY; i++) {
        (void)put(t, BACKEND_UPDATE, "a", "x");
    }
    advance(t);
    struct record *late = record_new(t, v0);
    start(late);
    (void)events_after(late, MANY);
    (void)put(t, BACKEND_UPDATE, "a", "x");
    advance(t);
    (void)events_after(late, MANY + 1);
    assert_int_equal(late->count, MANY + 1);
    assert_false(standing_of(late).disordered);
    /* One that comes later finds the newest rows in the tail. */
    struct record *later = record_new(t, late->last - 1);
    start(later);
    assert_string_equal(events_after(later, 1), "~x");
    stop(late);
    stop(later);
}

static void a_paused_watch_misses_nothing(void **state)
{
    struct viewing *t = *state;
    struct record *r = record_new(t, put(t, BACKEND_CREATE, "a", "w"));
    r->pause_at = 1;
    advance(t);
    start(r);
    (void)put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_CREATE, "a", "y");
    advance(t);
    assert_string_equal(events_after(r, 1), "+x");
    (void)put(t, BACKEND_DELETE, "a", "y");
    advance(t);
    assert_string_equal(events_after(r, 1), "+x");
    onloop_call(&t->o, do_resume, r);
    assert_string_equal(events_after(r, 3), "+x +y -y");
    assert_false(standing_of(r).disordered);
    stop(r);
}

static void a_selector_makes_objects_come_and_go(void **state)
{
    struct viewing *t = *state;
    struct selector *selector;
    struct err err;
    assert_int_equal(selector_parse(SLICE("app=web"), SLICE(""), NULL, &selector, &err), 0);
    uint64_t v0 = put(t, BACKEND_CREATE, "b", "other");
    advance(t);
    struct record *live = record_new(t, v0);
    live->watch.selector = selector;
    start(live);
    (void)put_labelled(t, BACKEND_CREATE, "db");
    (void)put_labelled(t, BACKEND_UPDATE, "web");
    (void)put_labelled(t, BACKEND_UPDATE, "web");
    uint64_t left = put_labelled(t, BACKEND_UPDATE, "db");
    advance(t);
    assert_string_equal(events_after(live, 3), "+x ~x -x");
    assert_true(live->last == left);
    (void)put_labelled(t, BACKEND_UPDATE, "web");
    (void)put_labelled(t, BACKEND_DELETE, "web");
    advance(t);
    struct record *late = record_new(t, v0);
    late->watch.selector = selector;
    start(late);
    assert_string_equal(events_after(late, 5), "+x ~x -x +x -x");
    assert_string_equal(events_after(live, 5), "+x ~x -x +x -x");
    stop(live);
    stop(late);
    selector_free(selector);
}

static void watches_end_with_what_went_wrong(void **state)
{
    struct viewing *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_UPDATE, "a", "x");
    uint64_t v3 = put(t, BACKEND_UPDATE, "a", "x");
    struct command c = {.kind = COMMAND_COMPACT, .compact = {.before = v3, .rows_max = 10}};
    (void)apply_1(t->f[0], c);
    advance(t);
    struct record *old = record_new(t, v1);
    start(old);
    onloop_wait(&t->o, "410");
    assert_int_equal(old->end_code, ERR_GONE);
    record_free(old);

    struct record *self = record_new(t, v3);
    self->stop_at = 1;
    start(self);
    (void)put(t, BACKEND_UPDATE, "a", "x");
    (void)put(t, BACKEND_UPDATE, "a", "x");
    advance(t);
    onloop_wait(&t->o, "its own stop");
    assert_true(self->end_code == ERR_CANCELED && self->count == 1);
    record_free(self);

    struct record *ahead = record_new(t, t->f[0]->db.state.last_version + VERSION_SHARDS_MAX);
    struct record *hopeless = record_new(t, UINT64_C(1) << 62);
    start(ahead);
    start(hopeless);
    (void)put(t, BACKEND_UPDATE, "a", "x"); /* the version that it waits for */
    (void)put(t, BACKEND_DELETE, "a", "x");
    advance(t);
    assert_string_equal(events_after(ahead, 1), "-x");
    onloop_wait(&t->o, "the timeout");
    assert_true(hopeless->end_code == ERR_TIMEOUT && !ahead->has_ended);
    record_free(hopeless);
    stop(ahead);
}

/* ---- gets and lists ---- */

struct listing {
    struct backend_list list;
    struct backend_get get;
    struct viewing *t;
    struct buf text;
    int rc;
    uint64_t version;
    bool merged;
    int turns;
    void (*between)(struct listing *l); /* turns; on the loop */
    char last_ns[8];
    char last_name[8];
};

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct listing *l = list->user;
    buf_addf(&l->text, "%s%.*s/%.*s", l->text.len > 0 ? " " : "", SLICE_ARG(object->key.ns),
             SLICE_ARG(object->key.name));
    (void)snprintf(l->last_ns, sizeof l->last_ns, "%.*s", SLICE_ARG(object->key.ns));
    (void)snprintf(l->last_name, sizeof l->last_name, "%.*s", SLICE_ARG(object->key.name));
    list->after_ns = list->after_name = SLICE("zz"); /* of no matter for this page */
}

static void on_list_done(struct backend_list *list, int rc, const struct err *err)
{
    struct listing *l = list->user;
    (void)err;
    l->rc = rc;
}

static void on_get_done(struct backend_get *get, int rc, const struct err *err)
{
    struct listing *l = get->user;
    (void)err;
    l->rc = rc;
    l->version = get->object.version;
}

static void do_list(void *arg)
{
    struct listing *l = arg;
    struct view_scan scan = {0};
    struct err err = {0};
    bool finished = false;
    const struct backend_list asked = l->list;
    l->turns = 0;
    l->rc = 0;
    while (l->rc == 0 && !finished) {
        if (l->turns > 0 && l->between != NULL) {
            l->between(l);
        }
        l->rc = l->merged
                    ? merge_list_turn(&l->t->merge, &l->list, l->version, &scan, &finished, &err)
                    : view_list_turn(&l->t->view[0], &l->list, &scan, &finished, &err);
        l->turns++;
    }
    l->list.after_ns = asked.after_ns;
    l->list.after_name = asked.after_name;
    view_scan_free(&scan);
}

static void do_list_at_once(void *arg)
{
    struct listing *l = arg;
    view_list(&l->t->view[0], &l->list);
}

static void do_get(void *arg)
{
    struct listing *l = arg;
    view_get(&l->t->view[0], &l->get);
}

static const char *listed(struct listing *l)
{
    buf_clear(&l->text);
    l->list.resource = SLICE("things.test");
    l->list.user = l;
    l->list.row = on_row;
    l->list.done = on_list_done;
    onloop_call(&l->t->o, do_list, l);
    return l->rc == 0 ? buf_cstr(&l->text) : err_name(l->rc);
}

static void lists_page_at_one_version(void **state)
{
    struct viewing *t = *state;
    struct listing l = {.t = t};
    l.list.limit = 2;
    assert_string_equal(listed(&l), "");
    assert_true(l.list.read_version > 0); /* "0" would mean something else to a client */
    (void)put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_CREATE, "a", "y");
    (void)put(t, BACKEND_CREATE, "b", "x");
    uint64_t v4 = put(t, BACKEND_CREATE, "b", "z");
    advance(t);
    l.list.count_remaining = true;
    assert_string_equal(listed(&l), "a/x a/y");
    assert_true(l.list.more && l.list.remaining == 2 && l.list.read_version == v4);

    (void)put(t, BACKEND_DELETE, "b", "x");
    (void)put(t, BACKEND_CREATE, "a", "a");
    advance(t);
    l.list.consistency = BACKEND_EXACT;
    l.list.version = v4;
    l.list.after_ns = slice_of(l.last_ns);
    l.list.after_name = slice_of(l.last_name);
    assert_string_equal(listed(&l), "b/x b/z");
    assert_false(l.list.more);
    l.list.after_ns = l.list.after_name = SLICE("");
    l.list.version = t->f[0]->db.state.last_version + 1;
    assert_string_equal(listed(&l), "ERR_TIMEOUT");
    l.list = (struct backend_list){.ns = SLICE("b"), .limit = 10};
    assert_string_equal(listed(&l), "b/z");
    buf_free(&l.text);
}

/* A page for who may keep it for long is cut by its bytes, too, but never empty. */
static void lists_page_by_bytes_that_are_asked_for(void **state)
{
    struct viewing *t = *state;
    struct listing l = {.t = t};
    (void)put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_CREATE, "a", "y");
    (void)put(t, BACKEND_CREATE, "a", "z");
    advance(t);
    l.list.limit = 10;
    l.list.bytes = 1;
    assert_string_equal(listed(&l), "a/x");
    assert_true(l.list.more);
    l.list.after_ns = slice_of(l.last_ns);
    l.list.after_name = slice_of(l.last_name);
    l.list.bytes = 1000;
    assert_string_equal(listed(&l), "a/y a/z");
    assert_false(l.list.more);
    buf_free(&l.text);
}

static void close_time(struct viewing *t, int at, uint64_t closed);

static struct selector *selecting(const char *labels, const char *fields)
{
    struct selector *s = NULL;
    struct err err;
    assert_int_equal(selector_parse(slice_of(labels), slice_of(fields), NULL, &s, &err), 0);
    return s;
}

static void delete_the_last(struct listing *l)
{
    if (l->turns == 1) {
        (void)put(l->t, BACKEND_DELETE, "a", "n1199");
    }
}

static void lists_that_find_little_take_turns(void **state)
{
    struct viewing *t = *state;
    struct listing l = {.t = t};
    char name[16];
    for (int i = 0; i < 1200; i++) {
        (void)snprintf(name, sizeof name, "n%04d", i);
        (void)put(t, BACKEND_CREATE, "a", name);
    }
    advance(t);
    struct selector *s = selecting("nobody", "");
    l.list = (struct backend_list){.selector = s, .limit = 5};
    assert_string_equal(listed(&l), "");
    assert_true(l.turns >= 3);
    assert_false(l.list.more);
    selector_free(s);
    /* What is deleted between two turns is still there, as of the list's version. */
    s = selecting("!nobody", "metadata.name!=n0000");
    l.list = (struct backend_list){.selector = s, .limit = 500};
    assert_true(slice_ends_with(slice_of(listed(&l)), SLICE("a/n0500")));
    assert_true(l.list.more);
    l.list.consistency = BACKEND_EXACT;
    l.list.version = l.list.read_version;
    l.list.after_ns = SLICE("a");
    l.list.after_name = SLICE("n1000");
    l.list.limit = 199;
    l.between = delete_the_last;
    assert_true(slice_ends_with(slice_of(listed(&l)), SLICE("a/n1199")));
    onloop_call(&t->o, do_list_at_once, &l);
    assert_int_equal(l.rc, 0);
    selector_free(s);
    /* Those that are gone are not walked past in one turn either. */
    for (int i = 0; i < 1199; i++) {
        (void)snprintf(name, sizeof name, "n%04d", i);
        (void)put(t, BACKEND_DELETE, "a", name);
    }
    advance(t);
    l.list = (struct backend_list){.limit = 5};
    l.between = NULL;
    assert_string_equal(listed(&l), "a/n1199");
    assert_int_equal(l.turns, 3);
    buf_free(&l.text);
}

static void names_and_namespaces_are_gone_to(void **state)
{
    struct viewing *t = *state;
    struct listing l = {.t = t};
    static const char *const spaces[] = {"a", "b"};
    char name[16];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 600; i++) {
            (void)snprintf(name, sizeof name, "n%04d", i);
            put_placed(t, spaces[k], name);
        }
    }
    (void)put(t, BACKEND_DELETE, "b", "n0007");
    advance(t);
    static const struct {
        const char *fields;
        const char *ns;
        const char *after_ns;
        const char *after_name;
        const char *found;
    } cases[] = {
        {"metadata.name=n0599", "a", "", "", "a/n0599"},
        {"metadata.name=n0599", "a", "a", "n0599", ""},
        {"metadata.name=n0599", "", "", "", "a/n0599 b/n0599"},
        {"metadata.name=n0599", "", "a", "n0599", "b/n0599"},
        {"metadata.name=n0007", "", "", "", "a/n0007"},
        {"metadata.name=n0007", "", "a", "n0003", "a/n0007"},
        {"metadata.name=nowhere", "", "", "", ""},
        {"metadata.namespace=b,metadata.name=n0001", "", "", "", "b/n0001"},
        {"metadata.namespace=b,metadata.name=n0001", "", "b", "n0000", "b/n0001"},
        {"metadata.namespace=b,metadata.name=n0001", "", "b", "n0001", ""},
        {"metadata.namespace=b,metadata.name=n0001", "", "a", "zzz", "b/n0001"},
        {"metadata.namespace=b,metadata.name=n0001", "", "c", "n0000", ""},
        {"metadata.namespace=b", "a", "", "", ""},
        {"metadata.namespace=z", "", "", "", ""},
    };
    for (int merged = 0; merged < 2; merged++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            struct selector *s = selecting("", cases[i].fields);
            l.merged = merged == 1;
            l.version = view_present(&t->view[0]);
            l.list = (struct backend_list){.selector = s,
                                           .ns = slice_of(cases[i].ns),
                                           .after_ns = slice_of(cases[i].after_ns),
                                           .after_name = slice_of(cases[i].after_name),
                                           .limit = 500};
            if (merged == 1) {
                close_time(t, 1, l.version);
            }
            assert_string_equal(listed(&l), cases[i].found);
            assert_int_equal(l.turns, 1);
            selector_free(s);
        }
    }
    struct selector *s = selecting("", "metadata.namespace=b");
    l.merged = false;
    l.list = (struct backend_list){.selector = s, .limit = 2};
    assert_string_equal(listed(&l), "b/n0000 b/n0001");
    assert_true(l.list.more);
    selector_free(s);
    buf_free(&l.text);
}

static void gets_find_or_do_not(void **state)
{
    struct viewing *t = *state;
    uint64_t v1 = put(t, BACKEND_CREATE, "a", "x");
    (void)put(t, BACKEND_DELETE, "a", "x");
    struct listing l = {.t = t};
    l.get = (struct backend_get){
        .key = {SLICE("things.test"), SLICE("a"), SLICE("x")}, .user = &l, .done = on_get_done};
    onloop_call(&t->o, do_get, &l);
    assert_int_equal(l.rc, ERR_NOT_FOUND);
    l.get.consistency = BACKEND_EXACT;
    l.get.version = v1;
    onloop_call(&t->o, do_get, &l);
    assert_true(l.rc == 0 && l.version == v1);
}

/* ---- merged ---- */

static uint64_t put_in(struct viewing *t, int at, const char *ns, const char *name)
{
    struct fixture *f = t->f[at];
    uint64_t other = t->f[1 - at]->version; /* stamps of both rise together */
    f->version = f->version > other ? f->version : other;
    struct outcome o = apply_1(f, write_of(f, BACKEND_CREATE, ns, name, "u1"));
    assert_int_equal(o.kind, OUTCOME_DONE);
    return o.version;
}

struct closing {
    struct viewing *t;
    int at;
    uint64_t closed;
};

static void do_close_time(void *arg)
{
    struct closing *c = arg;
    view_advance(&c->t->view[c->at], c->t->f[c->at]->db.state.last_version, c->closed);
    merge_advance(&c->t->merge);
}

static void close_time(struct viewing *t, int at, uint64_t closed)
{
    onloop_call(&t->o, do_close_time, &(struct closing){t, at, closed});
}

static void merged_lists_and_watches_see_one_order(void **state)
{
    struct viewing *t = *state;
    struct listing l = {.t = t, .merged = true};
    uint64_t v0 = put_in(t, 0, "a", "k");
    close_time(t, 0, v0);
    l.version = v0;
    l.list.limit = 10;
    assert_string_equal(listed(&l), "ERR_TIMEOUT"); /* the other view has not reached v0 */
    close_time(t, 1, v0);
    struct record *r = record_new(t, v0);
    r->merged = true;
    start(r);
    (void)put_in(t, 1, "b", "1");
    uint64_t v2 = put_in(t, 0, "a", "2");
    uint64_t v3 = put_in(t, 1, "b", "3");
    close_time(t, 0, v2);
    assert_string_equal(events_after(r, 0), ""); /* held back by the other view */
    close_time(t, 1, v3);
    assert_string_equal(events_after(r, 2), "+1 +2"); /* and now by the first */
    assert_true(standing_of(r).progress == v2);
    close_time(t, 0, v3 + VERSION_SHARDS_MAX);
    assert_string_equal(events_after(r, 3), "+1 +2 +3");
    assert_false(standing_of(r).disordered);

    l.version = v3;
    l.list.limit = 2;
    l.list.count_remaining = true;
    assert_string_equal(listed(&l), "a/2 a/k");
    assert_true(l.list.more && l.list.remaining == 2 && l.list.read_version == v3);
    l.list.after_ns = slice_of(l.last_ns);
    l.list.after_name = slice_of(l.last_name);
    assert_string_equal(listed(&l), "b/1 b/3");
    assert_false(l.list.more);
    l.list.after_ns = l.list.after_name = SLICE("");
    l.version = v2;
    l.list.limit = 10;
    assert_string_equal(listed(&l), "a/2 a/k b/1");
    buf_free(&l.text);
    stop(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(live_watches_get_changes_once_and_in_order),
        TEST(late_watches_catch_up_from_the_database),
        TEST(a_paused_watch_misses_nothing),
        TEST(a_selector_makes_objects_come_and_go),
        TEST(watches_end_with_what_went_wrong),
        TEST(lists_page_at_one_version),
        TEST(lists_page_by_bytes_that_are_asked_for),
        TEST(lists_that_find_little_take_turns),
        TEST(names_and_namespaces_are_gone_to),
        TEST(gets_find_or_do_not),
        TEST(merged_lists_and_watches_see_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
