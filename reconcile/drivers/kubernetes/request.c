/* request.c: one HTTP request to a cluster.
 *
 * Requests wait in a queue for a token of the cluster's budget (a bucket that refills at
 * requests_per_second and holds two seconds' worth) and for one of REQUESTS_AT_ONCE_MAX places.
 * 429 and 503 with Retry-After pause the whole queue: the cluster is asked nothing until then.
 * Answers are parsed as JSON; an error's message is the server's own. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_AFTER_MAX_S = 300, ERROR_TEXT_MAX = 300 };

static void pump(struct driver_cluster *c);

void url_encode(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.data[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_';
        if (plain) {
            buf_add_char(out, (char)ch);
        } else {
            buf_addf(out, "%%%02X", ch);
        }
    }
}

struct request *request_new(struct driver_cluster *c, const char *method, struct slice path,
                            void *user,
                            void (*done)(struct request *r, int rc, const struct err *err))
{
    struct request *r = mem_zero(sizeof(*r));
    struct buf url = {0};
    buf_add_cstr(&url, c->kubeconfig.server);
    buf_add(&url, path);
    r->c = c;
    r->url = buf_take(&url);
    r->user = user;
    r->done = done;
    list_init(&r->link);
    size_t n = 0;
    r->headers[n++] = c->user_agent;
    r->headers[n++] = "accept: application/json";
    if (c->authorization != NULL) {
        r->headers[n++] = c->authorization;
    }
    r->fetch = (struct fetch){.method = method,
                              .url = r->url,
                              .headers = r->headers,
                              .timeout_ms = REQUEST_TIMEOUT_MS,
                              .response_max = RESPONSE_BYTES_MAX,
                              .user = r};
    return r;
}

void request_body(struct request *r, enum body_type type, const json_t *body)
{
    size_t n = 0;
    while (r->headers[n] != NULL) {
        n++;
    }
    static const char *const types[] = {[BODY_JSON] = "content-type: application/json",
                                        [BODY_APPLY] = "content-type: application/apply-patch+yaml",
                                        [BODY_MERGE] =
                                            "content-type: application/merge-patch+json"};
    r->headers[n] = types[type];
    json_canonical(body, &r->body);
    r->fetch.body = buf_slice(&r->body);
}

/* Kubernetes refuses with 403 also what is asked for: a quota that is used up, a volume that cannot
 * grow. Who may not ask is told: pods is forbidden: User "x" cannot list resource "pods" ... */
static bool is_about_who_asks(struct slice text)
{
    return slice_find(text, SLICE("is forbidden: ")) == SIZE_MAX ||
           slice_find(text, SLICE("is forbidden: User ")) != SIZE_MAX;
}

/* What of an applied object is in no schema is told with 500, as if the server were at fault. */
static bool is_about_a_field(struct slice text)
{
    return slice_starts_with(text, SLICE("failed to create typed patch object"));
}

int response_error(int status, struct slice body, struct err *err)
{
    static const struct {
        int status;
        int code;
    } codes[] = {{400, ERR_UNPROCESSABLE}, {401, ERR_UNAUTHENTICATED}, {403, ERR_FORBIDDEN},
                 {404, ERR_NOT_FOUND},     {405, ERR_UNPROCESSABLE},   {409, ERR_CONFLICT},
                 {410, ERR_GONE},          {413, ERR_UNPROCESSABLE},   {415, ERR_UNPROCESSABLE},
                 {422, ERR_UNPROCESSABLE}, {504, ERR_TIMEOUT}};
    if (status >= 200 && status < 300) {
        return 0;
    }
    int code = ERR_UNAVAILABLE;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        code = codes[i].status == status ? codes[i].code : code;
    }
    json_t *tree = NULL;
    struct slice text = {0};
    if (json_parse(body, &tree, NULL) == 0) {
        text = json_text_at(tree, "message");
    } else {
        text = slice_trim(slice_sub(body, 0, ERROR_TEXT_MAX));
    }
    code = (status == 403 && !is_about_who_asks(text)) || (status == 500 && is_about_a_field(text))
               ? ERR_UNPROCESSABLE
               : code;
    err_set(err, code, "the cluster answers %d: %.*s", status, SLICE_ARG(text));
    json_decref(tree);
    return code;
}

