/* Encoding of commands and entries: round trips, limits, damage, version skew. */
#include "tests/unit/store/fixture.h"

static void every_kind_survives_the_way(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct err err;
    struct command commands[] = {
        {.kind = COMMAND_WRITE,
         .write = {.verb = BACKEND_DELETE,
                   .key = {SLICE("secrets"), SLICE("ns"), SLICE("n")},
                   .body = SLICE("{\"uid\":1}"),
                   .splice = 1,
                   .version = 77,
                   .if_version = 76,
                   .if_uid = SLICE("u"),
                   .client_made = true,
                   .subject = SLICE("s"),
                   .request_id = SLICE("0123456789abcdef"),
                   .issued_ms = 5,
                   .request_digest = SLICE("0123456789abcdef0123456789abcdef"),
                   .audit = SLICE("{}")}},
        {.kind = COMMAND_OPEN, .open = {1, 2, 3}},
        {.kind = COMMAND_CEILING, .ceiling = 9},
        {.kind = COMMAND_COMPACT, .compact = {4, 5, 6}},
        {.kind = COMMAND_EXPIRE_REQUESTS, .expire = {7, 8}},
        {.kind = COMMAND_NAMESPACE, .mark = {SLICE("ns"), NAMESPACE_TERMINATING}},
        {.kind = COMMAND_EXPIRE_EVENTS, .events = {10, 11, 12}},
    };
    struct entry in = {.time_ms = 123, .commands = commands, .count = 7};
    struct buf bytes = {0};
    assert_int_equal(entry_encode(&in, &bytes, &err), 0);
    struct entry out;
    assert_int_equal(entry_decode(buf_slice(&bytes), &arena, &out, &err), 0);
    assert_int_equal(out.count, 7);
    assert_int_equal(out.time_ms, 123);
    const struct command_write *w = &out.commands[0].write;
    assert_true(w->verb == BACKEND_DELETE && w->version == 77 && w->if_version == 76 &&
                w->client_made && w->issued_ms == 5 && w->splice == 1);
    assert_true(slice_eq(w->body, commands[0].write.body) && slice_eq_cstr(w->key.ns, "ns") &&
                slice_eq(w->request_id, commands[0].write.request_id) &&
                slice_eq(w->request_digest, commands[0].write.request_digest) &&
                slice_eq_cstr(w->audit, "{}") && slice_eq_cstr(w->if_uid, "u"));
    assert_true(out.commands[1].open.ceiling == 3 && out.commands[2].ceiling == 9);
    assert_true(out.commands[3].compact.audit_before_ms == 6 &&
                out.commands[4].expire.rows_max == 8);
    assert_true(out.commands[5].mark.state == NAMESPACE_TERMINATING);
    assert_true(out.commands[6].events.before == 10 && out.commands[6].events.rows_max == 11 &&
                out.commands[6].events.version == 12);

    /* Encoded sizes are what batches are filled by. */
    size_t bound = 0;
    for (size_t i = 0; i < 7; i++) {
        bound += command_bytes(&commands[i]);
    }
    assert_true(bytes.len <= bound + 16);
    buf_clear(&bytes);
    struct command alone;
    assert_int_equal(command_encode(&commands[0], &bytes, &err), 0);
    assert_int_equal(command_decode(buf_slice(&bytes), &arena, &alone, &err), 0);
    assert_true(slice_eq(alone.write.body, commands[0].write.body));
    buf_free(&bytes);
    arena_free(&arena);
}

