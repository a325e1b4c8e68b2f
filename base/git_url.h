/* git_url.h: addresses of git repositories as people and forges write them.
 *
 *   github.com/acme/shop  https://github.com/acme/shop.git  git@github.com:acme/shop.git
 *   ssh://git@github.com:22/acme/shop                                all of one repository
 *
 * Owner: slices are the arena's. Thread: any. */
#ifndef BASE_GIT_URL_H
#define BASE_GIT_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { GIT_URL_MAX = 2048 };
enum git_scheme { GIT_HTTPS, GIT_HTTP, GIT_SSH };

struct git_url {
    enum git_scheme scheme;
    struct slice host; /* lower case, an IPv6 address in brackets */
    uint32_t port;     /* 0: the scheme's */
    struct slice path; /* as written, without slashes at its ends */
};

/* Errors: ERR_INVALID: says what is wrong, and never repeats credentials. */
int git_url_parse(struct slice text, struct arena *arena, struct git_url *out, struct err *err);
/* "https://host[:port]/path", or http:// or ssh://. Appends. */
void git_url_text(const struct git_url *u, struct buf *out);
/* Do both name one repository? ".git" at the end, the case of letters (no forge has two
 * repositories that differ by it) and, between different schemes, ports do not matter. */
bool git_url_same(const struct git_url *a, const struct git_url *b);

/* May a branch or tag be called so (git check-ref-format)? At most GIT_REF_MAX bytes. */
enum { GIT_REF_MAX = 250 };
bool git_ref_valid(struct slice ref);
/* 40 or 64 lower-case hexadecimal digits. */
bool git_commit_valid(struct slice commit);

#endif
