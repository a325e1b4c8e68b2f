/* pod_logs.c: pods found by their labels, and the logs of their containers.
 *
 *   LOOKING -- list of pods --> READING -- what is read has ended, or a second --> LOOKING
 *                                  \-- nothing more will come --> ENDING --> done
 *
 * Happy path: the list says which containers there are and which have begun; each that has is one
 * request of its own on a connection of its own, whose body is cut into lines. Of steps, one is
 * read at a time, in the order in which they run.
 * Failure path: a pod that goes while it is read is read as far as it came. Everything else that
 * the cluster refuses ends it all, with the cluster's words; also a list, unless something is being
 * read: then that tells whether the cluster is there.
 * Invariants: kept of the cluster's bytes is at most a line of each container that is read; done
 * runs when the fetcher and the timer are closed. */
#include "reconcile/drivers/pod_logs.h"

#include <stdlib.h>
#include <string.h>

#include "base/sm.h"
#include "proto/object.h"
#include "reconcile/drivers/kubernetes/pod_logs_internal.h"

enum {
    CONNECT_TIMEOUT_MS = 4000,
    LIST_TIMEOUT_MS = 10 * 1000,
    LIST_BYTES_MAX = 8 << 20,
    LOOK_MS = 1000,
    WAIT_DEFAULT_MS = 120 * 1000,
    ERROR_BYTES_MAX = 4096,
};

enum state { LOOKING, READING, ENDING };

static const struct sm_state states[] = {
    [LOOKING] = {"looking", SM_TO(READING) | SM_TO(ENDING)},
    [READING] = {"reading", SM_TO(LOOKING) | SM_TO(ENDING)},
    [ENDING] = {"ending", 0},
};

struct pod_logs {
    struct pod_logs_config config; /* texts are the arena's */
    struct log_options options;    /* likewise */
    struct arena arena;
    struct kubeconfig kubeconfig;
    struct fetcher fetcher;
    struct loop_timer timer;
    struct sm sm;
    struct fetch list;
    char *list_url;
    const char *headers[4];
    struct pod_steps steps;
    uint64_t started_ms;
    size_t reading; /* containers */
    bool opened;    /* something has been read */
    bool finish;    /* no more pods will come */
    bool paused;
    int rc;
    struct err err;
    struct buf why; /* what the pods wait for; of the last look */
    struct buf told;
    int closing; /* parts that are not closed yet */
};

static void look(struct pod_logs *p);

/* ---- the end ---- */

static void part_closed(struct pod_logs *p)
{
    if (--p->closing > 0) {
        return;
    }
    void *user = p->config.user;
    void (*done)(void *, int, const struct err *) = p->config.done;
    int rc = p->rc;
    struct err err = p->err;
    pod_steps_free(&p->steps);
    kubeconfig_free(&p->kubeconfig);
    fetch_clear(&p->list);
    free(p->list_url);
    buf_free(&p->why);
    buf_free(&p->told);
    arena_free(&p->arena);
    free(p);
    done(user, rc, &err);
}

static void on_timer_closed(struct loop_timer *timer)
{
    part_closed(CONTAINER_OF(timer, struct pod_logs, timer));
}

static void on_fetcher_closed(struct fetcher *fetcher)
{
    part_closed(CONTAINER_OF(fetcher, struct pod_logs, fetcher));
}

/* rc as of struct log_read's done; the first counts. */
static void end(struct pod_logs *p, int rc, const struct err *err)
{
    if (p->sm.state == ENDING) {
        return;
    }
    sm_move(&p->sm, ENDING);
    p->rc = rc;
    if (rc != 0) {
        p->err = *err;
    }
    p->closing = 2;
    loop_timer_close(&p->timer, on_timer_closed);
    fetcher_close(&p->fetcher, on_fetcher_closed);
}

static void fail(struct pod_logs *p, int code, const char *what, const char *why)
{
    struct err err;
    err_set(&err, code, "%s cluster \"%.*s\" of data plane \"%.*s\": %s", what,
            SLICE_ARG(p->config.cluster), SLICE_ARG(p->config.plane), why);
    end(p, code, &err);
}

