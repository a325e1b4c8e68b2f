/* git.h: which commit a branch or tag of a repository is now, over git's smart HTTP protocol.
 *
 * A lookup is one question: started once, ended by exactly one done(). Version 2 of the protocol is
 * asked for just the refs that matter; servers that know only 0 or 1 list all. Nothing is fetched.
 * Redirects are followed to the same scheme or to https, at most GIT_REDIRECTS_MAX, and take no
 * credentials to another host. Addresses of this machine, its link and of metadata services are
 * refused (base/address.h) unless the client says otherwise.
 *
 * Owner:  the user embeds both; a lookup's memory is the user's again from done, a client's from
 *         closed.
 * Thread: the loop's. */
#ifndef BASE_GIT_H
#define BASE_GIT_H

#include "base/fetch.h"
#include "base/git_wire.h"

enum {
    GIT_REDIRECTS_MAX = 3,
    GIT_TIMEOUT_MS = 30 * 1000, /* one lookup, redirects and all */
    GIT_ANSWER_MAX_MB = 64,     /* of one answer, read and not kept */
};

struct git_client {
    struct loop *loop;
    struct fetcher shared; /* private: of lookups without a ca_pem of their own */
    bool allow_local;
    unsigned answer_max_mb; /* GIT_ANSWER_MAX_MB; may be made less */
    struct list lookups;    /* private */
    bool closing;
    void (*closed)(struct git_client *c);
};

struct git_lookup {
    /* set before git_lookup(); borrowed until done */
    struct slice repository; /* with or without https:// */
    struct slice ref;        /* a branch, else a tag; "refs/..." exactly that; "": the default */
    struct slice user;       /* with password; sent over https only */
    struct slice password;
    struct slice ca_pem; /* empty: the system's store */
    void *user_data;
    /* rc 0: commit and name are set. Otherwise err names the repository and the ref, and says what
     * to do. Errors: ERR_INVALID (an address or ref that cannot be, or ssh), ERR_NOT_FOUND (no such
     * repository or ref, an empty repository), ERR_FORBIDDEN (refused: credentials, or a local
     * address), ERR_UNPROCESSABLE (no git server), ERR_BUSY (it asks to come later),
     * ERR_TOO_LARGE, ERR_UNAUTHENTICATED (TLS), ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_CANCELED. */
    void (*done)(struct git_lookup *l, int rc, const struct err *err);
    /* results */
    char commit[65];
    char name[GIT_REF_MAX + 16];  /* "refs/heads/main" */
    uint64_t retry_after_ms;      /* that the server asks for; 0: it says nothing */
    struct git_lookup_impl *impl; /* private */
};

/* Errors: ERR_INTERNAL. */
int git_client_init(struct git_client *c, struct loop *loop, bool allow_local, struct err *err);
/* done follows, never inside this call. */
void git_lookup(struct git_client *c, struct git_lookup *l);
/* done follows with ERR_CANCELED, never inside this call. */
void git_cancel(struct git_lookup *l);
/* Cancels what is under way (each done comes), then calls closed. Once. */
void git_client_close(struct git_client *c, void (*closed)(struct git_client *c));

#endif
