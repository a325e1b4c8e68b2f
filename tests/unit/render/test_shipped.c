/* What is compiled in has a version, which rises with every change of it. UPDATE_GOLDEN=1 adds the
 * lines to render/builtin/versions that are missing: then build again, for the program counts them.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/file.h"
#include "proto/object.h"
#include "render/shipped.h"

#define VERSIONS SOURCE_DIR "/render/builtin/versions"

/* Sixteen digits of what it says, whatever its comments and its order of keys are. */
static void digest_of(const struct shipped *shipped, char out[17])
{
    struct buf text = {0};
    uint8_t digest[SHA256_BYTES];
    json_t *object = shipped_load(shipped);
    json_canonical(object, &text);
    crypto_sha256(buf_slice(&text), digest);
    for (size_t i = 0; i < 8; i++) {
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    json_decref(object);
    buf_free(&text);
}

/* Its last digest, and how many there are. */
static int versions_of(struct slice lines, const char *name, struct slice *last)
{
    struct slice line;
    int count = 0;
    *last = (struct slice){0};
    while (slice_split(&lines, '\n', &line)) {
        struct slice first;
        if (slice_split(&line, ' ', &first) && slice_eq_cstr(first, name)) {
            *last = line;
            count++;
        }
    }
    return count;
}

static void add_line(const char *name, const char *digest)
{
    FILE *file = fopen(VERSIONS, "a");
    assert_non_null(file);
    assert_true(fprintf(file, "%s %s\n", name, digest) > 0);
    assert_int_equal(fclose(file), 0);
}

static void a_change_is_a_new_version(void **state)
{
    struct buf file = {0};
    struct err err = {0};
    (void)state;
    assert_ok(file_read(VERSIONS, SIZE_MAX, &file, &err), &err);
    bool update = getenv("UPDATE_GOLDEN") != NULL;
    for (size_t i = 0; i < shipped_count(); i++) {
        const struct shipped shipped = shipped_at(i);
        char name[128];
        char digest[17];
        struct slice last;
        snprintf(name, sizeof name, "%s/%.*s", shipped.kind, SLICE_ARG(shipped.name));
        digest_of(&shipped, digest);
        int count = versions_of(buf_slice(&file), name, &last);
        if (slice_eq_cstr(last, digest)) {
            assert_int_equal(shipped.version, count);
        } else if (update) {
            add_line(name, digest);
        } else {
            fail_msg("%s was changed: UPDATE_GOLDEN=1 test_render_shipped makes it a new version",
                     name);
        }
    }
    buf_free(&file);
}

static void each_is_what_it_is_called(void **state)
{
    (void)state;
    assert_int_equal(shipped_count(), 12);
    for (size_t i = 0; i < shipped_count(); i++) {
        const struct shipped shipped = shipped_at(i);
        struct shipped found;
        json_t *object = shipped_load(&shipped);
        assert_true(slice_eq_cstr(object_kind(object), shipped.kind));
        assert_true(slice_eq(object_name(object), shipped.name));
        assert_true(shipped_find(slice_of(shipped.kind), shipped.name, &found));
        assert_ptr_equal(found.yaml.data, shipped.yaml.data);
        json_decref(object);
    }
}

static void what_is_not_stored_is_not_found(void **state)
{
    struct shipped shipped;
    (void)state;
    assert_false(shipped_find(SLICE("ClusterTrait"), SLICE("own-policies"), &shipped));
    assert_false(shipped_find(SLICE("ClusterTrait"), SLICE("service"), &shipped));
    assert_false(shipped_find(SLICE("ClusterComponentType"), SLICE("servic"), &shipped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_a_new_version),
        cmocka_unit_test(each_is_what_it_is_called),
        cmocka_unit_test(what_is_not_stored_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
