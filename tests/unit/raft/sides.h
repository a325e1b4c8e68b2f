/* sides.h: two nodes' transports on real sockets and real TLS, on one loop.
 *
 * Use: sides_make(&f, &ops); sides_connect(&f); ...; sides_end(&f).
 * Thread: the test's; callbacks run on f->on's loop. Failures fail the test. */
#ifndef TESTS_RAFT_SIDES_H
#define TESTS_RAFT_SIDES_H

#include <stdio.h>
#include <stdlib.h>

#include "raft/transport.h"
#include "tests/lib/certs.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"

struct side {
    struct fixture *f;
    const char *name;
    struct transport *_Atomic t; /* NULL: closed */
    struct tls *server;
    struct tls *client;
    char listen[64];
    uint32_t features;          /* that it tells from side_open() on; 1 */
    _Atomic unsigned connected; /* looked at by the test's thread, as all atomics here */
    _Atomic unsigned disconnected;
    _Atomic int ousted; /* with this code */
};

struct fixture {
    struct onloop on;
    struct certs certs;
    struct transport_ops ops;
    struct side a; /* node-a */
    struct side b; /* node-b */
};

/* Both listen. ops says what a side (its user) does when asked; connections are counted here, each
 * with an onloop_done(). */
void sides_make(struct fixture *f, const struct transport_ops *ops);
/* Introduces them to each other; both are connected. */
void sides_connect(struct fixture *f);
void sides_end(struct fixture *f);

/* One of them, with that URI in its certificate, or none. */
void side_make(struct fixture *f, struct side *s, const char *name, const char *uri);
void side_end(struct fixture *f, struct side *s);
/* For the loop: onloop_call(&f->on, side_open, side) and so on. */
void side_open(void *side);
void side_close(void *side);
void sides_introduce(void *fixture);

/* The bytes that large things are made of, and that their receivers expect. */
char pattern(size_t at);

#endif
