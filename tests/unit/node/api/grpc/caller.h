/* caller.h: the gRPC door over memory, called over real HTTP/2 and TLS.
 *
 * Use: caller_setup, caller_teardown (cmocka); caller_call(c, path, body) and look at the results.
 * "Bearer admin" may do everything, "Bearer viewer" look. Besides the door's own services there is
 * grpc.health.v1.Health with methods of the test's, if it sets them before caller_open().
 * Thread: the test's; the server's side has a loop of its own. */
#ifndef TESTS_UNIT_NODE_API_GRPC_CALLER_H
#define TESTS_UNIT_NODE_API_GRPC_CALLER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "node/api/grpc/door.h"
#include "node/http/server.h"
#include "proto/google/rpc/error_details.pb-c.h"
#include "proto/google/rpc/status.pb-c.h"
#include "tests/lib/certs.h"
#include "tests/lib/memory.h"
#include "tests/lib/onloop.h"
#include "tests/lib/test.h"

struct caller {
    struct onloop o;
    struct certs certs;
    struct tls *tls;
    struct memory memory;
    struct kind_registry kinds;
    struct kind_board board;
    struct grpc grpc;
    struct auth auth; /* accepts and issues tokens of cluster "test" */
    struct token_key *key;
    struct api api;
    struct http_server server;
    struct fetcher fetcher;
    struct arena arena; /* of what caller_message() gives */
    /* set by the test */
    const struct grpc_service *service; /* instead of grpc_health_service */
    const char *authorization;          /* NULL: "Bearer admin"; "": none */
    const char *as;                     /* impersonate-user, or NULL */
    const char *method;                 /* NULL: POST */
    const char *timeout;                /* grpc-timeout, or NULL */
    const char *encoding;               /* grpc-encoding, or NULL */
    const char *accepts;                /* grpc-accept-encoding, or NULL */
    bool unhealthy;
    /* results of the last call */
    struct fetch fetch;
    int rc; /* of the transport */
    struct err err;
    int status;                   /* grpc-status; -1: none */
    struct buf message;           /* grpc-message, decoded */
    Google__Rpc__Status *details; /* NULL: none */
    struct slice body;
    /* private */
    char url[256];
    char headers[5][2048];
    const char *header_list[8];
};

int caller_setup(void **state);
int caller_teardown(void **state);
/* Serves; caller_setup() did all before that. */
void caller_open(struct caller *c);
/* Calls and waits for the end. body: the frames. */
void caller_call(struct caller *c, const char *path, struct slice body);
/* Begins, without waiting; then caller_end(). */
void caller_begin(struct caller *c, const char *path, struct slice body);
void caller_end(struct caller *c);
/* The client goes away in the middle of a call, with its connection; the next call is another's. */
void caller_hang_up(struct caller *c);
/* One request message, framed; the method's whole path. */
void caller_ask(struct caller *c, const char *path, const ProtobufCMessage *request);
/* The n-th message of the response, from 0, or NULL; unpacked if need be. */
const void *caller_message(struct caller *c, size_t n, const ProtobufCMessageDescriptor *type);
/* The call ended so; shows what it did when it did not. text is part of the message. */
void caller_expect(struct caller *c, int status, const char *text);

/* Appends a frame: length and bytes, not compressed. */
void caller_frame(struct buf *out, struct slice message);
/* The same, packed by gzip. */
void caller_frame_packed(struct buf *out, struct slice message);
void caller_pack(struct buf *out, const ProtobufCMessage *message);

#endif
