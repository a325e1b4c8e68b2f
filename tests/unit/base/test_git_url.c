/* Addresses of repositories: what people write, what forges send, and what is refused; refs. */
#include "tests/lib/test.h"

#include "base/git_url.h"

static void test_forms_of_an_address(void **state)
{
    static const struct {
        const char *text;
        const char *shown; /* NULL: refused */
    } cases[] = {
        {"github.com/acme/shop", "https://github.com/acme/shop"},
        {"https://GitHub.com/acme/Shop.git", "https://github.com/acme/Shop.git"},
        {"HTTPS://github.com:443/acme/shop/", "https://github.com/acme/shop"},
        {"http://git.example.com:8080/a/b/c", "http://git.example.com:8080/a/b/c"},
        {"git@github.com:acme/shop.git", "ssh://github.com/acme/shop.git"},
        {"git@example.com:/srv/shop.git", "ssh://example.com/srv/shop.git"},
        {"ssh://git@example.com:2222/acme/shop", "ssh://example.com:2222/acme/shop"},
        {"git+ssh://git@example.com/acme/shop", "ssh://example.com/acme/shop"},
        {"https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"},
        {"localhost:3000/x", "https://localhost:3000/x"},
        {" github.com/acme/shop\n", "https://github.com/acme/shop"},
        {"", NULL},
        {"github.com", NULL},
        {"https://github.com/", NULL},
        {"https:///acme", NULL},
        {"https://github.com:0/x", NULL},
        {"https://github.com:65536/x", NULL},
        {"https://git hub.com/x", NULL},
        {"https://github.com/a b", NULL},
        {"https://github.com/a/../b", NULL},
        {"https://github.com/a?b=c", NULL},
        {"https://github.com/a#b", NULL},
        {"https://user:secret@github.com/a", NULL},
        {"https://token@github.com/a", NULL},
        {"file:///etc/passwd", NULL},
        {"ftp://example.com/x", NULL},
        {"https://github.com/a\r\nHost: b", NULL},
        {"https://[::1/x", NULL},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct git_url u;
        struct err err;
        struct buf text = {0};
        int rc = git_url_parse(slice_of(cases[i].text), &arena, &u, &err);
        if (cases[i].shown == NULL) {
            assert_err(rc, &err, ERR_INVALID, "");
            assert_true(slice_find(slice_of(err.message), SLICE("secret@")) == SIZE_MAX);
        } else {
            assert_ok(rc, &err);
            git_url_text(&u, &text);
            assert_slice(buf_slice(&text), cases[i].shown);
        }
        buf_free(&text);
    }
    arena_free(&arena);
}

static void test_what_is_one_repository(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } cases[] = {
        {"github.com/acme/shop", "git@github.com:Acme/Shop.git", true},
        {"https://git.example.com:8443/a/b.git", "ssh://git@git.example.com:2222/a/b", true},
        {"https://git.example.com:8443/a/b", "https://git.example.com/a/b", false},
        {"http://git.example.com/a/b", "https://git.example.com/a/b", true},
        {"github.com/acme/shop", "github.com/acme/shop2", false},
        {"github.com/acme/shop", "gitlab.com/acme/shop", false},
        {"github.com/acme/.git", "github.com/acme/", false},
    };
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct git_url a;
        struct git_url b;
        struct err err;
        assert_ok(git_url_parse(slice_of(cases[i].a), &arena, &a, &err), &err);
        assert_ok(git_url_parse(slice_of(cases[i].b), &arena, &b, &err), &err);
        assert_int_equal(git_url_same(&a, &b), cases[i].same);
        assert_int_equal(git_url_same(&b, &a), cases[i].same);
    }
    arena_free(&arena);
}

static void test_names_of_refs(void **state)
{
    static const char *const good[] = {"main", "feature/a-b", "v1.0", "refs/heads/x", "a@b", "ä"};
    static const char *const bad[] = {
        "",    "a b",  "a..b", "-a",  "/a",   "a/",   "a.lock", "a~b", "a^",    "a:b", "a?",  "a*b",
        "a[b", "a\\b", "@",    "a@{", "a//b", "a/.b", ".a",     "a.",  "a\x7f", "a\n", "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(git_ref_valid(slice_of(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(git_ref_valid(slice_of(bad[i])));
    }
    assert_true(git_commit_valid(SLICE("0123456789abcdef0123456789abcdef01234567")));
    assert_false(git_commit_valid(SLICE("0123456789ABCDEF0123456789abcdef01234567")));
    assert_false(git_commit_valid(SLICE("0123456789abcdef")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_an_address),
        cmocka_unit_test(test_what_is_one_repository),
        cmocka_unit_test(test_names_of_refs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
