/* fetch.h: HTTP requests on a loop (libcurl multi; owner of its header).
 *
 * A fetcher is one destination set with its connections: HTTP/2 multiplexed where the server speaks
 * it, TLS verified. A fetch is one request: started once, ended by exactly one done(). Redirects
 * are not followed, the environment's proxies not used. SIGPIPE must be ignored (tls.h).
 * Owner:  the user embeds both; a fetch's memory is the user's again from done, a fetcher's from
 *         closed.
 * Thread: the loop's. */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include "base/loop.h"
#include "base/str.h"

struct fetcher_config {    /* copied */
    struct slice ca_pem;   /* empty: the system's store */
    struct slice cert_pem; /* client certificate, may be empty */
    struct slice key_pem;
    bool insecure;
    bool refuse_local; /* connect to no address that address_is_local(), whatever its name */
    /* HTTP/1.1 alone, so that each request has a connection of its own: one that is paused stops
     * its server by TCP and holds next to nothing here, one that is canceled ends at once. */
    bool http1;
    uint32_t connect_timeout_ms; /* 0: 10 s */
    uint32_t connections_max;    /* 0: no limit */
};

struct fetcher {
    struct loop *loop;
    struct fetcher_impl *impl; /* private */
};

struct fetch {
    /* set before fetch_start(); borrowed until done */
    const char *method;
    const char *url;
    const char *const *headers; /* "name: value" lines, NULL-terminated; may be NULL */
    struct slice body;
    uint32_t timeout_ms;      /* whole request; 0: none (a watch) */
    uint32_t idle_timeout_ms; /* no byte for so long ends it; 0: none */
    size_t response_max;      /* bytes kept in response; more is ERR_TOO_LARGE */
    void *user;
    /* The response's head is whole; may be NULL. fetch_cancel() and fetch_pause() may be called. */
    void (*on_head)(struct fetch *f);
    /* If set, gets the body as it comes, and response stays empty. status and response_headers are
     * there already. fetch_cancel() and fetch_pause() may be called here. */
    void (*on_data)(struct fetch *f, struct slice in);
    /* rc 0: an HTTP response came whole (status tells); else err says why not. Errors: ERR_INVALID
     * (url), ERR_UNAVAILABLE (no connection, or it broke), ERR_UNAUTHENTICATED (TLS refused one of
     * the two), ERR_FORBIDDEN (a local address), ERR_TIMEOUT, ERR_TOO_LARGE, ERR_CANCELED,
     * ERR_CLOSED (started while closing). What came before an error is in the results. */
    void (*done)(struct fetch *f, int rc, const struct err *err);
    /* results */
    int status;
    struct buf response;
    /* Lower-case names, "name: value\n" each; trailers after them. At most 256 KB. */
    struct buf response_headers;
    struct fetch_impl *impl; /* private */
};

/* Errors: ERR_INVALID (PEM texts, as tls_new()), ERR_INTERNAL. */
int fetcher_init(struct fetcher *f, struct loop *loop, const struct fetcher_config *config,
                 struct err *err);
/* done follows, never inside this call. */
void fetch_start(struct fetcher *f, struct fetch *fetch);
/* done follows with ERR_CANCELED, never inside this call; on_data no more. Nothing happens if the
 * fetch is not under way. Over HTTP/2 the server may hear of it only with the next request on that
 * connection (curl 7.88 to 8.14 do not flush the reset, their issue 17611). */
void fetch_cancel(struct fetch *fetch);
/* No more on_data until resumed, and no idle timeout either. What the server has sent by then waits
 * with it: of a fetcher that speaks http1, at most what the kernel and one buffer hold. */
void fetch_pause(struct fetch *fetch);
void fetch_resume(struct fetch *fetch); /* on_data follows, never inside this call */
/* Value of a response header or trailer (name in lower case), empty if absent; the last of several,
 * so that a trailer is found before a header. */
struct slice fetch_header(const struct fetch *f, const char *name);
void fetch_clear(struct fetch *f); /* frees the result buffers */
/* Cancels what is under way (each done comes), then calls closed. Once; fetch_start() is allowed
 * only from those done callbacks afterwards, and fails. */
void fetcher_close(struct fetcher *f, void (*closed)(struct fetcher *f));

#endif
