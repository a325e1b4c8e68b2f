/* accounts.c: looking for the account.
 *
 *   confirmed lately --> read local --- there, same uid --> good
 *        | no                | else
 *        v                   v
 *   read confirmed <---------'  --- there, same uid --> good, and confirmed
 *                               --- else --> it is gone: the token is worth nothing
 *
 * Failure path: a shard that cannot be asked is an error of its own, not a verdict.
 * What was confirmed when stands in a small table per thread, found by a digest; losing an entry
 * costs a round to the leader. */
#include "node/api/accounts.h"

#include <string.h>

#include "base/crypto.h"
#include "proto/object.h"

enum { CONFIRMED_ENTRIES = 256 };

struct confirmed {
    uint8_t digest[SHA256_BYTES];
    uint64_t at_ms; /* of the loop's clock */
    bool used;
};

static _Thread_local struct confirmed table[CONFIRMED_ENTRIES];

const struct subject *account_bound(const struct subject *subject)
{
    const struct subject *asks = subject->really != NULL ? subject->really : subject;
    return asks->bound ? asks : NULL;
}

/* One per api: tests have several in a process, of which each has its accounts. */
static struct confirmed *entry_of(const struct account_check *c, uint8_t digest[SHA256_BYTES])
{
    struct buf text = {0};
    buf_addf(&text, "%p %.*s %.*s", (const void *)c->api, SLICE_ARG(c->subject->user),
             SLICE_ARG(c->subject->uid));
    crypto_sha256(buf_slice(&text), digest);
    buf_free(&text);
    return &table[digest[0] % CONFIRMED_ENTRIES];
}

static bool confirmed_lately(const struct account_check *c)
{
    uint8_t digest[SHA256_BYTES];
    const struct confirmed *e = entry_of(c, digest);
    return e->used && memcmp(e->digest, digest, SHA256_BYTES) == 0 &&
           loop_now_ms(c->loop) - e->at_ms < ACCOUNT_CONFIRM_MS;
}

static void confirm(const struct account_check *c)
{
    uint8_t digest[SHA256_BYTES];
    struct confirmed *e = entry_of(c, digest);
    memcpy(e->digest, digest, SHA256_BYTES);
    e->at_ms = loop_now_ms(c->loop);
    e->used = true;
}

/* The token's own account, and not about to go. */
static bool is_the_one(const struct account_check *c)
{
    struct slice value; /* as it stands in JSON, quoted */
    return !json_scan(c->get.object.body, &value, "metadata", "deletionTimestamp", NULL) &&
           json_scan(c->get.object.body, &value, "metadata", "uid", NULL) && value.len >= 2 &&
           slice_eq(slice_sub(value, 1, value.len - 2), c->subject->uid);
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct account_check *c = get->user;
    bool confirmed = get->consistency == BACKEND_LINEARIZABLE;
    struct err gone;
    if (rc != 0 && rc != ERR_NOT_FOUND) {
        c->done(c, rc, err);
    } else if (rc == 0 && is_the_one(c)) {
        if (confirmed) {
            confirm(c);
        }
        c->done(c, 0, NULL);
    } else if (!confirmed) {
        get->consistency = BACKEND_LINEARIZABLE;
        c->api->backend->ops->get(c->api->backend, get);
    } else {
        rc = err_set(&gone, ERR_UNAUTHENTICATED,
                     "the service account of the token, %.*s, has been deleted",
                     SLICE_ARG(slice_sub(c->subject->user, 0, 300)));
        c->done(c, rc, &gone);
    }
}

void account_check_start(struct account_check *c)
{
    c->get = (struct backend_get){
        .loop = c->loop,
        .key = {.resource = SLICE("serviceaccounts")},
        .consistency = confirmed_lately(c) ? BACKEND_STALE : BACKEND_LINEARIZABLE,
        .deadline_ms = loop_now_ms(c->loop) + c->api->config.timeout_ms,
        .user = c,
        .done = on_got,
    };
    (void)subject_account(c->subject->user, &c->get.key.ns, &c->get.key.name);
    c->api->backend->ops->get(c->api->backend, &c->get);
}
