/* fronts.h: the threads that serve: some loops, each with a server of its own on one shared port.
 *
 * Each loop is introduced to the state that its requests ask for before it serves, and takes leave
 * of it after its last connection has gone.
 * Owner:  the caller embeds struct fronts; its memory is the caller's again from fronts_join() on.
 * Thread: the home loop's (before it runs: the thread that will run it). Hooks say their own. */
#ifndef NODE_HTTP_FRONTS_H
#define NODE_HTTP_FRONTS_H

#include "node/http/server.h"

enum { FRONTS_MAX = 16 };

struct fronts;

struct fronts_config {
    struct loop *home;   /* the owner's: closed runs there */
    uint32_t count;      /* 1 to FRONTS_MAX */
    struct tls *tls;     /* referenced. Its ALPN is http_alpn[] */
    const char *address; /* "host:port"; port 0: the kernel chooses one for all of them */
    void *user;          /* the hooks', and each server's */
    /* Before the loop runs. */
    int (*attach)(void *user, struct loop *loop, struct err *err);
    /* On the loop, when nothing of it is served any more; must call detached(arg) there. */
    void (*detach)(void *user, struct loop *loop, void (*detached)(void *arg), void *arg);
    struct http_limits limits; /* each server's */
    /* As http_server_config's, on the loop that took the request. */
    void (*route)(struct http_server *server, struct http_stream *stream);
};

/* How far one of the threads has come; what it has is taken from it in reverse. */
enum front_step { FRONT_OPEN = 1, FRONT_ATTACHED, FRONT_LISTENING, FRONT_RUNNING };

/* One loop and its server. Private. */
struct front_thread {
    struct fronts *fronts;
    struct loop loop;
    struct http_server server;
    struct loop_msg leave;
    enum front_step step;
};

struct fronts {
    /* private */
    struct fronts_config config;
    uint32_t grace_ms;
    void (*closed)(struct fronts *fronts);
    struct loop_msg all_gone;
    uint32_t opened;     /* threads that have a loop, to be joined */
    atomic_uint serving; /* of these, those that have not taken their leave */
    struct front_thread threads[FRONTS_MAX];
};

/* Serves from here on. On error nothing is held, and what had begun to serve has ended.
 * Errors: ERR_IO (address in use, no such address, no thread), those of attach. */
int fronts_start(struct fronts *fronts, const struct fronts_config *config, struct err *err);
uint16_t fronts_port(const struct fronts *fronts);
/* Stops accepting, lets running requests end for grace_ms, detaches every loop, then calls closed
 * on the home loop, never inside this call. Call once, unless fronts_start() failed. */
void fronts_close(struct fronts *fronts, uint32_t grace_ms, void (*closed)(struct fronts *fronts));
/* Waits for the threads, after closed, on any thread but theirs. A zeroed struct is none. */
void fronts_join(struct fronts *fronts);

#endif
