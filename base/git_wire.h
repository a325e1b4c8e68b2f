/* git_wire.h: git's wire format: pkt-lines, and the two ways in which a server lists its refs.
 *
 * A reader is fed an answer in pieces of any size and keeps one line and what was found: 20,000
 * refs take no more memory than one. It does no I/O.
 * Owner: the caller; git_wire_free() releases. Thread: any. */
#ifndef BASE_GIT_WIRE_H
#define BASE_GIT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/git_url.h"
#include "base/str.h"

enum { GIT_PKT_MAX = 65520 }; /* with its four digits */

/* ---- writing ---- */

void git_pkt_add(struct buf *out, struct slice line);
void git_pkt_flush(struct buf *out);
/* The request of version 2 that asks for what `ref` can be. */
void git_wire_ask(struct buf *out, struct slice ref, bool sha256);

/* ---- reading ---- */

enum git_wire_body {
    GIT_WIRE_INFO, /* info/refs: says the version; of versions 0 and 1, lists the refs too */
    GIT_WIRE_REFS, /* the answer to git_wire_ask() */
};

struct git_wire {
    /* set by git_wire_init() */
    enum git_wire_body body;
    struct slice wanted; /* borrowed: "" is HEAD, "refs/..." itself, else a branch, else a tag */
    /* results, once git_wire_end() has said that all is well */
    int version;                 /* 0, 1 or 2, of GIT_WIRE_INFO */
    bool sha256;                 /* commits have 64 digits */
    bool has_head;               /* it names a commit: the repository is not empty */
    size_t ref_count;            /* that were listed */
    char commit[65];             /* "": no such ref */
    char name[GIT_REF_MAX + 16]; /* the ref's full name; of HEAD, what that is, if it was said */
    /* private */
    int phase;
    int rank;
    struct buf line;
};

void git_wire_init(struct git_wire *w, enum git_wire_body body, struct slice wanted);
void git_wire_free(struct git_wire *w);
/* Errors: ERR_UNPROCESSABLE (not git's format), or the server's own "ERR ..." line as
 * ERR_UNAVAILABLE. Nothing more may be fed after an error. */
int git_wire_feed(struct git_wire *w, struct slice in, struct err *err);
/* The answer is over. Errors: ERR_UNPROCESSABLE (cut short, or not git's). */
int git_wire_end(struct git_wire *w, struct err *err);

#endif
