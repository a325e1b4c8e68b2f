/* Tokens: what is accepted, and every way of being refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "node/auth/token.h"

enum { HOUR_MS = 3600 * 1000 };
static const uint64_t now_ms = 1800000000000;

struct fixture {
    struct token_key *key;
    struct arena arena;
    struct buf token;
    struct subject subject;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    assert_int_equal(token_key_new(&f->key, &f->err), 0);
    struct subject ada = {.user = SLICE("ada")};
    assert_true(subject_add_group(&ada, SLICE(GROUP_VIEWER)));
    assert_int_equal(token_issue(f->key, "c1", &ada, now_ms, HOUR_MS, &f->token, &f->err), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    token_key_free(f->key);
    arena_free(&f->arena);
    buf_free(&f->token);
    free(f);
    return 0;
}

static int check(struct fixture *f, const char *cluster, struct slice token, uint64_t at_ms)
{
    return token_check(f->key, cluster, token, at_ms, &f->arena, &f->subject, &f->err);
}

static void refused(struct fixture *f, struct slice token, const char *because)
{
    assert_int_equal(check(f, "c1", token, now_ms), ERR_UNAUTHENTICATED);
    assert_non_null(strstr(f->err.message, because));
}

static void a_token_gives_back_its_subject(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms + 1000), 0);
    assert_true(slice_eq_cstr(f->subject.user, "ada"));
    assert_int_equal(f->subject.group_count, 1);
    assert_true(subject_in(&f->subject, GROUP_VIEWER));
}

static void a_known_token_is_still_checked(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        f->subject = (struct subject){0};
        assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms + 1000), 0);
        assert_true(slice_eq_cstr(f->subject.user, "ada"));
        assert_int_equal(f->subject.group_count, 1);
        assert_true(subject_in(&f->subject, GROUP_VIEWER));
    }
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms + 2 * (uint64_t)HOUR_MS),
                     ERR_UNAUTHENTICATED);
    assert_int_equal(check(f, "c2", buf_slice(&f->token), now_ms), ERR_UNAUTHENTICATED);
    f->token.data[f->token.len - 3] ^= 1;
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms), ERR_UNAUTHENTICATED);
    f->token.data[f->token.len - 3] ^= 1;
    struct token_key *other = NULL; /* most likely where the first one was */
    token_key_free(f->key);
    assert_int_equal(token_key_new(&other, &f->err), 0);
    f->key = other;
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms), ERR_UNAUTHENTICATED);
}

static void a_saved_key_checks_what_it_signed(void **state)
{
    struct fixture *f = *state;
    struct buf saved = {0};
    token_key_save(f->key, &saved);
    struct token_key *again = NULL;
    assert_int_equal(token_key_load(buf_slice(&saved), &again, &f->err), 0);
    assert_int_equal(
        token_check(again, "c1", buf_slice(&f->token), now_ms, &f->arena, &f->subject, &f->err), 0);
    token_key_free(again);
    buf_free(&saved);
}

static void an_expired_token_says_so(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms + HOUR_MS), ERR_UNAUTHENTICATED);
    assert_non_null(strstr(f->err.message, "expired"));
}

static void a_token_of_the_future_says_so(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms - HOUR_MS), ERR_UNAUTHENTICATED);
    assert_non_null(strstr(f->err.message, "clock"));
}

static void a_token_of_another_cluster_says_so(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, "c2", buf_slice(&f->token), now_ms), ERR_UNAUTHENTICATED);
    assert_non_null(strstr(f->err.message, "another cluster"));
}

static void a_token_signed_by_another_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct token_key *other = NULL;
    assert_int_equal(token_key_new(&other, &f->err), 0);
    struct subject ada = {.user = SLICE("ada")};
    struct buf forged = {0};
    assert_int_equal(token_issue(other, "c1", &ada, now_ms, HOUR_MS, &forged, &f->err), 0);
    refused(f, buf_slice(&forged), "signature");
    buf_free(&forged);
    token_key_free(other);
}

static void every_flipped_byte_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i + 1 < f->token.len; i++) { /* the last character holds spare bits */
        char before = f->token.data[i];
        f->token.data[i] = before == 'A' ? 'B' : 'A';
        assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms), ERR_UNAUTHENTICATED);
        f->token.data[i] = before;
    }
}

static void no_other_algorithm_is_tried(void **state)
{
    struct fixture *f = *state;
    const char *headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}", "{\"alg\":\"es256\"}",
                             "{}"};
    struct slice rest = buf_slice(&f->token);
    struct slice head;
    assert_true(slice_split(&rest, '.', &head));
    for (size_t i = 0; i < 4; i++) {
        struct buf token = {0};
        base64url_encode(&token, slice_of(headers[i]));
        buf_addf(&token, ".%.*s", SLICE_ARG(rest));
        refused(f, buf_slice(&token), "not one of choreod's");
        buf_free(&token);
    }
}