/* ---- one container ---- */

/* Whole lines of what has come; all of it at the end, or when the line is too long. */
static void deliver(struct pod_step *s, bool all)
{
    struct pod_logs *p = s->logs;
    size_t len = s->line.len;
    while (len > 0 && !all && s->line.data[len - 1] != '\n') {
        len--;
    }
    if (len == 0 && s->line.len >= POD_LOGS_LINE_BYTES_MAX) {
        all = true;
    }
    if (all && s->line.len > 0 && s->line.data[s->line.len - 1] != '\n') {
        buf_add_char(&s->line, '\n');
    }
    len = all ? s->line.len : len;
    if (len > 0 && p->sm.state != ENDING) {
        const struct log_origin origin = {.cluster = p->config.cluster,
                                          .pod = slice_of(s->pod),
                                          .container = slice_of(s->container),
                                          .label = pod_step_label(&p->steps, s)};
        if (!p->config.on_lines(p->config.user, &origin, slice_sub(buf_slice(&s->line), 0, len))) {
            pod_logs_pause(p);
        }
    }
    buf_shift(&s->line, len);
}

static void on_log_head(struct fetch *f)
{
    struct pod_step *s = f->user;
    if (f->status < 300 && !s->logs->opened) {
        s->logs->opened = true;
        s->logs->config.on_open(s->logs->config.user);
    }
}

static void on_log_data(struct fetch *f, struct slice in)
{
    struct pod_step *s = f->user;
    if (f->status >= 300) {
        buf_add(&s->line, slice_sub(in, 0, ERROR_BYTES_MAX - s->line.len));
        return;
    }
    buf_add(&s->line, in);
    deliver(s, false);
}

/* The cluster refused: it has not begun after all, it is gone, or something is wrong. */
static void on_refusal(struct pod_step *s, int status)
{
    struct err err;
    int rc = response_error(status, buf_slice(&s->line), &err);
    bool waits = status == 400 && s->logs->options.follow && !s->logs->options.previous;
    buf_clear(&s->line);
    if (waits) {
        s->state = STEP_WAITING;
        s->times--;
    } else if (rc == ERR_NOT_FOUND) {
        s->state = STEP_READ;
    } else {
        fail(s->logs, rc == ERR_UNPROCESSABLE ? ERR_INVALID : ERR_UPSTREAM, "a log on",
             err.message);
    }
}

static void on_log_end(struct fetch *f, int rc, const struct err *err)
{
    struct pod_step *s = f->user;
    struct pod_logs *p = s->logs;
    p->reading--;
    s->state = STEP_READ;
    if (rc == 0 && f->status >= 300) {
        on_refusal(s, f->status);
    } else {
        deliver(s, true);
    }
    fetch_clear(f);
    if (rc != 0) {
        fail(p, ERR_UPSTREAM, "reading a log broke off:", err->message);
    } else if (p->sm.state == READING) {
        loop_timer_start(&p->timer, s->state == STEP_WAITING ? LOOK_MS : 0, 0);
    }
}

static void open_step(struct pod_logs *p, struct pod_step *s)
{
    struct buf url = {0};
    buf_add_cstr(&url, p->kubeconfig.server);
    pod_step_path(&url, s, p->config.ns, &p->options);
    free(s->url);
    s->url = buf_take(&url);
    s->fetch = (struct fetch){.method = "GET",
                              .url = s->url,
                              .headers = p->headers,
                              .user = s,
                              .on_head = on_log_head,
                              .on_data = on_log_data,
                              .done = on_log_end};
    s->logs = p;
    s->state = STEP_READING;
    s->times++;
    p->reading++;
    fetch_start(&p->fetcher, &s->fetch);
    if (p->paused) {
        fetch_pause(&s->fetch);
    }
}

/* ---- what to read next ---- */

