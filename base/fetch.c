/* fetch.c: libcurl's multi interface on a loop.
 *
 * Happy path: fetch_start() queues; at the end of the iteration a curl handle is made and given to
 * the multi handle; curl asks for sockets to be watched (uv_poll) and for a timer; their events
 * drive it; what it reports as done ends with done().
 * Failure path: curl may not be entered from its own callbacks, so starting, cancelling and closing
 * only mark, and the turn does it. done() is called from the turn or after curl has returned, never
 * inside it. A fetch that must end from a callback (cancelled, too large) makes the callback refuse
 * its bytes, and the mark tells why curl then failed.
 * A paused fetch refuses its bytes, which curl then keeps and stops reading that socket; the turn
 * lets it go on.
 * Invariants: fetch->impl is set exactly while the fetch is under way; the fetcher's memory goes
 * when its timers and polls have closed. */
#include "base/fetch_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/tls.h"

enum {
    CONNECT_DEFAULT_MS = 10000,
    STREAMS_MAX = 250,
    IDLE_CONNECTIONS_MAX = 64,
    IDLE_SLEEP_MS = 1000,
};

/* One of curl's sockets. */
struct watch {
    struct list link;
    uv_poll_t poll;
    struct fetcher_impl *owner;
    curl_socket_t fd;
};

/* Debian's libcurl brings GnuTLS along, for protocols that are not spoken here, and GnuTLS makes
 * itself ready as it is loaded, which costs a megabyte. It asks this first (GNUTLS_SKIP_GLOBAL_INIT
 * in its header). */
int _gnutls_global_init_skip(void);
int _gnutls_global_init_skip(void)
{
    return 1;
}

static void init_curl(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(rc == CURLE_OK);
}

/* ---- ending one ---- */

static void finish(struct fetch_impl *i, int rc, const struct err *err)
{
    struct fetch *f = i->fetch;
    list_remove(&i->link);
    if (i->easy != NULL) {
        (void)curl_multi_remove_handle(i->owner->multi, i->easy);
        curl_easy_cleanup(i->easy);
    }
    curl_slist_free_all(i->headers);
    free(i);
    f->impl = NULL;
    f->done(f, rc, rc != 0 ? err : NULL);
}

/* The URL without its query, which may hold secrets. */
static struct slice shown_url(const struct fetch *f)
{
    struct slice url = slice_of(f->url);
    return slice_sub(url, 0, slice_find(url, SLICE("?")));
}

static void finish_with(struct fetch_impl *i, int code, const char *why)
{
    struct err err;
    (void)err_set(&err, code, "%s %.*s: %s", i->fetch->method, SLICE_ARG(shown_url(i->fetch)), why);
    finish(i, code, &err);
}

static int code_of(CURLcode rc, const char *why)
{
    switch ((int)rc) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
        return ERR_UNAUTHENTICATED;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        /* The server refused us if it said so in TLS; else the connection broke. Only the text
         * tells the two apart: with TLS 1.3 the refusal comes after the handshake. */
        return strstr(why, " alert ") != NULL ? ERR_UNAUTHENTICATED : ERR_UNAVAILABLE;
    default:
        return ERR_UNAVAILABLE;
    }
}

static void finish_by_curl(struct fetch_impl *i, CURLcode rc)
{
    if (i->canceled) {
        finish_with(i, ERR_CANCELED, "canceled");
    } else if (i->too_large) {
        finish_with(i, ERR_TOO_LARGE, "the response is larger than allowed");
    } else if (rc != CURLE_OK && i->local) {
        finish_with(i, ERR_FORBIDDEN,
                    "its address is this machine's, its link's or a metadata service's");
    } else if (rc != CURLE_OK) {
        int code = code_of(rc, i->why);
        fetch__steady(i->why);
        finish_with(i, code, i->why[0] != '\0' ? i->why : curl_easy_strerror(rc));
    } else {
        finish(i, 0, NULL);
    }
}