static void rubbish_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *rubbish[] = {
        "", ".", "..", "a.b.c", "eyJhbGciOiJFUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9.."};
    for (size_t i = 0; i < 6; i++) {
        refused(f, slice_of(rubbish[i]), "not one of choreod's");
    }
}

static void a_key_of_another_form_is_refused(void **state)
{
    struct fixture *f = *state;
    struct token_key *key = NULL;
    assert_int_equal(token_key_load(SLICE("{}"), &key, &f->err), ERR_INVALID);
    assert_int_equal(token_key_load((struct slice){0}, &key, &f->err), ERR_INVALID);
    assert_string_equal(f->err.message, "token key: it is missing");
    assert_int_equal(token_key_load(SLICE("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), &key, &f->err),
                     ERR_INVALID);
}

static void an_accounts_token_is_bound_to_it(void **state)
{
    struct fixture *f = *state;
    const struct slice audiences[] = {SLICE("vault"), SLICE("c1")};
    const struct token_account robot = {.ns = SLICE("acme"),
                                        .name = SLICE("robot"),
                                        .uid = SLICE("u-1"),
                                        .audiences = audiences,
                                        .audience_count = 2};
    struct buf token = {0};
    assert_int_equal(token_issue_account(f->key, &robot, now_ms, HOUR_MS, &token, &f->err), 0);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        f->subject = (struct subject){0};
        assert_int_equal(check(f, "c1", buf_slice(&token), now_ms), 0);
        assert_true(slice_eq_cstr(f->subject.user, "system:serviceaccount:acme:robot"));
        assert_true(slice_eq_cstr(f->subject.uid, "u-1"));
        assert_true(f->subject.bound);
        assert_int_equal(f->subject.group_count, 2);
        assert_true(subject_in(&f->subject, "system:serviceaccounts"));
        assert_true(subject_in(&f->subject, "system:serviceaccounts:acme"));
    }
    assert_int_equal(check(f, "c1", buf_slice(&token), now_ms + HOUR_MS), ERR_UNAUTHENTICATED);
    assert_int_equal(check(f, "c2", buf_slice(&token), now_ms), ERR_UNAUTHENTICATED);
    assert_int_equal(check(f, "c1", buf_slice(&f->token), now_ms), 0);
    assert_false(f->subject.bound);
    buf_free(&token);
}

static void an_audience_is_asked_about(void **state)
{
    struct fixture *f = *state;
    const struct slice audiences[] = {SLICE("vault"), SLICE("registry")};
    const struct slice wanted[] = {SLICE("other"), SLICE("registry")};
    struct token_audiences asked = {.wanted = wanted, .count = 2};
    const struct token_account robot = {.ns = SLICE("acme"),
                                        .name = SLICE("robot"),
                                        .uid = SLICE("u-1"),
                                        .audiences = audiences,
                                        .audience_count = 2};
    struct buf token = {0};
    assert_int_equal(token_issue_account(f->key, &robot, now_ms, HOUR_MS, &token, &f->err), 0);
    refused(f, buf_slice(&token), "audience"); /* it is not for the API */
    assert_int_equal(token_check_audiences(f->key, buf_slice(&token), &asked, now_ms, &f->arena,
                                           &f->subject, &f->err),
                     0);
    assert_true(!asked.matched[0] && asked.matched[1]);
    asked.count = 1;
    assert_int_equal(token_check_audiences(f->key, buf_slice(&token), &asked, now_ms, &f->arena,
                                           &f->subject, &f->err),
                     ERR_UNAUTHENTICATED);
    asked.count = 2;
    assert_int_equal(token_check_audiences(f->key, buf_slice(&token), &asked, now_ms + HOUR_MS,
                                           &f->arena, &f->subject, &f->err),
                     ERR_UNAUTHENTICATED);
    buf_free(&token);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_token_gives_back_its_subject),
        T(a_known_token_is_still_checked),
        T(a_saved_key_checks_what_it_signed),
        T(an_expired_token_says_so),
        T(a_token_of_the_future_says_so),
        T(a_token_of_another_cluster_says_so),
        T(a_token_signed_by_another_key_is_refused),
        T(every_flipped_byte_is_refused),
        T(no_other_algorithm_is_tried),
        T(rubbish_is_refused),
        T(a_key_of_another_form_is_refused),
        T(an_accounts_token_is_bound_to_it),
        T(an_audience_is_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
