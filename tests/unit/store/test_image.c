/* Images: made while the shard writes on, refused when damaged, installed whole. */
#include "tests/unit/store/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/digest.h"
#include "store/image.h"

struct imaging {
    struct fixture *f;
    char path[128];
};

static int setup(void **state)
{
    struct imaging *t = mem_zero(sizeof *t);
    t->f = fixture_new();
    make_namespace(t->f, "team", NAMESPACE_ACTIVE);
    for (int i = 0; i < 60; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "o%d", i);
        (void)apply_1(t->f, write_of(t->f, BACKEND_CREATE, "team", name, "u1"));
    }
    (void)snprintf(t->path, sizeof t->path, "%s.image", t->f->path);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct imaging *t = *state;
    (void)unlink(t->path);
    fixture_free(t->f);
    free(t);
    return 0;
}

static void make(struct imaging *t, struct image *image)
{
    struct fixture *f = t->f;
    assert_int_equal(image_start(image, f->path, SHARD, t->path, 10000, &f->err), 0);
    while (!image->done) {
        if (image_step(image, 1, &f->err) != 0) {
            fail_msg("%s", f->err.message);
        }
    }
}

static void digest_of(struct fixture *f, uint8_t digest[SHA256_BYTES])
{
    struct reader r;
    uint64_t index;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(digest_rows(&r, digest, &index, &f->err), 0);
    reader_close(&r);
}

static void an_image_is_one_view_however_long_it_takes(void **state)
{
    struct imaging *t = *state;
    struct fixture *f = t->f;
    uint8_t before[SHA256_BYTES];
    digest_of(f, before);
    uint64_t index = f->db.state.applied_index;
    struct image image;
    assert_int_equal(image_start(&image, f->path, SHARD, t->path, 10000, &f->err), 0);
    while (!image.done) {
        (void)apply_1(f, write_of(f, BACKEND_UPDATE, "team", "o1", "u1"));
        assert_int_equal(image_step(&image, 1, &f->err), 0);
    }
    assert_true(image.header.index == index && image.header.term == 1);
    image_end(&image);

    db_close(&f->db);
    struct image_header header;
    assert_int_equal(image_install(t->path, f->path, SHARD, SLICE("c1"), &header, &f->err), 0);
    assert_true(header.index == index && header.shard == SHARD);
    assert_true(slice_eq_cstr(buf_slice(&header.raft_meta), "conf"));
    image_header_free(&header);
    fixture_open(f);
    assert_true(f->db.state.applied_index == index);
    uint8_t after[SHA256_BYTES];
    digest_of(f, after);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(db_verify(&f->db, &f->err), 0);
    f->version = f->db.state.last_version;
    assert_int_equal(apply_1(f, write_of(f, BACKEND_DELETE, "team", "o1", "u1")).kind,
                     OUTCOME_DONE);
}

static void every_damaged_byte_is_found(void **state)
{
    struct imaging *t = *state;
    struct image image;
    make(t, &image);
    image_end(&image);
    struct buf bytes = {0};
    struct err err;
    struct image_header header;
    assert_int_equal(file_read(t->path, 1 << 24, &bytes, &err), 0);
    assert_int_equal(image_check(t->path, &header, &err), 0);
    image_header_free(&header);
    int fd = open(t->path, O_RDWR);
    /* All of the trailer, and samples of the pages. */
    for (size_t at = 0; at < bytes.len; at += at + 300 < bytes.len ? 1009 : 1) {
        char flipped = (char)(bytes.data[at] ^ 0x10);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        assert_int_equal(image_check(t->path, &header, &err), ERR_CORRUPT);
        assert_int_equal(pwrite(fd, &bytes.data[at], 1, (off_t)at), 1);
    }
    for (size_t cut = 1; cut < bytes.len; cut += cut < 200 ? 1 : 4099) {
        assert_int_equal(ftruncate(fd, (off_t)(bytes.len - cut)), 0);
        assert_int_equal(image_check(t->path, &header, &err), ERR_CORRUPT);
    }
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(image_check(t->path, &header, &err), ERR_CORRUPT);
    close(fd);
    buf_free(&bytes);
    assert_int_equal(image_check("/nonexistent/image", &header, &err), ERR_IO);
}

