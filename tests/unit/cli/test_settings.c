/* The file of contexts: where it is looked for, what it says, what is wrong with it; and choosing.
 */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/yaml.h"
#include "cli/settings.h"
#include "tests/lib/tmpdir.h"

static const char two[] = "current-context: dev\n"
                          "contexts:\n"
                          "- name: dev\n"
                          "  endpoints: [https://127.0.0.1:7443, https://127.0.0.1:7453]\n"
                          "  certificateAuthorityData: Q0EK\n"
                          "  token: secret\n"
                          "  namespace: acme\n"
                          "- name: prod\n"
                          "  endpoints: [https://cp.example.com:7443]\n"
                          "  clientCertificateData: Q1JUCg==\n"
                          "  clientKeyData: S0VZCg==\n";

struct fixture {
    struct tmpdir tmp;
    struct settings settings;
    struct err err;
    char *cwd;
};

static int setup(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->tmp);
    f->cwd = getcwd(NULL, 0);
    assert_int_equal(chdir(f->tmp.path), 0);
    assert_int_equal(setenv("HOME", f->tmp.path, 1), 0);
    assert_int_equal(unsetenv("CHOREO_CONFIG"), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(chdir(f->cwd), 0);
    free(f->cwd);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static const char *write_file(struct fixture *f, const char *text)
{
    return tmpdir_write(&f->tmp, "c.yaml", slice_of(text));
}

static void a_context_is_read_whole(void **state)
{
    struct fixture *f = *state;
    const char *file = write_file(f, two);
    assert_ok(settings_load(&f->settings, file, NULL, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.context, "dev");
    assert_int_equal(f->settings.endpoint_count, 2);
    assert_string_equal(f->settings.endpoints[1], "https://127.0.0.1:7453");
    assert_slice(buf_slice(&f->settings.ca_pem), "CA\n");
    assert_string_equal(f->settings.token, "secret");
    assert_string_equal(f->settings.ns, "acme");
    assert_string_equal(f->settings.file, file);
    settings_free(&f->settings);
    assert_ok(settings_load(&f->settings, file, "prod", NULL, &f->err), &f->err);
    assert_slice(buf_slice(&f->settings.cert_pem), "CRT\n");
    assert_slice(buf_slice(&f->settings.key_pem), "KEY\n");
    assert_null(f->settings.token);
    assert_string_equal(f->settings.ns, "default");
    settings_free(&f->settings);
}

static void credentials_may_be_files(void **state)
{
    struct fixture *f = *state;
    (void)tmpdir_write(&f->tmp, "ca.crt", SLICE("PEM"));
    const char *file =
        write_file(f, "current-context: a\ncontexts:\n- name: a\n"
                      "  endpoints: [https://a:1]\n  certificateAuthority: ca.crt\n");
    assert_ok(settings_load(&f->settings, file, NULL, NULL, &f->err), &f->err);
    assert_slice(buf_slice(&f->settings.ca_pem), "PEM");
    settings_free(&f->settings);
}

static void an_endpoint_replaces_those_of_the_context(void **state)
{
    struct fixture *f = *state;
    const char *file = write_file(f, two);
    assert_ok(settings_load(&f->settings, file, NULL, "https://x:1", &f->err), &f->err);
    assert_int_equal(f->settings.endpoint_count, 1);
    assert_string_equal(f->settings.endpoints[0], "https://x:1");
    assert_string_equal(f->settings.token, "secret"); /* the rest stays */
    settings_free(&f->settings);
    /* Without any file, too. */
    assert_ok(settings_load(&f->settings, NULL, NULL, "https://x:1", &f->err), &f->err);
    assert_string_equal(f->settings.ns, "default");
    settings_free(&f->settings);
}

/* Each place is used only if those before it have nothing. */
static void the_file_is_looked_for_in_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(".choreod", 0700), 0);
    (void)tmpdir_write(&f->tmp, ".choreod/choreo.yaml", slice_of(two));
    assert_ok(settings_open(&f->settings, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.file, ".choreod/choreo.yaml");
    settings_free(&f->settings);

    assert_int_equal(mkdir(".config", 0700), 0);
    assert_int_equal(mkdir(".config/choreo", 0700), 0);
    const char *own = tmpdir_write(&f->tmp, ".config/choreo/config.yaml", slice_of(two));
    assert_ok(settings_open(&f->settings, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.file, own);
    settings_free(&f->settings);

    const char *named = write_file(f, two);
    assert_int_equal(setenv("CHOREO_CONFIG", named, 1), 0);
    assert_ok(settings_open(&f->settings, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.file, named);
    settings_free(&f->settings);

    const char *given = tmpdir_write(&f->tmp, "given.yaml", slice_of(two));
    assert_ok(settings_open(&f->settings, given, &f->err), &f->err);
    assert_string_equal(f->settings.file, given);
    settings_free(&f->settings);

    assert_int_equal(setenv("CHOREO_CONFIG", "", 1), 0); /* as if it were not set */
    assert_ok(settings_open(&f->settings, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.file, own);
    settings_free(&f->settings);
}

static void without_any_file_it_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    assert_err(settings_load(&f->settings, NULL, NULL, NULL, &f->err), &f->err, ERR_NOT_FOUND,
               "`choreod dev`");
    assert_err(settings_open(&f->settings, NULL, &f->err), &f->err, ERR_NOT_FOUND, "CHOREO_CONFIG");
    assert_err(settings_load(&f->settings, "absent.yaml", NULL, NULL, &f->err), &f->err,
               ERR_NOT_FOUND, "absent.yaml");
    assert_err(settings_load(&f->settings, f->tmp.path, NULL, NULL, &f->err), &f->err, ERR_IO,
               f->tmp.path); /* a directory */
}

static void refused(struct fixture *f, const char *text, int code, const char *message)
{
    const char *file = write_file(f, text);
    assert_err(settings_load(&f->settings, file, NULL, NULL, &f->err), &f->err, code, message);
    assert_non_null(strstr(f->err.message, "c.yaml"));
}

static void what_is_wrong_is_named(void **state)
{
    struct fixture *f = *state;
    refused(f, "a: [\n", ERR_INVALID, "c.yaml:");
    refused(f, "contexts: []\n", ERR_INVALID, "no current-context: choreo context use NAME");
    refused(f, "current-context: b\ncontexts:\n- name: a\n", ERR_NOT_FOUND, "no context named b");
    refused(f, "current-context: a\ncontexts:\n- name: a\n", ERR_INVALID, "has no endpoints");
    refused(f, "current-context: a\ncontexts:\n- name: a\n  endpoints: [http://a:1]\n", ERR_INVALID,
            "endpoints[0]: must be https://HOST:PORT");
    refused(f,
            "current-context: a\ncontexts:\n- name: a\n  endpoints: [https://a:1]\n"
            "  certificateAuthorityData: '%%'\n",
            ERR_INVALID, "context a: certificateAuthorityData: not base64");
    refused(f,
            "current-context: a\ncontexts:\n- name: a\n  endpoints: [https://a:1]\n"
            "  clientKey: absent.key\n",
            ERR_NOT_FOUND, "absent.key");
    const char *file = write_file(f, two);
    assert_err(settings_load(&f->settings, file, "none", NULL, &f->err), &f->err, ERR_NOT_FOUND,
               "no context named none");
    /* A token is never sent in the clear. */
    assert_err(settings_load(&f->settings, file, NULL, "http://x:1", &f->err), &f->err, ERR_INVALID,
               "--endpoint http://x:1: must be https://");
}

static void contexts_are_listed_and_chosen(void **state)
{
    struct fixture *f = *state;
    /* Neither the current context nor its credentials need be there. */
    const char *file = write_file(f, "contexts:\n- name: a\n  clientKey: absent.key\n- name: b\n"
                                     "  endpoints: [https://b:1]\n- 7\n");
    struct args_list names = {0};
    assert_ok(settings_open(&f->settings, file, &f->err), &f->err);
    assert_null(f->settings.context);
    settings_contexts(&f->settings, &names);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[1], "b");
    assert_err(settings_use(&f->settings, "c", &f->err), &f->err, ERR_NOT_FOUND,
               "no context named c");
    assert_ok(settings_use(&f->settings, "b", &f->err), &f->err);
    settings_free(&f->settings);
    assert_ok(settings_load(&f->settings, file, NULL, NULL, &f->err), &f->err);
    assert_string_equal(f->settings.context, "b");
    assert_string_equal(f->settings.endpoints[0], "https://b:1");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    settings_free(&f->settings);
}

static void a_file_that_cannot_be_written_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir("d", 0700), 0);
    const char *file = tmpdir_write(&f->tmp, "d/c.yaml", slice_of(two));
    assert_ok(settings_open(&f->settings, file, &f->err), &f->err);
    assert_int_equal(unlink("d/c.yaml"), 0);
    assert_int_equal(rmdir("d"), 0);
    int rc = settings_use(&f->settings, "prod", &f->err);
    assert_int_not_equal(rc, 0);
    assert_non_null(strstr(f->err.message, "d/c.yaml"));
    settings_free(&f->settings);
}

int main(void)
{
#define SETTINGS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(a_context_is_read_whole),
        SETTINGS_TEST(credentials_may_be_files),
        SETTINGS_TEST(an_endpoint_replaces_those_of_the_context),
        SETTINGS_TEST(the_file_is_looked_for_in_order),
        SETTINGS_TEST(without_any_file_it_says_what_to_do),
        SETTINGS_TEST(what_is_wrong_is_named),
        SETTINGS_TEST(contexts_are_listed_and_chosen),
        SETTINGS_TEST(a_file_that_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
