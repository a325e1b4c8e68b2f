/* impersonation.c: from the headers to another subject.
 *
 * Happy path: the headers are gathered into the subject that is asked for, then everything that it
 * consists of is asked about, in the name of who really asks.
 * Failure path: the first thing that is not allowed is the answer, in Kubernetes' sentence.
 * Invariant: nothing of who really asks, no group and no uid, is left in the other. */
#include "node/api/impersonation.h"

#include <string.h>

#include "node/http/uri.h"

enum { EXTRAS_MAX = 32 };

#define EXTRA_PREFIX "impersonate-extra-"

struct wanted {
    struct subject subject;
    struct subject_extra extras[EXTRAS_MAX];
    bool any; /* of the headers is there */
};

static int too_many(struct err *err, const char *what, int most)
{
    return err_set(err, ERR_INVALID, "more than %d %s to impersonate", most, what);
}

static int take_extra(struct http_stream *s, const struct http_header *h, struct wanted *w,
                      struct err *err)
{
    struct slice key = slice_sub(h->name, strlen(EXTRA_PREFIX), SIZE_MAX);
    struct subject_extra *extra = &w->extras[w->subject.extra_count];
    if (w->subject.extra_count == EXTRAS_MAX) {
        return too_many(err, "values of extra", EXTRAS_MAX);
    }
    if (key.len == 0 || !uri_decode(key, false, &s->arena, &extra->key)) {
        return err_set(err, ERR_INVALID, "a header " EXTRA_PREFIX "KEY without a proper key");
    }
    extra->value = h->value;
    w->subject.extra_count++;
    return 0;
}

static int gather(struct http_stream *s, struct wanted *w, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->header_count; i++) {
        const struct http_header *h = &s->headers[i];
        if (!slice_starts_with(h->name, SLICE("impersonate-"))) {
            continue;
        }
        bool known = true;
        if (slice_eq_cstr(h->name, "impersonate-user")) {
            w->subject.user = h->value;
        } else if (slice_eq_cstr(h->name, "impersonate-uid")) {
            w->subject.uid = h->value;
        } else if (slice_eq_cstr(h->name, "impersonate-group")) {
            rc = subject_add_group(&w->subject, h->value)
                     ? 0
                     : too_many(err, "groups", SUBJECT_GROUPS_MAX);
        } else if (slice_starts_with(h->name, SLICE(EXTRA_PREFIX))) {
            rc = take_extra(s, h, w, err);
        } else {
            known = false;
        }
        w->any = w->any || known;
    }
    w->subject.extras = w->extras;
    if (rc == 0 && w->any && w->subject.user.len == 0) {
        return err_set(err, ERR_INVALID,
                       "groups, a uid or extra cannot be impersonated without a user "
                       "(Impersonate-User)");
    }
    return rc;
}

/* ---- whether that is allowed ---- */

struct asking {
    struct api *api;
    const struct subject *subject; /* who really asks */
    struct err *err;
};

static int may(const struct asking *a, const struct auth_request *about)
{
    struct auth_request request = *about;
    request.subject = a->subject;
    request.verb = SLICE("impersonate");
    return api_authorize(a->api, &request, a->err);
}

static int may_user(const struct asking *a, struct slice user)
{
    struct slice ns;
    struct slice name;
    if (subject_account(user, &ns, &name)) {
        return may(a, &(struct auth_request){
                          .resource = SLICE("serviceaccounts"), .ns = ns, .name = name});
    }
    return may(a, &(struct auth_request){.resource = SLICE("users"), .name = user});
}

static int may_all(const struct asking *a, const struct subject *wanted)
{
    const struct slice identity = SLICE("authentication.k8s.io");
    int rc = may_user(a, wanted->user);
    for (size_t i = 0; rc == 0 && i < wanted->group_count; i++) {
        rc = may(a, &(struct auth_request){.resource = SLICE("groups"), .name = wanted->groups[i]});
    }
    if (rc == 0 && wanted->uid.len > 0) {
        rc = may(a, &(struct auth_request){
                        .group = identity, .resource = SLICE("uids"), .name = wanted->uid});
    }
    for (size_t i = 0; rc == 0 && i < wanted->extra_count; i++) {
        rc = may(a, &(struct auth_request){.group = identity,
                                           .resource = SLICE("userextras"),
                                           .subresource = wanted->extras[i].key,
                                           .name = wanted->extras[i].value});
    }
    return rc;
}

/* The groups that are never named: an account's, and that of everyone who is known. */
static int add_groups(struct http_stream *s, struct subject *wanted, struct err *err)
{
    bool full = false;
    struct slice ns;
    struct slice name;
    if (wanted->group_count == 0 && subject_account(wanted->user, &ns, &name)) {
        full = !subject_add_account_groups(wanted, ns, &s->arena);
    }
    bool anonymous = slice_eq_cstr(wanted->user, USER_ANONYMOUS);
    const char *group = anonymous ? GROUP_ANONYMOUS : GROUP_AUTHENTICATED;
    bool placed = subject_in(wanted, GROUP_ANONYMOUS) || subject_in(wanted, GROUP_AUTHENTICATED);
    full = full || (!placed && !subject_add_group(wanted, slice_of(group)));
    return full ? too_many(err, "groups", SUBJECT_GROUPS_MAX - 1) : 0;
}

int impersonate(struct api *api, struct http_stream *stream, struct subject *subject,
                struct err *err)
{
    struct wanted *w = ARENA_NEW(&stream->arena, struct wanted);
    int rc = gather(stream, w, err);
    if (rc != 0 || !w->any) {
        return rc;
    }
    const struct asking asking = {api, subject, err};
    rc = may_all(&asking, &w->subject);
    rc = rc != 0 ? rc : add_groups(stream, &w->subject, err);
    if (rc == 0) {
        struct subject *really = ARENA_NEW(&stream->arena, struct subject);
        *really = *subject;
        *subject = w->subject;
        subject->really = really;
    }
    return rc;
}
