/* Entries as they travel: compressed where that is smaller, within limits when they come back. */
#include "store/compress.h"
#include "store/log.pb-c.h"
#include "tests/unit/store/fixture.h"

enum { BODIES = 20, BODY_BYTES = 4000 };

/* BODIES writes of objects that are alike but for their names. */
static void writes(struct arena *arena, struct command *commands)
{
    for (int i = 0; i < BODIES; i++) {
        struct buf body = {0};
        buf_addf(&body, "{\"metadata\":{\"name\":\"c-%d\"},\"spec\":{", i);
        for (int f = 0; body.len < BODY_BYTES; f++) {
            buf_addf(&body, "\"field-%d\":\"value %d\",", f, f * 7919 % 1000);
        }
        buf_addf(&body, "\"last\":%d}}", i);
        commands[i] =
            (struct command){.kind = COMMAND_WRITE,
                             .write = {.key = {SLICE("components"), SLICE("ns"), SLICE("c")},
                                       .body = slice_of(arena_cstr(arena, buf_slice(&body))),
                                       .version = 1 + (uint64_t)i}};
        buf_free(&body);
    }
}

static void pack(const Choreo__Log__Entry *m, struct buf *out)
{
    buf_reserve(out, choreo__log__entry__get_packed_size(m));
    out->len += choreo__log__entry__pack(m, (uint8_t *)out->data + out->len);
}

static void expect_corrupt(struct slice bytes)
{
    struct arena arena = {0};
    struct entry out;
    struct err err;
    assert_int_equal(entry_decode(bytes, &arena, &out, &err), ERR_CORRUPT);
    assert_true(err.message[0] != '\0');
    arena_free(&arena);
}

static void alike_bodies_take_a_fraction(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct command commands[BODIES];
    struct buf bytes = {0};
    struct entry out;
    struct err err;
    writes(&arena, commands);
    struct entry in = {.time_ms = 5, .compressed = true, .commands = commands, .count = BODIES};
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    assert_true(bytes.len < BODIES * BODY_BYTES / 10);
    assert_int_equal(entry_decode(buf_slice(&bytes), &arena, &out, &err), 0);
    assert_true(out.count == BODIES && out.time_ms == 5 && out.compressed);
    for (int i = 0; i < BODIES; i++) {
        assert_true(slice_eq(out.commands[i].write.body, commands[i].write.body) &&
                    out.commands[i].write.version == commands[i].write.version);
    }
    buf_free(&bytes);
    arena_free(&arena);
}

/* As long as a program that cannot read it may be among the readers. */
static void unless_it_may_not_be(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct command commands[BODIES];
    struct buf bytes = {0};
    struct entry out;
    struct err err;
    writes(&arena, commands);
    struct entry in = {.time_ms = 5, .commands = commands, .count = BODIES};
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    assert_true(bytes.len > BODIES * BODY_BYTES);
    assert_int_equal(entry_decode(buf_slice(&bytes), &arena, &out, &err), 0);
    assert_true(out.count == BODIES && !out.compressed);
    buf_free(&bytes);
    arena_free(&arena);
}

/* What does not get smaller goes as it is: a small entry, and one of noise. */
static void what_does_not_shrink_stays(void **state)
{
    (void)state;
    char noise[4096];
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < sizeof noise; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        noise[i] = (char)x;
    }
    struct buf bytes = {0};
    struct err err;
    struct command c = {.kind = COMMAND_WRITE,
                        .write = {.key = {SLICE("r"), SLICE(""), SLICE("n")},
                                  .body = slice_make(noise, sizeof noise),
                                  .version = 1}};
    struct entry in = {.time_ms = 1, .compressed = true, .commands = &c, .count = 1};
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    assert_true(memmem(bytes.data, bytes.len, noise, sizeof noise) != NULL);
    buf_clear(&bytes);
    c.write.body = SLICE("{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    assert_true(memmem(bytes.data, bytes.len, c.write.body.data, c.write.body.len) != NULL);
    buf_free(&bytes);
}

static void damage_is_told(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct command commands[BODIES];
    struct buf bytes = {0};
    struct err err;
    writes(&arena, commands);
    struct entry in = {.time_ms = 5, .compressed = true, .commands = commands, .count = BODIES};
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    for (size_t bit = 0; bit < bytes.len * 8; bit += 7) {
        struct arena scratch = {0};
        struct entry out;
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
        int rc = entry_decode(buf_slice(&bytes), &scratch, &out, &err);
        assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
        arena_free(&scratch);
    }
    buf_free(&bytes);
    arena_free(&arena);
}

/* A frame of 13 bytes that says that it holds a terabyte. */
static void a_claim_takes_no_memory(void **state)
{
    (void)state;
    uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0};
    Choreo__Log__Entry m = CHOREO__LOG__ENTRY__INIT;
    struct buf bytes = {0};
    m.time_ms = 1;
    m.has_compressed = true;
    m.compressed = (ProtobufCBinaryData){.len = sizeof frame, .data = frame};
    pack(&m, &bytes);
    expect_corrupt(buf_slice(&bytes));
    buf_free(&bytes);
}

/* An entry in an entry in an entry, or one that tells two times. */
static void an_entry_holds_one_other(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct command commands[BODIES];
    struct buf once = {0};
    struct buf frame = {0};
    struct buf twice = {0};
    struct err err;
    writes(&arena, commands);
    struct entry in = {.time_ms = 5, .compressed = true, .commands = commands, .count = BODIES};
    assert_int_equal(entry_encode(&in, &once, &err), 0);
    Choreo__Log__Entry m = CHOREO__LOG__ENTRY__INIT;
    m.time_ms = 6;
    m.has_compressed = true;
    Choreo__Log__Entry *inner =
        choreo__log__entry__unpack(NULL, once.len, (const uint8_t *)once.data);
    assert_true(inner != NULL && inner->has_compressed);

    m.compressed = inner->compressed; /* another time than what it holds */
    pack(&m, &twice);
    expect_corrupt(buf_slice(&twice));

    buf_clear(&twice);
    struct buf alike = {0}; /* of the same field many times: the last counts, and it shrinks */
    for (int i = 0; i < 20; i++) {
        buf_add(&alike, buf_slice(&once));
    }
    assert_true(compress(buf_slice(&alike), &frame));
    m.time_ms = 5;
    m.compressed = (ProtobufCBinaryData){.len = frame.len, .data = (uint8_t *)frame.data};
    pack(&m, &twice);
    expect_corrupt(buf_slice(&twice));

    choreo__log__entry__free_unpacked(inner, NULL);
    buf_free(&alike);
    buf_free(&twice);
    buf_free(&frame);
    buf_free(&once);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike_bodies_take_a_fraction), cmocka_unit_test(unless_it_may_not_be),
        cmocka_unit_test(what_does_not_shrink_stays),   cmocka_unit_test(damage_is_told),
        cmocka_unit_test(a_claim_takes_no_memory),      cmocka_unit_test(an_entry_holds_one_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
