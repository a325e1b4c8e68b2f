/* logs.c: the lines of a pod's container, as they come to be.
 *
 *   the pod --> lines up to now --> (follow: the pod again, a little later) --> done
 *
 * Lines go out in pieces of some KB; between two the loop has its turn, and a reader that is paused
 * waits with the next. */
#include "plane/logs.h"

#include <stdlib.h>

#include "plane/workload_log.h"
#include "proto/object.h"

enum { PIECE_BYTES = 32 * 1024, LOOK_MS = 100, ASK_TIMEOUT_MS = 10 * 1000, TIME_ROOM = 21 };

struct tailing {
    struct plane_logs *logs;
    struct log_read *read;
    struct backend_get get;
    struct loop_timer timer;
    uint64_t next; /* line */
    uint64_t sent_bytes;
    uint64_t since_ms; /* of the wall clock */
    bool begun;        /* next is known */
    bool asking;
    bool stopped;
    bool ending;
    int rc;
    struct err err;
};

static void on_timer_closed(struct loop_timer *timer)
{
    struct tailing *t = CONTAINER_OF(timer, struct tailing, timer);
    struct log_read *read = t->read;
    int rc = t->rc;
    struct err err = t->err;
    free(t);
    read->done(read, rc, &err);
}

static void end(struct tailing *t, int rc, const struct err *err)
{
    if (!t->ending) {
        t->ending = true;
        t->rc = rc;
        t->err = rc != 0 ? *err : t->err;
        loop_timer_close(&t->timer, on_timer_closed);
    }
}

static uint64_t now_ms(const struct tailing *t)
{
    return t->logs->clock->wall_ms(t->logs->clock);
}

/* ---- lines ---- */

static void add_line(struct tailing *t, const struct workload_log *log, struct buf *out)
{
    struct buf line = {0};
    char time[TIME_ROOM];
    uint64_t at_ms;
    workload_log_line(log, t->next++, &line, &at_ms);
    if (at_ms >= t->since_ms) {
        clock_rfc3339(at_ms, time);
        if (t->read->options.timestamps) {
            buf_addf(out, "%.19s.%03u000000Z ", time, (unsigned)(at_ms % 1000));
        }
        buf_add(out, buf_slice(&line));
        buf_add_char(out, '\n');
    }
    buf_free(&line);
}

static void begin(struct tailing *t, const struct workload_log *log)
{
    const struct log_options *o = &t->read->options;
    t->begun = true;
    t->next = log->first;
    if (o->has_tail && log->count - log->first > o->tail_lines) {
        t->next = log->count - o->tail_lines;
    }
    t->read->on_open(t->read);
}

/* False: there is more, which has to wait. */
static bool send_lines(struct tailing *t, const struct workload_log *log)
{
    const struct log_origin origin = {.pod = t->read->key.name};
    uint64_t limit = t->read->options.limit_bytes;
    struct buf out = {0};
    while (t->next < log->count && out.len < PIECE_BYTES) {
        add_line(t, log, &out);
    }
    if (limit > 0 && out.len > limit - t->sent_bytes) {
        out.len = (size_t)(limit - t->sent_bytes);
    }
    t->sent_bytes += out.len;
    if (out.len > 0) {
        t->read->on_lines(t->read, &origin, buf_slice(&out));
    }
    buf_free(&out);
    return t->next >= log->count || (limit > 0 && t->sent_bytes >= limit);
}

static void take_pod(struct tailing *t, const json_t *pod)
{
    const struct log_options *o = &t->read->options;
    struct workload_log log;
    struct err err = {0};
    int rc =
        workload_log_open(&log, pod, o->container, now_ms(t), atomic_load(t->logs->delay_ms), &err);
    if (rc == 0 && o->previous) {
        rc = err_set(&err, ERR_INVALID,
                     "previous terminated container \"%.*s\" in pod \"%.*s\" "
                     "not found",
                     SLICE_ARG(json_text_at(log.container, "name")), SLICE_ARG(object_name(pod)));
    }
    if (rc != 0) {
        end(t, rc, &err);
        return;
    }
    if (!t->begun) {
        begin(t, &log);
    }
    bool all = send_lines(t, &log);
    if (all && (!o->follow || log.over)) {
        end(t, 0, NULL);
    } else if (!t->read->paused) {
        loop_timer_start(&t->timer, all ? LOOK_MS : 0, 0);
    }
}

