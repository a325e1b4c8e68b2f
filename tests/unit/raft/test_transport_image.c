/* Images between two nodes: pulled from a reader, pushed into a writer, refused or failing at
 * either end. */
#include "tests/unit/raft/sides.h"

enum { IMAGE = 10 << 20 };

/* What node-b does with an image. */
enum mode { TAKE, REFUSE, FAIL_IN_BETWEEN, FAIL_AT_THE_END };

struct images {
    struct fixture f;
    /* the sender, node-a */
    struct transport_image image;
    size_t sent;
    size_t fail_at; /* 0: not */
    int status;
    char message[ERR_MESSAGE_MAX];
    /* the receiver, node-b */
    enum mode mode;
    size_t received;
    bool wrong;
    bool finished;
    bool aborted;
};

/* ---- the receiver ---- */

static int arrival_write(struct transport_arrival *arrival, struct slice bytes, struct err *err)
{
    struct images *m = arrival->user;
    for (size_t i = 0; i < bytes.len; i++) {
        m->wrong = m->wrong || bytes.data[i] != pattern(m->received + i);
    }
    m->received += bytes.len;
    if (m->mode == FAIL_IN_BETWEEN && m->received > IMAGE / 2) {
        return err_set(err, ERR_FULL, "no room");
    }
    return 0;
}

static int arrival_finish(struct transport_arrival *arrival, struct err *err)
{
    struct images *m = arrival->user;
    m->finished = true;
    return m->mode == FAIL_AT_THE_END ? err_set(err, ERR_CORRUPT, "bad digest") : 0;
}

static void arrival_abort(struct transport_arrival *arrival)
{
    struct images *m = arrival->user;
    m->aborted = true;
    onloop_done(&m->f.on);
}

static void on_image(void *user, struct transport_arrival *arrival, const char *peer,
                     uint32_t group, struct slice header)
{
    const struct side *s = user;
    struct images *m = CONTAINER_OF(s->f, struct images, f);
    (void)peer;
    m->wrong = group != 4 || !slice_eq(header, SLICE("header"));
    m->received = 0;
    m->finished = m->aborted = false;
    if (m->mode != REFUSE) {
        *arrival = (struct transport_arrival){m, arrival_write, arrival_finish, arrival_abort};
    }
}

/* ---- the sender ---- */

static int image_read(struct transport_image *image, char *bytes, size_t cap, size_t *len,
                      struct err *err)
{
    struct images *m = image->user;
    if (m->fail_at != 0 && m->sent >= m->fail_at) {
        return err_set(err, ERR_IO, "disk gone");
    }
    *len = IMAGE - m->sent < cap ? IMAGE - m->sent : cap;
    for (size_t i = 0; i < *len; i++) {
        bytes[i] = pattern(m->sent + i);
    }
    m->sent += *len;
    return 0;
}

static void image_done(struct transport_image *image, int status, const struct err *err)
{
    struct images *m = image->user;
    m->status = status;
    (void)snprintf(m->message, sizeof m->message, "%s", err != NULL ? err->message : "");
    onloop_done(&m->f.on);
}

static void send_image(void *arg)
{
    struct images *m = arg;
    m->image = (struct transport_image){.user = m, .read = image_read, .done = image_done};
    m->sent = 0;
    m->status = -1;
    transport_image_send(m->f.a.t, &m->image, "node-b", 4, SLICE("header"));
}

/* ---- the tests ---- */

static int setup(void **state)
{
    struct images *m = mem_zero(sizeof *m);
    const struct transport_ops ops = {.image = on_image};
    sides_make(&m->f, &ops);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct images *m = *state;
    sides_end(&m->f);
    free(m);
    return 0;
}

static void test_images(void **state)
{
    struct images *m = *state;
    struct fixture *f = &m->f;
    sides_connect(f);
    onloop_call(&f->on, send_image, m);
    onloop_wait(&f->on, "the image");
    assert_int_equal(m->status, 0);
    assert_int_equal(m->received, IMAGE);
    assert_true(m->finished);
    assert_false(m->wrong);

    m->mode = REFUSE;
    onloop_call(&f->on, send_image, m);
    onloop_wait(&f->on, "the refusal");
    assert_int_equal(m->status, ERR_UNAVAILABLE);

    m->mode = FAIL_IN_BETWEEN;
    onloop_call(&f->on, send_image, m);
    onloop_wait(&f->on, "the writer's failure");
    onloop_wait(&f->on, "both ends of it");
    assert_int_equal(m->status, ERR_FULL);
    assert_string_equal(m->message, "no room");
    assert_true(m->aborted);

    m->mode = FAIL_AT_THE_END;
    onloop_call(&f->on, send_image, m);
    onloop_wait(&f->on, "the verdict");
    assert_int_equal(m->status, ERR_CORRUPT);

    m->mode = TAKE;
    m->fail_at = IMAGE / 3;
    onloop_call(&f->on, send_image, m);
    onloop_wait(&f->on, "the reader's failure");
    onloop_wait(&f->on, "both ends of it");
    assert_int_equal(m->status, ERR_IO);
    assert_true(m->aborted);
    assert_false(m->finished);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_images, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
