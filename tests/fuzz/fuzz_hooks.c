/* Any body of any provider's push: it is read or refused, and what is read names commits, a
 * repository, and branches or tags that can be. Without the lists of files it is a body still. The
 * first byte says whose it is. */
#include "base/git_url.h"
#include "node/api/hooks/payload.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct hook_payload *p)
{
    PROPERTY(p->url_count > 0 && p->url_count <= HOOK_URLS_MAX);
    PROPERTY(p->push_count > 0 && p->push_count <= HOOK_PUSHES_MAX);
    for (size_t i = 0; i < p->push_count; i++) {
        const struct hook_push *push = &p->pushes[i];
        if (!push->deleted) {
            PROPERTY(git_commit_valid(push->commit));
            PROPERTY(git_ref_valid(push->branch.len > 0 ? push->branch : push->tag));
        }
        PROPERTY(hook_touches(push, (struct slice){0}));
        (void)hook_touches(push, SLICE("web"));
    }
}

static void check_thin(struct slice body, bool is_json)
{
    struct buf thin = {0};
    json_t *tree = NULL;
    struct err err;
    hook_thin(body, &thin);
    PROPERTY(thin.len <= body.len + (body.len > 0 ? 1 : 0));
    PROPERTY(!is_json || json_parse_body(buf_slice(&thin), &tree, &err) == 0);
    json_decref(tree);
    buf_free(&thin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hook_payload payload;
    struct err err = {0};
    json_t *tree;
    if (size == 0) {
        return 0;
    }
    struct slice body = slice_make(data + 1, size - 1);
    bool is_json = json_parse_body(body, &tree, &err) == 0;
    check_thin(body, is_json);
    if (!is_json) {
        return 0;
    }
    enum hook_provider provider = data[0] == 'g'   ? HOOK_GITHUB
                                  : data[0] == 'l' ? HOOK_GITLAB
                                                   : HOOK_BITBUCKET;
    struct slice event = data[0] == 'g'   ? SLICE("push")
                         : data[0] == 'l' ? SLICE("Push Hook")
                         : data[0] == 's' ? SLICE("repo:refs_changed")
                                          : SLICE("repo:push");
    int rc = hook_read(provider, event, tree, &payload, &err);
    PROPERTY(rc == 0 || (rc == ERR_INVALID && err.message[0] != '\0'));
    if (rc == 0) {
        check(&payload);
    }
    json_decref(tree);
    return 0;
}
