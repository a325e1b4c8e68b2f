/* Any answer of a git server, in any pieces: it is read or refused, the same however it was cut,
 * and what is found is a commit under a name that was asked for. What is written is read again. */
#include <string.h>

#include "base/git_wire.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
    int rc;
    struct git_wire wire;
};

static struct outcome read_in(struct slice in, enum git_wire_body body, size_t step)
{
    struct outcome o = {0};
    struct err err = {0};
    git_wire_init(&o.wire, body, SLICE("main"));
    while (o.rc == 0 && in.len > 0) {
        o.rc = git_wire_feed(&o.wire, slice_sub(in, 0, step), &err);
        in = slice_sub(in, step, SIZE_MAX);
    }
    o.rc = o.rc == 0 ? git_wire_end(&o.wire, &err) : o.rc;
    PROPERTY(o.rc == 0 || o.rc == ERR_UNPROCESSABLE || o.rc == ERR_UNAVAILABLE);
    PROPERTY(o.rc == 0 || err.message[0] != '\0');
    PROPERTY(o.wire.line.len <= GIT_PKT_MAX);
    git_wire_free(&o.wire);
    return o;
}

static void check_urls(struct slice in)
{
    struct arena arena = {0};
    struct git_url url;
    struct git_url again;
    struct buf text = {0};
    struct err err;
    if (git_url_parse(in, &arena, &url, &err) == 0) {
        git_url_text(&url, &text);
        PROPERTY(git_url_parse(buf_slice(&text), &arena, &again, &err) == 0);
        PROPERTY(git_url_same(&url, &again) && url.scheme == again.scheme);
    }
    buf_free(&text);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);
    for (int body = GIT_WIRE_INFO; body <= GIT_WIRE_REFS; body++) {
        struct outcome whole = read_in(in, (enum git_wire_body)body, SIZE_MAX);
        struct outcome bytes = read_in(in, (enum git_wire_body)body, 1);
        struct outcome odd = read_in(in, (enum git_wire_body)body, 7);
        PROPERTY(whole.rc == bytes.rc && whole.rc == odd.rc);
        PROPERTY(strcmp(whole.wire.commit, bytes.wire.commit) == 0);
        PROPERTY(whole.wire.ref_count == odd.wire.ref_count);
        if (whole.wire.commit[0] != '\0') {
            PROPERTY(git_commit_valid(slice_of(whole.wire.commit)));
            PROPERTY(strcmp(whole.wire.name, "refs/heads/main") == 0 ||
                     strcmp(whole.wire.name, "refs/tags/main") == 0);
        }
    }
    check_urls(in);
    return 0;
}