/* False: what comes next has to wait, or there is nothing more. */
static bool open_next(struct pod_logs *p)
{
    LIST_FOREACH(link, &p->steps.list)
    {
        struct pod_step *s = CONTAINER_OF(link, struct pod_step, link);
        if (s->state == STEP_WAITING && s->begun) {
            open_step(p, s);
            return !p->config.steps;
        }
        if (p->config.steps &&
            (s->state == STEP_READING || (s->state == STEP_WAITING && !s->over))) {
            return false;
        }
    }
    return false;
}

static void tell_waiting(struct pod_logs *p)
{
    if (p->why.len > 0 && !slice_eq(buf_slice(&p->why), buf_slice(&p->told))) {
        buf_clear(&p->told);
        buf_add(&p->told, buf_slice(&p->why));
        p->config.on_notice(p->config.user, buf_slice(&p->why));
    }
}

/* Nothing is being read, and nothing more will come. */
static void end_read(struct pod_logs *p)
{
    if (p->opened) {
        end(p, 0, NULL);
    } else if (p->steps.pods == 0) {
        fail(p, ERR_NOT_FOUND, "there is no pod of it on", "nothing has run, or it is gone");
    } else {
        fail(p, ERR_INVALID, "waiting to start on",
             p->why.len > 0 ? buf_cstr(&p->why) : "no container of it has begun");
    }
}

static void go_on(struct pod_logs *p)
{
    const struct log_options *o = &p->options;
    if (p->steps.pods > 0 && list_empty(&p->steps.list)) {
        struct buf text = {0};
        buf_addf(&text, "its pods have no container \"%.*s\"", SLICE_ARG(o->container));
        fail(p, ERR_INVALID, "a log on", buf_cstr(&text));
        buf_free(&text);
        return;
    }
    while (p->reading < POD_LOGS_AT_ONCE_MAX && open_next(p)) {
    }
    if (p->reading > 0) {
        if (o->follow && !p->config.steps) {
            loop_timer_start(&p->timer, LOOK_MS, 0); /* there may be more of them by then */
        }
        return;
    }
    if (!o->follow || p->finish) {
        end_read(p);
        return;
    }
    tell_waiting(p);
    if (!p->opened && loop_now_ms(p->config.loop) >= p->started_ms + p->config.wait_ms) {
        struct buf text = {0};
        buf_addf(&text, "it has not started within %llu s: %s",
                 (unsigned long long)p->config.wait_ms / 1000,
                 p->why.len > 0 ? buf_cstr(&p->why) : "there is no pod of it");
        fail(p, ERR_TIMEOUT, "waiting on", buf_cstr(&text));
        buf_free(&text);
        return;
    }
    loop_timer_start(&p->timer, LOOK_MS, 0);
}

/* ---- looking ---- */

static int read_list(struct pod_logs *p, struct err *err)
{
    json_t *tree = NULL;
    int rc = response_error(p->list.status, buf_slice(&p->list.response), err);
    if (rc == 0 && json_parse(buf_slice(&p->list.response), &tree, NULL) != 0) {
        rc = err_set(err, ERR_UPSTREAM,
                     "the address answers, but not as a Kubernetes API server does");
    }
    if (rc == 0) {
        buf_clear(&p->why);
        pod_steps_update(&p->steps, json_object_get(tree, "items"), &p->options, &p->why);
    }
    json_decref(tree);
    return rc;
}

static void on_list(struct fetch *f, int rc, const struct err *why)
{
    struct pod_logs *p = f->user;
    struct err err = {0};
    if (rc != 0) {
        err = *why;
    } else {
        rc = read_list(p, &err);
    }
    fetch_clear(f);
    if (p->sm.state == ENDING) {
        return;
    }
    sm_move(&p->sm, READING);
    if (rc != 0 && p->reading == 0) {
        fail(p, ERR_UPSTREAM, "cannot read pods of", err.message);
        return;
    }
    if (p->options.follow && !p->finish && p->config.on_look != NULL) {
        p->config.on_look(p->config.user);
    }
    if (p->sm.state != ENDING) {
        go_on(p);
    }
}