/* ---- the pod ---- */

static void on_pod(struct backend_get *get, int rc, const struct err *why)
{
    struct tailing *t = get->user;
    json_t *tree = NULL;
    struct err err = {0};
    t->asking = false;
    if (rc == 0 && !t->stopped) {
        rc = object_parse(get->object.body, get->object.version, &tree, &err);
    } else if (rc == ERR_NOT_FOUND) {
        err_set(&err, rc, "pods \"%.*s\" not found", SLICE_ARG(get->key.name));
    } else if (rc != 0) {
        err = *why;
    }
    if (t->stopped) {
        rc = err_set(&err, ERR_CANCELED, "canceled");
    }
    if (rc != 0) {
        /* A pod that goes while it is followed ends its log. */
        end(t, rc == ERR_NOT_FOUND && t->begun ? 0 : rc, &err);
    } else {
        take_pod(t, tree);
    }
    json_decref(tree);
}

static void ask(struct tailing *t)
{
    t->get = (struct backend_get){.loop = t->read->loop,
                                  .key = t->read->key,
                                  .consistency = t->begun ? BACKEND_STALE : BACKEND_LINEARIZABLE,
                                  .deadline_ms = loop_now_ms(t->read->loop) + ASK_TIMEOUT_MS,
                                  .user = t,
                                  .done = on_pod};
    t->asking = true;
    t->logs->backend->ops->get(t->logs->backend, &t->get);
}

static void on_timer(struct loop_timer *timer)
{
    struct tailing *t = CONTAINER_OF(timer, struct tailing, timer);
    if (!t->asking && !t->ending) {
        ask(t);
    }
}

/* ---- the door's calls ---- */

static uint64_t since(const struct log_options *o, uint64_t wall_ms)
{
    struct buf text = {0};
    uint64_t ms = 0;
    buf_add(&text, o->since_time);
    if (o->since_time.len > 0) {
        (void)clock_parse_rfc3339(buf_cstr(&text), &ms);
    } else if (o->since_s > 0 && o->since_s < wall_ms / 1000) {
        ms = wall_ms - o->since_s * 1000;
    }
    buf_free(&text);
    return ms;
}

static void start(struct log_source *source, struct log_read *read)
{
    struct tailing *t = mem_zero(sizeof *t);
    t->logs = CONTAINER_OF(source, struct plane_logs, source);
    t->read = read;
    t->since_ms = since(&read->options, now_ms(t));
    read->impl = t;
    loop_timer_init(read->loop, &t->timer, on_timer);
    ask(t);
}

static void resume(struct log_source *source, struct log_read *read)
{
    struct tailing *t = read->impl;
    (void)source;
    if (!t->ending) {
        loop_timer_start(&t->timer, 0, 0);
    }
}

static void stop(struct log_source *source, struct log_read *read)
{
    struct tailing *t = read->impl;
    struct err err;
    (void)source;
    t->stopped = true;
    if (!t->asking) { /* else on_pod() ends it */
        err_set(&err, ERR_CANCELED, "canceled");
        end(t, ERR_CANCELED, &err);
    }
}

static const struct log_ops ops = {.start = start, .resume = resume, .stop = stop};

void plane_logs_init(struct plane_logs *l, struct backend *backend, const struct clock *clock,
                     const atomic_uint_least64_t *delay_ms)
{
    *l = (struct plane_logs){.source = {.ops = &ops},
                             .backend = backend,
                             .clock = clock != NULL ? clock : &clock_system,
                             .delay_ms = delay_ms};
}
