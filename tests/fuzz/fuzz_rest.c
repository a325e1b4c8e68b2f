/* Any text as a path, a query, an Accept header, a continue token and a Kubernetes protobuf body:
 * each is understood or refused with a message; what is understood lies within its bounds. */
#include <string.h>

#include "node/api/rest/kube_proto.h"
#include "node/api/rest/path.h"
#include "node/api/page_token.h"
#include "tests/fuzz/fuzz.h"

static void check_path(struct slice text, struct arena *arena)
{
    struct rest_path p;
    struct err err = {0};
    if (text.len == 0 || text.data[0] != '/') {
        return; /* the server routes no others */
    }
    if (rest_path_parse(text, arena, &p, &err) != 0) {
        PROPERTY(err.code == ERR_NOT_FOUND && err.message[0] != '\0');
        return;
    }
    bool objects = p.kind == REST_PATH_OBJECTS;
    PROPERTY(objects == (p.plural.len != 0));
    PROPERTY(p.sub.len == 0 || p.name.len != 0);
    PROPERTY(p.ns.len == 0 || memchr(p.ns.data, '\0', p.ns.len) == NULL);
}

static void check_query(struct slice text, struct arena *arena)
{
    struct rest_query q;
    struct err err = {0};
    if (rest_query_parse(text, arena, &q, &err) != 0) {
        PROPERTY((err.code == ERR_INVALID || err.code == ERR_UNPROCESSABLE) &&
                 err.message[0] != '\0');
    }
}

static void check_accept(struct slice text)
{
    struct rest_accept a;
    struct err err = {0};
    static const unsigned masks[] = {1, 7, 9}; /* the plain object is always allowed */
    for (size_t i = 0; i < 3; i++) {
        unsigned allowed = masks[i];
        if (rest_accept_parse(text, allowed, &a, &err) == 0) {
            PROPERTY((allowed & (1U << a.form)) != 0);
        } else {
            PROPERTY(err.code == ERR_NOT_ACCEPTABLE);
        }
    }
    (void)rest_media_type(text);
}

static void check_token(struct slice text, struct arena *arena)
{
    const uint8_t key[32] = {1, 2, 3};
    struct page_token token;
    struct err err = {0};
    struct buf made = {0};
    PROPERTY(page_token_read(text, key, SLICE("list"), arena, &token, &err) == ERR_INVALID);
    size_t half = text.len / 2;
    const struct page_token mine = {text.len, slice_sub(text, 0, half < 100 ? half : 100),
                                    slice_sub(text, half, 100)};
    bool keyable = memchr(mine.ns.data != NULL ? mine.ns.data : "", '\0', mine.ns.len) == NULL;
    page_token_write(&mine, key, text, &made);
    if (keyable) {
        PROPERTY(page_token_read(buf_slice(&made), key, text, arena, &token, &err) == 0);
        PROPERTY(token.version == mine.version && slice_eq(token.ns, mine.ns) &&
                 slice_eq(token.name, mine.name));
    }
    buf_free(&made);
}

static void check_body(struct slice bytes, const struct kind *kind)
{
    json_t *tree = NULL;
    struct err err = {0};
    if (kube_proto_decode(kind, bytes, &tree, &err) == 0) {
        PROPERTY(json_is_object(tree));
        json_decref(tree);
    } else {
        PROPERTY(err.message[0] != '\0');
    }
    tree = NULL;
    if (kube_proto_delete_options(bytes, &tree, &err) == 0) {
        PROPERTY(json_is_object(tree));
        json_decref(tree);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry kinds;
    if (kind_registry_count(&kinds) == 0) {
        kind_registry_init(&kinds);
        kind_registry_builtin(&kinds);
    }
    struct slice text = slice_make(data, size);
    struct arena arena = {0};
    check_path(text, &arena);
    check_query(text, &arena);
    check_accept(text);
    check_token(text, &arena);
    check_body(text, kind_by_resource(&kinds, SLICE("configmaps")));
    arena_free(&arena);
    return 0;
}
