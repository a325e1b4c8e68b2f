/* fetch_internal.h: between fetch.c (curl on a loop) and fetch_request.c (one request's options and
 * results).
 * Owner: fetch.c allocates both structs. Thread: the fetcher's loop's. */
#ifndef BASE_FETCH_INTERNAL_H
#define BASE_FETCH_INTERNAL_H

#include <curl/curl.h>

#include "base/fetch.h"

struct fetcher_impl {
    struct fetcher *fetcher;
    struct loop *loop;
    CURLM *multi;
    struct buf ca;
    struct buf cert;
    struct buf key;
    bool insecure;
    bool refuse_local;
    bool http1;
    uint32_t connect_timeout_ms;
    struct list queued;   /* fetch_impl: not yet given to curl */
    struct list active;   /* fetch_impl: curl's */
    struct list watches;  /* watch: sockets that curl wants to hear of */
    struct list canceled; /* fetch_impl: either, to be ended by the turn */
    struct loop_task turn;
    struct loop_timer timer; /* curl's */
    struct loop_timer idle;  /* fires when the quietest fetch may be too quiet */
    bool idle_armed;
    bool resuming; /* some of the active are to go on */
    bool closing;
    unsigned held_count; /* timers and polls that have not closed */
    void (*closed)(struct fetcher *f);
};

struct fetch_impl {
    struct list link;
    struct fetch *fetch;
    struct fetcher_impl *owner;
    CURL *easy; /* NULL while queued */
    struct curl_slist *headers;
    bool canceled;
    bool too_large;
    bool local;   /* its name is a local address, which is refused */
    bool in_body; /* headers that come now are trailers */
    bool paused;  /* by its user */
    bool held;    /* and curl has something for it */
    uint64_t last_byte_ms;
    char why[CURL_ERROR_SIZE];
};

/* Gives i->easy all that the request needs. False if curl refuses an option. */
bool fetch__prepare(struct fetch_impl *i);
/* Cuts out of curl's words what differs from one attempt to the next. */
void fetch__steady(char *why);

#endif
