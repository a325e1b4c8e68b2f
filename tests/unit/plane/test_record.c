/* The record of mutations, and the settings of faults. */
#include "plane/faults.h"
#include "plane/record.h"
#include "tests/lib/test.h"

static void add(struct record *r, uint64_t version)
{
    const struct backend_object object = {
        .key = {SLICE("things"), SLICE("ns"), SLICE("a\"b")},
        .body = SLICE("{\"metadata\":{\"annotations\":{\"choreo.dev/epoch\":\"c/1/2/7\"},"
                      "\"name\":\"a\",\"uid\":\"u1\"}}"),
        .version = version};
    const struct plane_mutation m = {
        .verb = BACKEND_UPDATE,
        .object = &object,
        .subject = SLICE("admin"),
        .audit = SLICE("{\"user\":\"x\",\"from\":\"127.0.0.1:1\",\"agent\":\"choreod/c/1/2/8\"}"),
        .time_ms = 5};
    record_add(r, &m);
}

static void lines_tell_who_did_what_under_which_epoch(void **state)
{
    (void)state;
    struct record r;
    struct buf out = {0};
    uint64_t last;
    record_init(&r);
    record_read(&r, 0, &out, &last);
    assert_true(out.len == 0 && last == 0);
    add(&r, 77);
    record_read(&r, 0, &out, &last);
    assert_true(last == 1);
    json_t *line;
    struct err err;
    assert_ok(json_parse(slice_trim(buf_slice(&out)), &line, &err), &err);
    assert_slice(json_text_at(line, "verb"), "update");
    assert_slice(json_text_at(line, "name"), "a\"b");
    assert_slice(json_text_at(line, "uid"), "u1");
    assert_slice(json_text_at(line, "version"), "77");
    assert_slice(json_text_at(line, "epoch"), "c/1/2/7");
    assert_slice(json_text_at(line, "agent"), "choreod/c/1/2/8");
    assert_slice(json_text_at(line, "user"), "admin");
    json_decref(line);
    buf_clear(&out);
    record_read(&r, 1, &out, &last);
    assert_true(out.len == 0 && last == 1);
    buf_free(&out);
    record_free(&r);
}

static void the_newest_lines_are_kept(void **state)
{
    (void)state;
    struct record r;
    struct buf out = {0};
    uint64_t last;
    record_init(&r);
    for (uint64_t i = 0; i < RECORD_LINES + 10; i++) {
        add(&r, i + 1);
    }
    record_read(&r, 0, &out, &last);
    assert_true(slice_starts_with(buf_slice(&out), SLICE("{\"seq\":11,")));
    assert_true(out.len <= RECORD_READ_BYTES);
    uint64_t before = last;
    buf_clear(&out);
    record_read(&r, before, &out, &last); /* a long record is read in pieces */
    assert_true(last > before);
    buf_clear(&out);
    record_read(&r, RECORD_LINES + 9, &out, &last);
    assert_true(last == RECORD_LINES + 10);
    buf_free(&out);
    record_free(&r);
}

static int set(struct faults *f, const char *text, struct err *err)
{
    json_t *tree;
    assert_ok(json_parse(slice_of(text), &tree, err), err);
    int rc = faults_set(f, tree, err);
    json_decref(tree);
    return rc;
}

static void faults_are_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    struct faults f = {0};
    struct err err;
    assert_ok(set(&f, "{\"latencyMs\":7,\"errorRate\":0.25,\"errorCodes\":[409,429]}", &err), &err);
    assert_int_equal(atomic_load(&f.latency_ms), 7);
    assert_int_equal(atomic_load(&f.error_per_mille), 250);
    assert_int_equal(atomic_load(&f.error_codes), FAULT_409 | FAULT_429);
    static const struct {
        const char *text;
        const char *field;
    } bad[] = {{"{\"latencyMs\":9,\"errorRate\":1.5}", "errorRate"},
               {"{\"latencyMs\":-1}", "latencyMs"},
               {"{\"jitterMs\":\"x\"}", "jitterMs"},
               {"{\"latencyMs\":9,\"errorCodes\":[418]}", "errorCodes"},
               {"{\"errorCodes\":[]}", "errorCodes"},
               {"{\"downMs\":99999999999}", "downMs"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int rc = set(&f, bad[i].text, &err);
        assert_err(rc, &err, ERR_INVALID, bad[i].field);
    }
    assert_int_equal(atomic_load(&f.latency_ms), 7);
    json_t *told = faults_get(&f);
    assert_int_equal(json_integer_value(json_object_get(told, "latencyMs")), 7);
    assert_int_equal(json_array_size(json_object_get(told, "errorCodes")), 2);
    json_decref(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_tell_who_did_what_under_which_epoch),
        cmocka_unit_test(the_newest_lines_are_kept),
        cmocka_unit_test(faults_are_taken_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
