/* fields.c: one way to take bytes, and what they mean. */
#include "raft/fields.h"

struct fields fields_of(struct slice bytes)
{
    return (struct fields){.rest = bytes, .ok = true};
}

struct slice fields_bytes(struct fields *f, size_t len)
{
    if (!f->ok || f->rest.len < len) {
        f->ok = false;
        return (struct slice){0};
    }
    struct slice bytes = slice_sub(f->rest, 0, len);
    f->rest = slice_sub(f->rest, len, SIZE_MAX);
    return bytes;
}

uint8_t fields_u8(struct fields *f)
{
    struct slice bytes = fields_bytes(f, 1);
    return bytes.len > 0 ? (uint8_t)bytes.data[0] : 0;
}

uint32_t fields_be32(struct fields *f)
{
    struct slice bytes = fields_bytes(f, 4);
    return bytes.len > 0 ? be32_get(bytes.data) : 0;
}

uint64_t fields_be64(struct fields *f)
{
    struct slice bytes = fields_bytes(f, 8);
    return bytes.len > 0 ? be64_get(bytes.data) : 0;
}
