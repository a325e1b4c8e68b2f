/* git_server.h: tests/lib/git_server.py as a child: real git over HTTP, and its faults.
 *
 * Owner: the test embeds it. Thread: the test's; calls block. Failures fail the test. */
#ifndef TESTS_LIB_GIT_SERVER_H
#define TESTS_LIB_GIT_SERVER_H

#include "base/str.h"
#include "tests/lib/tmpdir.h"

struct git_server {
    uint16_t port;
    const char *scheme;
    /* private */
    struct tmpdir dir;
    int pid;
    int input; /* the child ends with it */
};

/* Over TLS with that certificate and key; empty: plain HTTP. */
void git_server_start(struct git_server *g, struct slice cert_pem, struct slice key_pem);
void git_server_stop(struct git_server *g);
/* "http://127.0.0.1:PORT/how/repository". */
const char *git_server_url(struct git_server *g, const char *path);
/* Plain HTTP only: the answer's body, appended. */
void git_server_ask(struct git_server *g, const char *method, const char *path, struct buf *body);
/* What it was asked so far, a line each (git_server.py). */
struct slice git_server_log(struct git_server *g);
/* Makes a commit on a branch of shop, and answers its id. */
void git_server_push(struct git_server *g, const char *branch, struct buf *commit);
/* The commit of a ref of shop, as git itself says. */
void git_server_commit(struct git_server *g, const char *ref, struct buf *commit);

#endif