static void read_results(struct fetcher_impl *o)
{
    int left;
    for (CURLMsg *m = curl_multi_info_read(o->multi, &left); m != NULL;
         m = curl_multi_info_read(o->multi, &left)) {
        if (m->msg == CURLMSG_DONE) {
            char *i = NULL;
            CURLcode rc = m->data.result; /* m is gone with its handle */
            (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &i);
            finish_by_curl((struct fetch_impl *)(void *)i, rc);
        }
    }
}

/* ---- starting one ---- */

static void arm_idle(struct fetcher_impl *o, uint64_t delay_ms)
{
    o->idle_armed = true;
    loop_timer_start(&o->idle, delay_ms, 0);
}

static void begin(struct fetch_impl *i)
{
    struct fetcher_impl *o = i->owner;
    i->last_byte_ms = loop_now_ms(o->loop);
    i->easy = curl_easy_init();
    assert(i->easy != NULL); /* out of memory */
    CURLMcode rc =
        fetch__prepare(i) ? curl_multi_add_handle(o->multi, i->easy) : CURLM_INTERNAL_ERROR;
    if (rc != CURLM_OK) {
        finish_with(i, ERR_INTERNAL, curl_multi_strerror(rc));
        return;
    }
    list_remove(&i->link);
    list_push_back(&o->active, &i->link);
    if (i->fetch->idle_timeout_ms > 0 && !o->idle_armed) {
        arm_idle(o, i->fetch->idle_timeout_ms < IDLE_SLEEP_MS ? i->fetch->idle_timeout_ms
                                                              : IDLE_SLEEP_MS);
    }
}

/* ---- the loop's events ---- */

static void act(struct fetcher_impl *o, curl_socket_t fd, int events)
{
    int running;
    (void)curl_multi_socket_action(o->multi, fd, events, &running);
    read_results(o);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    int mask = status < 0 ? CURL_CSELECT_ERR : 0;
    mask |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    mask |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    if (!w->owner->closing) {
        act(w->owner, w->fd, mask);
    }
}

