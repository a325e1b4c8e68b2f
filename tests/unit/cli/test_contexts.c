/* The file of contexts: found, edited, written for its owner alone; and one context resolved. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/json.h"
#include "cli/settings.h"
#include "tests/lib/tmpdir.h"

struct fixture {
    struct tmpdir dir;
    struct contexts contexts;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tmpdir_remove(&f->dir);
    free(f);
    return 0;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void made_changed_kept(void **state)
{
    struct fixture *f = *state;
    struct contexts *c = &f->contexts;
    const char *file = tmpdir_path(&f->dir, "new/config.yaml");
    assert_ok(contexts_open(c, file, &f->err), &f->err);
    assert_false(c->found);
    assert_null(contexts_current(c));
    json_object_set_new(contexts_need(c, "one"), "token", json_string("secret"));
    (void)contexts_need(c, "two");
    assert_string_equal(contexts_current(c), "one"); /* the first */
    assert_err(contexts_use(c, "three", &f->err), &f->err, ERR_NOT_FOUND, "there are: one, two");
    assert_ok(contexts_use(c, "two", &f->err), &f->err);
    assert_ok(contexts_save(c, &f->err), &f->err);
    contexts_free(c);
    assert_int_equal(mode_of(file), 0600);
    assert_int_equal(mode_of(tmpdir_path(&f->dir, "new")), 0700);

    assert_ok(contexts_open(c, file, &f->err), &f->err);
    assert_true(c->found);
    assert_string_equal(contexts_current(c), "two");
    assert_ptr_equal(contexts_need(c, "one"), contexts_find(c, "one"));
    assert_slice(json_text_at(contexts_find(c, "one"), "token"), "secret");
    assert_ok(contexts_remove(c, "two", &f->err), &f->err);
    assert_null(contexts_current(c)); /* never one that is gone */
    assert_err(contexts_remove(c, "two", &f->err), &f->err, ERR_NOT_FOUND, "there are: one");
    assert_int_equal(json_array_size(contexts_list(c)), 1);
    contexts_free(c);
}

static void files_that_are_wrong(void **state)
{
    struct fixture *f = *state;
    const char *list = tmpdir_write(&f->dir, "list", SLICE("[1]\n"));
    const char *bad = tmpdir_write(&f->dir, "bad", SLICE("a: [\n"));
    const char *empty = tmpdir_write(&f->dir, "empty", SLICE("\n"));
    assert_err(contexts_open(&f->contexts, list, &f->err), &f->err, ERR_INVALID, "not a file of");
    assert_err(contexts_open(&f->contexts, bad, &f->err), &f->err, ERR_INVALID, "bad:");
    assert_ok(contexts_open(&f->contexts, empty, &f->err), &f->err);
    assert_null(contexts_list(&f->contexts));
    contexts_free(&f->contexts);
    assert_err(contexts_open(&f->contexts, f->dir.path, &f->err), &f->err, ERR_IO, f->dir.path);
}

static void resolved(void **state)
{
    struct fixture *f = *state;
    struct settings s;
    const struct args_list none = {0};
    const struct args_list other = {.items = {"https://other:1/"}, .count = 1};
    const char *file = tmpdir_write(
        &f->dir, "c",
        SLICE("current-context: a\ncontexts:\n"
              "  - {name: a, endpoints: ['https://x:1', 'https://y:2'], token: t, "
              "namespace: acme, certificateAuthorityData: aGk=}\n"
              "  - {name: b, endpoints: ['http://x:1']}\n"
              "  - {name: c}\n"
              "  - {name: d, endpoints: ['https://x'], certificateAuthorityData: '%'}\n"
              "  - {name: e, endpoints: ['https://x'], clientKey: /nonexistent}\n"));
    assert_ok(settings_load(&s, file, NULL, &none, &f->err), &f->err);
    assert_int_equal(s.endpoint_count, 2);
    assert_string_equal(s.endpoints[1], "https://y:2");
    assert_string_equal(s.ns, "acme");
    assert_string_equal(s.token, "t");
    assert_slice(buf_slice(&s.ca_pem), "hi");
    settings_free(&s);
    assert_ok(settings_load(&s, file, NULL, &other, &f->err), &f->err);
    assert_int_equal(s.endpoint_count, 1);
    assert_string_equal(s.endpoints[0], "https://other:1");
    settings_free(&s);
    assert_err(settings_load(&s, file, "b", &none, &f->err), &f->err, ERR_INVALID, "https://HOST");
    assert_err(settings_load(&s, file, "c", &none, &f->err), &f->err, ERR_INVALID, "no endpoints");
    assert_err(settings_load(&s, file, "d", &none, &f->err), &f->err, ERR_INVALID, "not base64");
    assert_err(settings_load(&s, file, "e", &none, &f->err), &f->err, ERR_NOT_FOUND, "nonexistent");
    assert_err(settings_load(&s, file, "z", &none, &f->err), &f->err, ERR_NOT_FOUND,
               "no context named z");
    assert_err(settings_load(&s, tmpdir_path(&f->dir, "no"), NULL, &none, &f->err), &f->err,
               ERR_NOT_FOUND, "no: no such file");
    const char *unset = tmpdir_write(&f->dir, "unset", SLICE("contexts: []\n"));
    assert_err(settings_load(&s, unset, NULL, &none, &f->err), &f->err, ERR_INVALID,
               "no current-context");
    /* endpoints alone are enough, where there is no file */
    assert_ok(settings_load(&s, tmpdir_path(&f->dir, "no"), NULL, &other, &f->err), &f->err);
    assert_string_equal(s.ns, "default");
    settings_free(&s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(made_changed_kept), T(files_that_are_wrong), T(resolved)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