static void request_free(struct request *r)
{
    fetch_clear(&r->fetch);
    json_decref(r->tree);
    buf_free(&r->body);
    free(r->url);
    free(r);
}

static void note_retry_after(struct request *r)
{
    uint64_t seconds = 0;
    if ((r->status == 429 || r->status == 503) &&
        slice_u64(fetch_header(&r->fetch, "retry-after"), &seconds) && seconds > 0) {
        seconds = seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S;
        r->retry_after_ms = seconds * 1000;
        uint64_t until = loop_now_ms(r->c->config.loop) + r->retry_after_ms;
        r->c->paused_until_ms = until > r->c->paused_until_ms ? until : r->c->paused_until_ms;
    }
}

static void on_done(struct fetch *f, int rc, const struct err *why)
{
    struct request *r = f->user;
    struct driver_cluster *c = r->c;
    struct err err = {0};
    list_remove(&r->link);
    c->sent_count--;
    if (rc != 0) {
        err = *why;
        rc = rc == ERR_CANCELED || rc == ERR_TIMEOUT ? rc : ERR_UNAVAILABLE;
        err.code = rc;
    } else {
        r->status = f->status;
        note_retry_after(r);
        rc = response_error(f->status, buf_slice(&f->response), &err);
        if (rc == 0 && f->response.len > 0 &&
            json_parse(buf_slice(&f->response), &r->tree, &err) != 0) {
            rc = err_set(&err, ERR_UNAVAILABLE,
                         "the address answers, but not as a Kubernetes API server does");
        }
    }
    r->done(r, rc, &err);
    request_free(r);
    pump(c);
    cluster_check_closed(c);
}

static bool take_token(struct driver_cluster *c, uint64_t now_ms)
{
    double rate = c->config.requests_per_second;
    c->tokens += rate * (double)(now_ms - c->tokens_at_ms) / 1000.0;
    c->tokens_at_ms = now_ms;
    if (c->tokens > 2 * rate) {
        c->tokens = 2 * rate;
    }
    if (c->tokens < 1) {
        return false;
    }
    c->tokens -= 1;
    return true;
}

static void pump(struct driver_cluster *c)
{
    uint64_t now_ms = loop_now_ms(c->config.loop);
    while (!c->closing && !list_empty(&c->queued) && c->sent_count < REQUESTS_AT_ONCE_MAX) {
        if (now_ms < c->paused_until_ms) {
            loop_timer_start(&c->pace, c->paused_until_ms - now_ms, 0);
            return;
        }
        if (!take_token(c, now_ms)) {
            loop_timer_start(&c->pace, 1 + 1000 / c->config.requests_per_second, 0);
            return;
        }
        struct request *r = CONTAINER_OF(list_pop_front(&c->queued), struct request, link);
        list_push_back(&c->sent, &r->link);
        c->sent_count++;
        r->fetch.done = on_done;
        fetch_start(&c->fetcher, &r->fetch);
    }
}

void requests_pace(struct loop_timer *timer)
{
    pump(CONTAINER_OF(timer, struct driver_cluster, pace));
}

void request_start(struct request *r, bool urgent)
{
    if (urgent) {
        list_push_front(&r->c->queued, &r->link);
    } else {
        list_push_back(&r->c->queued, &r->link);
    }
    /* The first turn of the pump comes from the loop: done never runs inside this call. */
    if (!r->c->closing) {
        pump(r->c);
    }
}

void requests_drop(struct driver_cluster *c)
{
    struct list *link;
    struct err err;
    err_set(&err, ERR_CANCELED, "the connection to the cluster was closed");
    while ((link = list_pop_front(&c->queued)) != NULL) {
        struct request *r = CONTAINER_OF(link, struct request, link);
        r->done(r, ERR_CANCELED, &err);
        request_free(r);
    }
}