static void on_timer(struct loop_timer *timer)
{
    act(CONTAINER_OF(timer, struct fetcher_impl, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* Ends what has been quiet for too long and sleeps until the next could be. A fetch that begins
 * meanwhile with a shorter limit is seen late, by at most the sleep; so it is kept under a second.
 */
static void on_idle(struct loop_timer *timer)
{
    struct fetcher_impl *o = CONTAINER_OF(timer, struct fetcher_impl, idle);
    uint64_t now = loop_now_ms(o->loop);
    uint64_t sleep_ms = IDLE_SLEEP_MS;
    bool any = false;
    struct list late;
    list_init(&late);
    LIST_FOREACH(link, &o->active)
    {
        struct fetch_impl *i = CONTAINER_OF(link, struct fetch_impl, link);
        uint64_t limit = i->fetch->idle_timeout_ms;
        uint64_t quiet = now - i->last_byte_ms;
        if (limit > 0 && !i->paused && quiet >= limit) {
            list_remove(link);
            list_push_back(&late, link);
        } else if (limit > 0) {
            any = true;
            sleep_ms = !i->paused && limit - quiet < sleep_ms ? limit - quiet : sleep_ms;
        }
    }
    o->idle_armed = false;
    if (any) {
        arm_idle(o, sleep_ms);
    }
    /* done() may cancel others of late: fetch_cancel() moves them to its own list. */
    while (!list_empty(&late)) {
        finish_with(CONTAINER_OF(late.next, struct fetch_impl, link), ERR_TIMEOUT,
                    "nothing came for too long");
    }
}

static void release(struct fetcher_impl *o)
{
    if (--o->held_count > 0) {
        return;
    }
    assert(o->closing);
    buf_free(&o->ca);
    buf_free(&o->cert);
    buf_free(&o->key);
    struct fetcher *f = o->fetcher;
    void (*closed)(struct fetcher *) = o->closed;
    free(o);
    f->impl = NULL;
    if (closed != NULL) {
        closed(f);
    }
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct fetcher_impl *o = w->owner;
    free(w);
    release(o);
}

static void stop_watching(struct fetcher_impl *o, struct watch *w)
{
    list_remove(&w->link);
    (void)curl_multi_assign(o->multi, w->fd, NULL);
    (void)uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *start_watching(struct fetcher_impl *o, curl_socket_t fd)
{
    struct watch *w = mem_zero(sizeof *w);
    if (uv_poll_init_socket(&o->loop->uv, &w->poll, fd) != 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    w->owner = o;
    w->fd = fd;
    o->held_count++;
    list_push_back(&o->watches, &w->link);
    (void)curl_multi_assign(o->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *assigned)
{
    (void)easy;
    struct fetcher_impl *o = user;
    struct watch *w = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            stop_watching(o, w);
        }
        return 0;
    }
    w = w != NULL ? w : start_watching(o, fd);
    int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    if (w != NULL) {
        (void)uv_poll_start(&w->poll, events, on_poll);
    }
    /* A socket that cannot be watched ends by the request's time limits. Told of a failure here,
     * curl would give up the whole multi handle, and with it all others. */
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    struct fetcher_impl *o = user;
    if (timeout_ms < 0) {
        loop_timer_stop(&o->timer);
    } else {
        loop_timer_start(&o->timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_timer_closed(struct loop_timer *timer)
{
    release(CONTAINER_OF(timer, struct fetcher_impl, timer));
}

static void on_idle_closed(struct loop_timer *timer)
{
    release(CONTAINER_OF(timer, struct fetcher_impl, idle));
}

/* Nothing is under way: gives the connections back and closes what libuv holds. */
static void tear_down(struct fetcher_impl *o)
{
    loop_task_cancel(&o->turn); /* a done() that has just tried to start another asked for it */
    while (!list_empty(&o->watches)) { /* curl stops the others itself as it closes them */
        stop_watching(o, CONTAINER_OF(o->watches.next, struct watch, link));
    }
    (void)curl_multi_cleanup(o->multi);
    o->multi = NULL;
    loop_timer_close(&o->timer, on_timer_closed);
    loop_timer_close(&o->idle, on_idle_closed);
}

static struct fetch_impl *first_of(struct list *list)
{
    return list_empty(list) ? NULL : CONTAINER_OF(list->next, struct fetch_impl, link);
}

/* Gives curl leave to go on with those that it holds something for: it does so at once. */
static void resume_held(struct fetcher_impl *o)
{
    bool any = false;
    if (!o->resuming) {
        return;
    }
    o->resuming = false;
    LIST_FOREACH(link, &o->active)
    {
        struct fetch_impl *i = CONTAINER_OF(link, struct fetch_impl, link);
        if (i->held && !i->paused && !i->canceled) {
            i->held = false;
            any = true;
            (void)curl_easy_pause(i->easy, CURLPAUSE_CONT);
        }
    }
    if (any) {
        act(o, CURL_SOCKET_TIMEOUT, 0);
    }
}

static void on_turn(struct loop_task *task)
{
    struct fetcher_impl *o = CONTAINER_OF(task, struct fetcher_impl, turn);
    struct fetch_impl *i;
    resume_held(o);
    while ((i = first_of(&o->canceled)) != NULL) {
        finish_with(i, ERR_CANCELED, "canceled");
    }
    struct list starting;
    list_init(&starting);
    list_splice_back(&starting, &o->queued);
    while ((i = first_of(&starting)) != NULL) {
        if (o->closing) {
            finish_with(i, ERR_CLOSED, "the fetcher is closing");
        } else {
            begin(i);
        }
    }
    if (o->closing && list_empty(&o->canceled) && list_empty(&o->queued) &&
        list_empty(&o->active)) {
        tear_down(o);
    } else if (!list_empty(&o->canceled)) {
        loop_defer(o->loop, &o->turn);
    }
}

/* ---- the user's calls ---- */

static int check_pems(const struct fetcher_config *config, struct err *err)
{
    const struct tls_config same = {.ca_pem = config->ca_pem,
                                    .cert_pem = config->cert_pem,
                                    .key_pem = config->key_pem,
                                    .insecure = config->insecure};
    struct tls *tls;
    int rc = tls_new(&same, &tls, err);
    tls_unref(tls);
    return rc;
}

int fetcher_init(struct fetcher *f, struct loop *loop, const struct fetcher_config *config,
                 struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    f->loop = loop;
    f->impl = NULL;
    int rc = check_pems(config, err); /* curl would tell at the first request, and badly */
    if (rc != 0) {
        return rc;
    }
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        return err_set(err, ERR_INTERNAL, "cannot set up libcurl");
    }
    struct fetcher_impl *o = mem_zero(sizeof *o);
    o->fetcher = f;
    o->loop = loop;
    o->multi = multi;
    o->insecure = config->insecure;
    o->refuse_local = config->refuse_local;
    o->http1 = config->http1;
    o->connect_timeout_ms =
        config->connect_timeout_ms > 0 ? config->connect_timeout_ms : CONNECT_DEFAULT_MS;
    buf_add(&o->ca, config->ca_pem);
    buf_add(&o->cert, config->cert_pem);
    buf_add(&o->key, config->key_pem);
    list_init(&o->queued);
    list_init(&o->active);
    list_init(&o->canceled);
    list_init(&o->watches);
    loop_task_init(&o->turn, on_turn);
    loop_timer_init(loop, &o->timer, on_timer);
    loop_timer_init(loop, &o->idle, on_idle);
    o->held_count = 2;
    f->impl = o;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, o);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, o);
    (void)curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_MAX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->connections_max);
    return 0;
}

void fetch_start(struct fetcher *f, struct fetch *fetch)
{
    struct fetcher_impl *o = f->impl;
    assert(loop_is_current(o->loop) && o->multi != NULL);
    assert(fetch->impl == NULL && fetch->done != NULL);
    struct fetch_impl *i = mem_zero(sizeof *i);
    i->fetch = fetch;
    i->owner = o;
    fetch->impl = i;
    fetch->status = 0;
    buf_clear(&fetch->response);
    buf_clear(&fetch->response_headers);
    list_push_back(&o->queued, &i->link);
    loop_defer(o->loop, &o->turn);
}

static void cancel(struct fetch_impl *i)
{
    struct fetcher_impl *o = i->owner;
    i->canceled = true;
    list_remove(&i->link);
    list_push_back(&o->canceled, &i->link);
    loop_defer(o->loop, &o->turn);
}

void fetch_cancel(struct fetch *fetch)
{
    if (fetch->impl != NULL && !fetch->impl->canceled) {
        cancel(fetch->impl);
    }
}

void fetch_pause(struct fetch *fetch)
{
    if (fetch->impl != NULL) {
        fetch->impl->paused = true;
    }
}

void fetch_resume(struct fetch *fetch)
{
    struct fetch_impl *i = fetch->impl;
    if (i == NULL || !i->paused) {
        return;
    }
    i->paused = false;
    i->last_byte_ms = loop_now_ms(i->owner->loop);
    if (i->held) {
        i->owner->resuming = true;
        loop_defer(i->owner->loop, &i->owner->turn);
    }
}

void fetch_clear(struct fetch *f)
{
    buf_free(&f->response);
    buf_free(&f->response_headers);
}

void fetcher_close(struct fetcher *f, void (*closed)(struct fetcher *f))
{
    struct fetcher_impl *o = f->impl;
    assert(loop_is_current(o->loop) && !o->closing);
    o->closing = true;
    o->closed = closed;
    while (!list_empty(&o->active)) {
        cancel(first_of(&o->active));
    }
    while (!list_empty(&o->queued)) {
        cancel(first_of(&o->queued));
    }
    loop_defer(o->loop, &o->turn);
}
