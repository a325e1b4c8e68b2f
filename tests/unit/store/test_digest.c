/* Random commands, applied in different batches, leave the same rows; and the digest sees it. */
#include "tests/unit/store/fixture.h"

#include "store/digest.h"

enum { ENTRIES = 400, SEEDS = 6 };

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct command random_command(struct fixture *f, uint64_t *seed)
{
    static const char *const spaces[] = {"a", "b", "c", ""};
    uint64_t dice = next_random(seed) % 100;
    const char *ns = spaces[next_random(seed) % 4];
    if (dice < 3) {
        enum namespace_state states[] = {NAMESPACE_ACTIVE, NAMESPACE_TERMINATING, NAMESPACE_GONE};
        return (struct command){
            .kind = COMMAND_NAMESPACE,
            .mark = {slice_of(spaces[next_random(seed) % 3]), states[next_random(seed) % 3]}};
    }
    if (dice < 6) {
        uint64_t behind = (next_random(seed) % 200) << 21;
        return (struct command){.kind = COMMAND_COMPACT,
                                .compact = {.before = f->version > behind ? f->version - behind : 0,
                                            .rows_max = 1 + (uint32_t)(next_random(seed) % 20),
                                            .audit_before_ms = f->now_ms - 100}};
    }
    if (dice < 8) {
        return (struct command){.kind = COMMAND_EXPIRE_REQUESTS,
                                .expire = {.before_ms = f->now_ms, .rows_max = 5}};
    }
    if (dice < 10) {
        return (struct command){.kind = COMMAND_CEILING, .ceiling = f->version};
    }
    if (dice < 12) {
        struct command c = {.kind = COMMAND_EXPIRE_EVENTS,
                            .events = {.before = version_at(f->now_ms - 300 * 1000, SHARD),
                                       .rows_max = 1 + (uint32_t)(next_random(seed) % 20),
                                       .version = stamp(f)}};
        f->version += (c.events.rows_max - 1) * (uint64_t)VERSION_STEP;
        return c;
    }
    char name[] = {(char)('a' + next_random(seed) % 6), '\0'};
    struct command c = write_of(f, (enum backend_verb)(next_random(seed) % 3), ns, name, "u1");
    if (next_random(seed) % 3 == 0) { /* all about one thing, which has too many of them at times */
        c.write.key.resource = SLICE("events");
        c.write.key.name = slice_of(
            arena_printf(&f->arena, "e%llu", (unsigned long long)(next_random(seed) % 400)));
        c.write.verb = next_random(seed) % 4 == 0 ? c.write.verb : BACKEND_CREATE;
    }
    c.write.client_made = next_random(seed) % 2 == 0;
    c.write.audit = dice < 50 ? SLICE("{\"who\":1}") : SLICE("");
    if (dice > 80) { /* a retry of something recent, perhaps with another digest */
        uint64_t id = f->request - next_random(seed) % 20;
        c.write.request_id =
            slice_of(arena_printf(&f->arena, "request-%012llu", (unsigned long long)id));
        c.write.request_digest =
            dice > 97 ? SLICE("ffffffffffffffffffffffffffffffff") : c.write.request_digest;
    }
    if (dice < 20) {
        c.write.issued_ms -= next_random(seed) % (2 * (uint64_t)REQUEST_WINDOW_MS);
    }
    return c;
}

static struct apply_entry *random_entries(struct fixture *f, uint64_t seed)
{
    struct apply_entry *entries = arena_zero(&f->arena, ENTRIES * sizeof *entries);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct command commands[8];
        size_t count = next_random(&seed) % 8;
        f->now_ms += next_random(&seed) % 4000;
        for (size_t c = 0; c < count; c++) {
            commands[c] = random_command(f, &seed);
        }
        entries[i] = (struct apply_entry){.index = i + 1, .term = 1 + i / 100};
        if (count > 0) {
            entries[i].payload = encode_entry(f, commands, count);
        }
    }
    return entries;
}

/* Applies all in batches of 1..most, now and then again from earlier. */
static void apply_all(struct fixture *f, const struct apply_entry *entries, size_t most,
                      uint64_t seed)
{
    size_t at = 0;
    while (at < ENTRIES) {
        size_t count = 1 + next_random(&seed) % most;
        count = count < ENTRIES - at ? count : ENTRIES - at;
        size_t again = most > 1 && next_random(&seed) % 4 == 0 ? (at < 5 ? at : 5) : 0;
        struct arena arena = {0};
        struct apply_result result;
        if (apply_entries(&f->db, entries + at - again, count + again, SLICE("m"), &arena, &result,
                          &f->err) != 0) {
            fail_msg("%s", f->err.message);
        }
        arena_free(&arena);
        at += count;
    }
}

static void digest_of(struct fixture *f, uint8_t digest[SHA256_BYTES])
{
    struct reader r;
    uint64_t index;
    assert_int_equal(reader_open(&r, f->path, SHARD, &f->err), 0);
    assert_int_equal(digest_rows(&r, digest, &index, &f->err), 0);
    assert_int_equal(index, f->db.state.applied_index);
    reader_close(&r);
}

static void rows_do_not_depend_on_batches(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fixture *one = fixture_new();
        struct fixture *other = fixture_new();
        struct apply_entry *entries = random_entries(one, seed * 7919);
        apply_all(one, entries, 1, seed);
        apply_all(other, entries, 60, seed + 1);
        uint8_t a[SHA256_BYTES];
        uint8_t b[SHA256_BYTES];
        digest_of(one, a);
        digest_of(other, b);
        if (memcmp(a, b, sizeof a) != 0) {
            fail_msg("seed %llu: the rows differ", (unsigned long long)seed);
        }
        assert_int_equal(db_verify(&one->db, &one->err), 0);
        fixture_free(one);
        fixture_free(other);
    }
}

static void the_digest_sees_every_difference(void **state)
{
    (void)state;
    struct fixture *one = fixture_new();
    struct fixture *other = fixture_new();
    uint8_t a[SHA256_BYTES];
    uint8_t b[SHA256_BYTES];
    digest_of(one, a);
    digest_of(other, b);
    assert_memory_equal(a, b, sizeof a);
    struct command c = write_of(one, BACKEND_CREATE, "", "x", "u1");
    struct command d = c;
    d.write.body = SLICE("{\"metadata\":{\"name\":\"x\",\"uid\":\"u2\"}}");
    (void)apply_1(one, c);
    (void)apply_1(other, d);
    digest_of(one, a);
    digest_of(other, b);
    assert_memory_not_equal(a, b, sizeof a);
    fixture_free(one);
    fixture_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_do_not_depend_on_batches),
        cmocka_unit_test(the_digest_sees_every_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
