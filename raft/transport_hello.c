/* transport_hello.c: who is at the other end, and may it speak.
 *
 * Happy path: an accepted connection's certificate names a node of the cluster; its HELLO makes it
 * that peer's `in`, and is answered by WELCOME, which makes the dialled one usable.
 * Failure path: whoever may not speak is hung up on, with one line in our log. Two processes under
 * one name would vote twice: each makes up a number when it begins, both say theirs, and a second
 * one is told (REFUSED) and hung up on. It dials again, for we may be wrong for as long as the
 * connection of a machine that died seems alive; refused for ousted_ms on end, it ends.
 * Invariant: of two live processes under one name, a peer listens to one: that which answers at the
 * peer's address, failing that the one that came first. */
#include <stdio.h>
#include <string.h>

#include "raft/conf.h"
#include "raft/transport_internal.h"

void transport__hello(struct conn *c)
{
    struct buf out = {0};
    size_t begin = transport__frame_begin(&out, c->dialled ? FRAME_HELLO : FRAME_WELCOME);
    buf_add_be32(&out, TRANSPORT__VERSION);
    buf_add_be64(&out, c->t->boot);
    buf_add_be32(&out, c->t->config.features);
    transport__frame_end(&out, begin);
    stream_write(&c->stream, buf_slice(&out));
    buf_free(&out);
}

/* The other side's HELLO or WELCOME. */
static bool read_hello(struct conn *c, struct slice fields)
{
    struct fields r = fields_of(fields);
    if (fields_be32(&r) != TRANSPORT__VERSION || !r.ok) {
        return false;
    }
    c->boot = r.rest.len > 0 ? fields_be64(&r) : 0; /* a release before it said so */
    c->features = r.rest.len > 0 ? fields_be32(&r) : 0;
    return r.ok;
}

static void log_refusal(struct conn *c, const char *why)
{
    uint64_t times = log_limit(&c->t->refusals, transport__now(c->t));
    if (times > 0) {
        log_warn("transport.refused", "remote=%s times=%llu why=%s", stream_remote(&c->stream),
                 (unsigned long long)times, log_q(why));
    }
}

bool transport__refuse(struct conn *c, const char *why)
{
    log_refusal(c, why);
    transport__hang_up(c);
    return false;
}

const char *transport__identify(struct conn *c)
{
    const struct tls_peer *who = stream_peer(&c->stream);
    char prefix[TRANSPORT_NAME_MAX + 32];
    int len = snprintf(prefix, sizeof prefix, "choreod://%s/node/", c->t->cluster);
    const char *why = "its certificate is a client's, not a node's";
    for (size_t i = 0; i < who->uri_count; i++) {
        struct slice uri = who->uris[i];
        if (!slice_starts_with(uri, slice_make(prefix, (size_t)len)) ||
            uri.len - (size_t)len > TRANSPORT_NAME_MAX) {
            why = "its certificate is not that of a node of this cluster";
            continue;
        }
        (void)snprintf(c->name, sizeof c->name, "%.*s", (int)uri.len - len, uri.data + len);
        if (strcmp(c->name, c->t->node) == 0) {
            return "its certificate is this node's own";
        }
        return conf_name_ok(c->name) ? NULL : "its certificate names no possible node";
    }
    return why;
}

/* Says that another process has the name, and ends the connection. */
static void refuse_second(struct conn *c, const char *name)
{
    char why[TRANSPORT_NAME_MAX + 96];
    struct buf out = {0};
    (void)snprintf(why, sizeof why, "another process runs as %s: was a data directory copied?",
                   name);
    log_refusal(c, why);
    size_t begin = transport__frame_begin(&out, FRAME_REFUSED);
    transport__frame_end(&out, begin);
    stream_write(&c->stream, buf_slice(&out));
    buf_free(&out);
    c->closing = true;
    stream_finish(&c->stream);
}

static bool is_other(const struct conn *c, uint64_t boot)
{
    return c != NULL && !c->closing && c->boot != 0 && c->boot != boot;
}

/* The peer takes us for a second process. It may be wrong for as long as a connection of a life of
 * ours that ended with its machine seems alive; then it is right. */
void transport__on_refused(struct conn *c)
{
    struct peer *p = c->peer;
    uint64_t now = transport__now(c->t);
    struct err why;
    (void)err_set(&why, ERR_CONFLICT,
                  "%s at %s knows another process that runs as %s: was the data directory copied?",
                  p->name, p->address, c->t->node);
    c->refused = true;
    p->refused_ms = p->refused_ms != 0 ? p->refused_ms : now;
    bool over = now - p->refused_ms >= c->t->config.ousted_ms;
    if (over || log_limit(&c->t->refusals, now) > 0) {
        log_warn("transport.refused_us", "peer=%s error=%s", p->name, log_q(why.message));
    }
    transport__hang_up(c);
    if (over) {
        c->t->config.ops->ousted(c->t->config.user, p->name, &why);
    }
}

bool transport__on_welcome(struct conn *c, struct slice fields)
{
    struct peer *p = c->peer;
    if (!read_hello(c, fields)) {
        return false;
    }
    c->welcome = true;
    p->features = c->features;
    p->refused_ms = 0;
    p->connected_ms = transport__now(c->t);
    log_info("transport.connected", "peer=%s address=%s", p->name, p->address);
    if (is_other(p->in, c->boot)) {
        refuse_second(p->in, p->name); /* who answers at its address is the peer */
    }
    transport__told_connected(p);
    return true;
}

bool transport__on_hello(struct conn *c, struct slice fields)
{
    if (!read_hello(c, fields)) {
        return transport__refuse(c, "it speaks another version");
    }
    struct peer *p = transport__peer(c->t, c->name);
    if (p == NULL) {
        p = transport__peer_add(c->t, c->name);
    }
    if (p == NULL || p->removed) {
        return transport__refuse(c, p == NULL ? "too many peers" : "this node was removed");
    }
    if (is_other(p->in, c->boot) || (is_other(p->out, c->boot) && p->out->welcome)) {
        refuse_second(c, c->name);
        return true;
    }
    if (p->in != NULL) { /* dead, and we have yet to be told */
        struct conn *old = p->in;
        old->peer = NULL;
        transport__hang_up(old);
        transport__reset(p, ERR_UNAVAILABLE, "the peer connected anew");
    }
    p->in = c;
    p->features = c->features;
    c->peer = p;
    transport__hello(c);
    return true;
}