static void look(struct pod_logs *p)
{
    sm_move(&p->sm, LOOKING);
    p->list = (struct fetch){.method = "GET",
                             .url = p->list_url,
                             .headers = p->headers,
                             .timeout_ms = LIST_TIMEOUT_MS,
                             .response_max = LIST_BYTES_MAX,
                             .user = p,
                             .done = on_list};
    fetch_start(&p->fetcher, &p->list);
}

static void on_timer(struct loop_timer *timer)
{
    struct pod_logs *p = CONTAINER_OF(timer, struct pod_logs, timer);
    if (p->sm.state == READING) {
        look(p);
    }
}

/* ---- the owner's calls ---- */

void pod_logs_finish(struct pod_logs *p)
{
    p->finish = true;
    if (p->sm.state == READING && p->reading == 0) {
        loop_timer_start(&p->timer, 0, 0); /* the last look */
    }
}

void pod_logs_pause(struct pod_logs *p)
{
    p->paused = true;
    LIST_FOREACH(link, &p->steps.list)
    {
        struct pod_step *s = CONTAINER_OF(link, struct pod_step, link);
        if (s->state == STEP_READING) {
            fetch_pause(&s->fetch);
        }
    }
}

void pod_logs_resume(struct pod_logs *p)
{
    p->paused = false;
    LIST_FOREACH(link, &p->steps.list)
    {
        struct pod_step *s = CONTAINER_OF(link, struct pod_step, link);
        if (s->state == STEP_READING) {
            fetch_resume(&s->fetch);
        }
    }
}

void pod_logs_close(struct pod_logs *p)
{
    struct err err;
    err_set(&err, ERR_CANCELED, "canceled");
    end(p, ERR_CANCELED, &err);
}

static void copy_config(struct pod_logs *p, const struct pod_logs_config *config)
{
    p->config = *config;
    p->config.kubeconfig = (struct slice){0};
    p->config.plane = arena_copy(&p->arena, config->plane);
    p->config.cluster = arena_copy(&p->arena, config->cluster);
    p->config.ns = arena_copy(&p->arena, config->ns);
    p->config.wait_ms = config->wait_ms > 0 ? config->wait_ms : WAIT_DEFAULT_MS;
    p->options = *config->options;
    p->options.container = arena_copy(&p->arena, config->options->container);
    p->options.since_time = arena_copy(&p->arena, config->options->since_time);
    struct buf url = {0};
    buf_addf(&url, "%s/api/v1/namespaces/", p->kubeconfig.server);
    url_encode(&url, config->ns);
    buf_add_cstr(&url, "/pods?labelSelector=");
    url_encode(&url, config->selector);
    p->list_url = buf_take(&url);
    p->headers[0] = "user-agent: choreod/" CHOREO_VERSION " (logs)";
    p->headers[1] = "accept: application/json, */*";
    if (p->kubeconfig.token != NULL) {
        p->headers[2] = arena_printf(&p->arena, "authorization: Bearer %s", p->kubeconfig.token);
    }
}

int pod_logs_open(const struct pod_logs_config *config, struct pod_logs **out, struct err *err)
{
    struct pod_logs *p = mem_zero(sizeof *p);
    struct fetcher_config fetcher = {0};
    int rc = kubeconfig_parse(config->kubeconfig, &p->kubeconfig, err);
    if (rc == 0) {
        kubeconfig_trust(&p->kubeconfig, &fetcher);
        fetcher.connect_timeout_ms = CONNECT_TIMEOUT_MS;
        fetcher.http1 = true;
        fetcher.refuse_local = config->refuse_local;
        rc = fetcher_init(&p->fetcher, config->loop, &fetcher, err);
    }
    if (rc != 0) {
        kubeconfig_free(&p->kubeconfig);
        free(p);
        return rc;
    }
    copy_config(p, config);
    pod_steps_init(&p->steps, config->steps, config->many_clusters ? p->config.cluster : SLICE(""));
    sm_init(&p->sm, states, READING);
    p->started_ms = loop_now_ms(config->loop);
    loop_timer_init(config->loop, &p->timer, on_timer);
    *out = p;
    look(p);
    return 0;
}
