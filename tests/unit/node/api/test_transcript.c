/* The Kubernetes door by transcripts: data/NAME.txt holds requests and what must come back.
 *
 *   > METHOD target           a request; then "> name: value" headers, then "> {body}"
 *   < 200                     its status
 *   < {"exact":"body"}        the body, to the last byte, with uids written as UID
 *   ~ text                    occurs in the answer (head or body)
 *   ! text                    does not
 *   # comment */
#include <stdio.h>

#include "base/file.h"
#include "tests/unit/node/api/door.h"

/* Uids are random: each is written UID. */
static void hide_uids(struct buf *text)
{
    struct buf out = {0};
    struct slice rest = buf_slice(text);
    size_t at;
    while ((at = slice_find(rest, SLICE("\"uid\":\""))) != SIZE_MAX && rest.len >= at + 43) {
        buf_add(&out, slice_sub(rest, 0, at + 7));
        buf_add_cstr(&out, "UID");
        rest = slice_sub(rest, at + 7 + 36, rest.len);
    }
    buf_add(&out, rest);
    buf_free(text);
    *text = out;
}

struct request {
    char method[16];
    char target[512];
    struct buf headers;
    struct buf body;
    bool asked;
};

static void ask(struct door *d, struct request *r)
{
    if (!r->asked && r->method[0] != '\0') {
        r->asked = true;
        door_ask(d, r->method, r->target, buf_cstr(&r->headers),
                 r->body.len != 0 ? buf_cstr(&r->body) : NULL);
        if (door_status(d) == 422) {
            door_says(d, "\"causes\":[{"); /* kubectl prints nothing else of it */
        }
        hide_uids(&d->seen);
    }
}

static void begin(struct request *r, const char *line)
{
    buf_clear(&r->headers);
    buf_clear(&r->body);
    r->asked = false;
    assert_int_equal(sscanf(line, "%15s %511s", r->method, r->target), 2);
}

static bool is_method(const char *text)
{
    static const char *const methods[] = {"GET ", "POST ", "PUT ", "PATCH ", "DELETE ", "HEAD "};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strncmp(text, methods[i], strlen(methods[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void expect(struct door *d, struct request *r, const char *text, int line)
{
    ask(d, r);
    if (text[0] >= '0' && text[0] <= '9') {
        if (door_status(d) != (int)strtol(text, NULL, 10)) {
            fail_msg("line %d: not %s but: %s", line, text, buf_cstr(&d->seen));
        }
        return;
    }
    struct slice body = slice_trim(door_body(d));
    if (!slice_eq(body, slice_of(text))) {
        fail_msg("line %d: not\n%s\nbut\n%.*s", line, text, SLICE_ARG(body));
    }
}

static void play_line(struct door *d, struct request *r, char *text, int line)
{
    char *rest = text[0] != '\0' && text[1] == ' ' ? text + 2 : text + strlen(text);
    switch (text[0]) {
    case '>':
        if (is_method(rest)) {
            begin(r, rest);
        } else if (rest[0] == '{' || rest[0] == '[' || r->body.len != 0) {
            buf_add_cstr(&r->body, rest);
            buf_add_char(&r->body, '\n');
        } else {
            buf_addf(&r->headers, "%s\r\n", rest);
        }
        break;
    case '<':
        expect(d, r, rest, line);
        break;
    case '~':
        ask(d, r);
        door_says(d, rest);
        break;
    case '!':
        ask(d, r);
        door_hides(d, rest);
        break;
    case '#':
    case '\0':
        break;
    default:
        fail_msg("line %d: what is \"%s\"?", line, text);
    }
}

static void play(struct door *d, const char *name)
{
    char path[512];
    struct buf text = {0};
    struct err err;
    struct request r = {{0}};
    (void)snprintf(path, sizeof(path), "%s/%s.txt", TEST_DATA_DIR, name);
    assert_ok(file_read(path, 1024 * 1024, &text, &err), &err);
    struct slice rest = buf_slice(&text);
    struct slice part;
    for (int line = 1; slice_split(&rest, '\n', &part); line++) {
        char *copy = slice_dup(part);
        play_line(d, &r, copy, line);
        free(copy);
    }
    buf_free(&text);
    buf_free(&r.headers);
    buf_free(&r.body);
}

static void objects_are_written_and_read(void **state)
{
    play(*state, "objects");
}

static void errors_are_status_objects(void **state)
{
    play(*state, "errors");
}

static void lists_are_paged_selected_and_tabled(void **state)
{
    play(*state, "lists");
}

static void applies_merge_and_conflict(void **state)
{
    play(*state, "apply");
}

static void discovery_lists_what_is_served(void **state)
{
    play(*state, "discovery");
}

static void reviews_are_answered(void **state)
{
    play(*state, "reviews");
}

static void impersonation_is_for_those_who_may(void **state)
{
    play(*state, "impersonation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, door_setup, door_teardown)
        TEST(objects_are_written_and_read),        TEST(errors_are_status_objects),
        TEST(lists_are_paged_selected_and_tabled), TEST(applies_merge_and_conflict),
        TEST(discovery_lists_what_is_served),      TEST(reviews_are_answered),
        TEST(impersonation_is_for_those_who_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