static void limits_are_the_same_on_both_sides(void **state)
{
    (void)state;
    struct err err;
    const struct command good = {
        .kind = COMMAND_WRITE,
        .write = {.key = {SLICE("r"), SLICE(""), SLICE("n")}, .body = SLICE("{}"), .version = 1}};
    assert_int_equal(command_check(&good, &err), 0);
    struct command c = good;
    c.write.splice = 2;
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = good;
    c.write.key.name = SLICE("");
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = good;
    c.write.request_id = SLICE("short");
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = good;
    c.write.request_digest = SLICE("x");
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = good;
    c.write.version = UINT64_MAX;
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = good;
    char *big = mem_zero(COMMAND_BYTES_MAX);
    c.write.body = slice_make(big, COMMAND_BYTES_MAX);
    assert_int_equal(command_check(&c, &err), ERR_TOO_LARGE);
    c.write.body = SLICE("{}");
    c.write.key.ns = slice_make(big, COMMAND_NAME_MAX + 1);
    assert_int_equal(command_check(&c, &err), ERR_TOO_LARGE);
    free(big);
    struct buf out = {0};
    struct entry entry = {.commands = &c, .count = 1};
    assert_int_equal(entry_encode(&entry, &out, &err), ERR_TOO_LARGE);
    entry.count = ENTRY_COMMANDS_MAX + 1;
    assert_int_equal(entry_encode(&entry, &out, &err), ERR_TOO_LARGE);
    assert_int_equal(out.len, 0);
    c = (struct command){.kind = COMMAND_COMPACT, .compact = {.rows_max = 0}};
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = (struct command){.kind = COMMAND_EXPIRE_EVENTS,
                         .events = {.rows_max = COMMAND_EVENTS_MAX + 1}};
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
    c = (struct command){.kind = (enum command_kind)42};
    assert_int_equal(command_check(&c, &err), ERR_INVALID);
}

static void damaged_bytes_never_crash(void **state)
{
    (void)state;
    struct err err;
    struct command c = {.kind = COMMAND_WRITE,
                        .write = {.key = {SLICE("r"), SLICE(""), SLICE("n")},
                                  .body = SLICE("{\"a\":1}"),
                                  .version = 1}};
    struct entry entry = {.time_ms = 1, .commands = &c, .count = 1};
    struct buf bytes = {0};
    assert_int_equal(entry_encode(&entry, &bytes, &err), 0);
    struct entry out;
    for (size_t cut = 0; cut < bytes.len; cut++) {
        struct arena arena = {0};
        int rc = entry_decode(slice_sub(buf_slice(&bytes), 0, cut), &arena, &out, &err);
        assert_true(rc == ERR_CORRUPT || (rc == 0 && out.count == 0));
        arena_free(&arena);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        struct arena arena = {0};
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
        int rc = entry_decode(buf_slice(&bytes), &arena, &out, &err);
        assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
        if (rc == 0 && out.count > 0) {
            assert_int_equal(command_check(&out.commands[0], &err), 0);
        }
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
        arena_free(&arena);
    }
    buf_free(&bytes);
}

static void versions_order_by_time_then_count_then_shard(void **state)
{
    (void)state;
    uint64_t v = version_at(T0, 5);
    assert_true(version_wall_ms(v) == T0 && version_shard(v) == 5);
    assert_true(version_next(0, T0, 5) == v);
    assert_true(version_next(v, T0, 5) == v + VERSION_SHARDS_MAX);
    assert_true(version_next(v, T0 - 1000, 5) == v + VERSION_SHARDS_MAX); /* a clock set back */
    assert_true(version_next(v, T0 + 1, 5) == version_at(T0 + 1, 5));
    uint64_t other = version_next(v, T0, 9); /* another shard's last: above it all the same */
    assert_true(other > v && version_shard(other) == 9);
    assert_true(version_next(other, T0, 5) > other);
    uint64_t last = v;
    for (int i = 0; i < 5000; i++) { /* more than the counter holds: borrows from the clock */
        uint64_t next = version_next(last, T0, 5);
        assert_true(next > last && version_shard(next) == 5);
        last = next;
    }
    assert_true(version_wall_ms(last) == T0 + 1);
    assert_true(version_at(0, 1) == 1); /* before 2020: as early as can be said */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_the_way),
        cmocka_unit_test(limits_are_the_same_on_both_sides),
        cmocka_unit_test(damaged_bytes_never_crash),
        cmocka_unit_test(versions_order_by_time_then_count_then_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
