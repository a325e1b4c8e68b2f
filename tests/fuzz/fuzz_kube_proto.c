/* A byte that chooses a kind, and a message of it, wrapped as Kubernetes' clients do: it is read or
 * refused with a reason; what is read can be written as a message again, and reads the same then.
 */
#include "node/api/rest/kube_proto.h"
#include "proto/typed.h"
#include "tests/fuzz/fuzz.h"

static void put_bytes(struct buf *out, char tag, struct slice bytes)
{
    buf_add_char(out, tag);
    for (size_t len = bytes.len; len > 0x7f || (buf_add_char(out, (char)len), false); len >>= 7) {
        buf_add_char(out, (char)((len & 0x7f) | 0x80));
    }
    buf_add(out, bytes);
}

/* "k8s\0" and a runtime.Unknown. */
static void wrap(const struct kind *kind, struct slice message, struct buf *out)
{
    struct buf type = {0};
    put_bytes(&type, 0x0a, kind->api_version);
    put_bytes(&type, 0x12, kind->kind);
    buf_add(out, slice_make("k8s", 4));
    put_bytes(out, 0x0a, buf_slice(&type));
    put_bytes(out, 0x12, message);
    buf_free(&type);
}

static json_t *read(const struct kind *kind, struct slice message)
{
    struct buf body = {0};
    json_t *tree = NULL;
    struct err err = {0};
    wrap(kind, message, &body);
    int rc = kube_proto_decode(kind, buf_slice(&body), &tree, &err);
    PROPERTY(rc == 0 ? json_is_object(tree) : err.message[0] != '\0');
    buf_free(&body);
    return rc == 0 ? tree : NULL;
}

static void check_options(struct slice message)
{
    const struct kind options = {.api_version = SLICE("v1"), .kind = SLICE("DeleteOptions")};
    struct buf body = {0};
    json_t *tree = NULL;
    struct err err = {0};
    wrap(&options, message, &body);
    int rc = kube_proto_delete_options(buf_slice(&body), &tree, &err);
    PROPERTY(rc == 0 ? json_is_object(tree) : err.message[0] != '\0');
    json_decref(tree);
    buf_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kind_registry kinds;
    if (kind_registry_count(&kinds) == 0) {
        kind_registry_init(&kinds);
        kind_registry_builtin(&kinds);
        kind_registry_workloads(&kinds);
    }
    if (size == 0) {
        return 0;
    }
    const struct kind *kind = kind_registry_at(&kinds, data[0] % kind_registry_count(&kinds));
    struct slice message = slice_make(data + 1, size - 1);
    check_options(message);
    json_t *tree = read(kind, message);
    struct buf again = {0};
    struct err err = {0};
    /* What a message may say and no JSON of its kind can (a time out of range) is not written. */
    if (tree != NULL && typed_from_json(kind, tree, &again, &err) == 0) {
        json_t *same = read(kind, buf_slice(&again));
        PROPERTY(same != NULL && json_equal(tree, same));
        json_decref(same);
    }
    buf_free(&again);
    json_decref(tree);
    return 0;
}
