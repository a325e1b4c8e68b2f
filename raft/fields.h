/* fields.h: numbers and bytes out of what a disk or a peer says, which may be cut short.
 *
 * Reading goes on past the end: numbers are 0 then, bytes are none, and `ok` is false. So a record
 * is read as a whole and asked once whether it was there; who finds a value wrong may say so by
 * `ok` too.
 * Owner: the caller; what is read points into the bytes. Thread: any. */
#ifndef RAFT_FIELDS_H
#define RAFT_FIELDS_H

#include "base/str.h"

struct fields {
    struct slice rest;
    bool ok;
};

struct fields fields_of(struct slice bytes);
uint8_t fields_u8(struct fields *f);
uint32_t fields_be32(struct fields *f);
uint64_t fields_be64(struct fields *f);
struct slice fields_bytes(struct fields *f, size_t len);

#endif