static void a_newer_releases_image_is_refused(void **state)
{
    struct imaging *t = *state;
    struct image image;
    make(t, &image);
    uint64_t database_bytes = image.header.bytes;
    image_end(&image);
    struct buf bytes = {0};
    struct err err;
    assert_int_equal(file_read(t->path, 1 << 24, &bytes, &err), 0);
    bytes.data[database_bytes + 3] = 99; /* schema version, with the digest that belongs to it */
    uint8_t digest[SHA256_BYTES];
    bytes.len -= SHA256_BYTES;
    crypto_sha256(buf_slice(&bytes), digest);
    buf_add(&bytes, slice_make(digest, sizeof digest));
    assert_int_equal(file_write(t->path, buf_slice(&bytes), 0600, &err), 0);
    struct image_header header;
    assert_int_equal(image_check(t->path, &header, &err), ERR_UNSUPPORTED);
    buf_free(&bytes);
}

static void another_shards_image_is_refused(void **state)
{
    struct imaging *t = *state;
    struct image image;
    make(t, &image);
    image_end(&image);
    struct err err;
    struct image_header header;
    assert_int_equal(image_install(t->path, t->f->path, SHARD + 1, SLICE("c1"), &header, &err),
                     ERR_INVALID);
    assert_int_equal(image_install(t->path, t->f->path, SHARD, SLICE("c2"), &header, &err),
                     ERR_INVALID);
    struct stat st;
    assert_int_equal(stat(t->path, &st), 0); /* still there, for whoever it belongs to */
}

static void an_interrupted_install_is_finished_by_opening(void **state)
{
    struct imaging *t = *state;
    struct fixture *f = t->f;
    struct image image;
    make(t, &image);
    uint64_t index = image.header.index;
    image_end(&image);
    (void)apply_1(f, write_of(f, BACKEND_DELETE, "team", "o1", "u1"));
    db_close(&f->db);
    struct image_header header;
    fault_arm("store.install", 1, false);
    assert_int_equal(image_install(t->path, f->path, SHARD, SLICE("c1"), &header, &f->err), ERR_IO);
    fixture_open(f);
    assert_true(f->db.state.applied_index == index);
    assert_int_equal(db_verify(&f->db, &f->err), 0);
}

static void making_fails_cleanly(void **state)
{
    struct imaging *t = *state;
    struct fixture *f = t->f;
    struct image image;
    struct stat st;
    assert_int_equal(image_start(&image, f->path, SHARD, "/nonexistent/i", 1000, &f->err), ERR_IO);
    assert_int_equal(image_start(&image, "/nonexistent/s", SHARD, t->path, 1000, &f->err), ERR_IO);

    assert_int_equal(image_start(&image, f->path, SHARD, t->path, 1, &f->err), 0);
    usleep(10000);
    assert_int_equal(image_step(&image, 1, &f->err), ERR_TIMEOUT);
    image_end(&image);
    assert_int_not_equal(stat(t->path, &st), 0);

    assert_int_equal(image_start(&image, f->path, SHARD, t->path, 10000, &f->err), 0);
    fault_arm("store.image", 1, false);
    assert_int_equal(image_step(&image, 1, &f->err), ERR_FULL);
    image_end(&image);
    assert_int_not_equal(stat(t->path, &st), 0);
    uint64_t index;
    assert_int_equal(db_checkpoint(&f->db, &index, &f->err), 0); /* nothing is pinned any more */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_image_is_one_view_however_long_it_takes),
        TEST(every_damaged_byte_is_found),
        TEST(a_newer_releases_image_is_refused),
        TEST(another_shards_image_is_refused),
        TEST(an_interrupted_install_is_finished_by_opening),
        TEST(making_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
