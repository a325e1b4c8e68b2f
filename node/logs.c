/* logs.c: from a WorkflowRun or a ReleaseBinding to the pods whose logs it has.
 *
 *   FINDING: the object -> where it runs -> the credentials of each cluster
 *      |  ^--- every second, while a followed run is not sent anywhere yet
 *      v
 *   READING: a struct pod_logs a cluster; the object is looked at again as its pods are, to know
 *      |     when there will be no more
 *      v
 *   ENDING --> done
 *
 * Failure path: what cannot be read of one cluster is told as a notice while others go on, and is
 * the read's error at its end. Of a failed run whose pod or cluster is gone, the end of its log is
 * in its status: that comes instead.
 * Invariants: at most one request to the backend is under way; done runs when that has come back,
 * every pod_logs is over and the timer is closed. */
#include "node/logs.h"

#include <stdlib.h>
#include <string.h>

#include "base/sm.h"
#include "proto/object.h"
#include "proto/selector.h"
#include "reconcile/drivers/kubernetes/kubeconfig.h"
#include "reconcile/drivers/pod_logs.h"
#include "render/name.h"
#include "render/run.h"

#define RUNS "workflowruns.choreo.dev"
#define RENDERED "renderedreleases.choreo.dev"
#define SYSTEM_NS "choreo-system"

enum { PLACES_MAX = 16, LOOK_MS = 1000, ASK_TIMEOUT_MS = 10 * 1000 };

enum state { FINDING, READING, ENDING };

static const struct sm_state states[] = {
    [FINDING] = {"finding", SM_TO(READING) | SM_TO(ENDING)},
    [READING] = {"reading", SM_TO(ENDING)},
    [ENDING] = {"ending", 0},
};

/* A cluster that it runs on. Texts are the arena's. */
struct place {
    struct reading *reading;
    struct slice plane;
    struct slice cluster;
    struct pod_logs *pods; /* NULL: not being read */
};

struct reading {
    struct logs *logs;
    struct log_read *read;
    struct arena arena;
    struct sm sm;
    struct loop_timer timer;
    struct quota_ticket ticket;
    struct backend_get get;
    struct backend_list list;
    struct selector *selector;
    struct backend_cursor last;
    void *asked;  /* of the backend, and under way; NULL: nothing */
    bool run;     /* a WorkflowRun's, else a binding's */
    bool ended;   /* the run has */
    bool opened;  /* something was read */
    bool stopped; /* by the door */
    bool timer_closed;
    uint64_t started_ms;
    struct slice words; /* why it runs nowhere yet */
    struct slice tail;  /* what its status keeps of its log */
    struct slice ns;    /* of its pods */
    struct slice labels;
    struct place places[PLACES_MAX];
    size_t place_count;
    size_t looked_up; /* places whose credentials have been asked for */
    size_t open_count;
    int rc;
    struct err err;
};

static void find(struct reading *r, enum backend_consistency consistency);
static void look_up_next(struct reading *r);

/* ---- the end ---- */

static void on_timer_closed(struct loop_timer *timer)
{
    struct reading *r = CONTAINER_OF(timer, struct reading, timer);
    struct log_read *read = r->read;
    int rc = r->rc;
    struct err err = r->err;
    quota_leave(&r->ticket);
    selector_free(r->selector);
    arena_free(&r->arena);
    free(r);
    read->impl = NULL;
    read->done(read, rc, &err);
}

/* The last of what was under way has come back. */
static void maybe_end(struct reading *r)
{
    if (r->sm.state == ENDING && r->asked == NULL && r->open_count == 0 && !r->timer_closed) {
        r->timer_closed = true;
        loop_timer_close(&r->timer, on_timer_closed);
    }
}

/* rc, if not 0, with err: the first counts. */
static void end(struct reading *r, int rc, const struct err *err)
{
    if (r->sm.state == ENDING) {
        return;
    }
    sm_move(&r->sm, ENDING);
    if (r->rc == 0 && rc != 0) {
        r->rc = rc;
        r->err = *err;
    }
    for (size_t i = 0; i < r->place_count; i++) {
        if (r->places[i].pods != NULL) {
            pod_logs_close(r->places[i].pods);
        }
    }
    maybe_end(r);
}

static void open_once(struct reading *r)
{
    if (!r->opened) {
        r->opened = true;
        r->read->on_open(r->read);
    }
}

/* What is wrong is told while there is something else to read; alone, it is the error. */
static void note_failure(struct reading *r, int rc, const struct err *err)
{
    if (r->rc == 0) {
        r->rc = rc;
        r->err = *err;
    }
    if (r->place_count > 1 && !r->stopped) {
        r->read->on_notice(r->read, slice_of(err->message));
    }
}

/* All that could be read has been. */
static void conclude(struct reading *r)
{
    if (r->rc != 0 && !r->opened && !r->stopped && r->tail.len > 0) {
        const struct log_origin origin = {.cluster = (struct slice){0}};
        struct buf text = {0};
        buf_addf(&text, "%s; this is what its status keeps of its end", r->err.message);
        r->rc = 0;
        r->read->on_notice(r->read, buf_slice(&text));
        open_once(r);
        buf_clear(&text);
        buf_add(&text, r->tail);
        if (!slice_ends_with(r->tail, SLICE("\n"))) {
            buf_add_char(&text, '\n');
        }
        r->read->on_lines(r->read, &origin, buf_slice(&text));
        buf_free(&text);
    }
    end(r, 0, NULL);
}

/* ---- reading ---- */

static void on_pods_open(void *user)
{
    struct place *p = user;
    open_once(p->reading);
}

static bool on_pods_lines(void *user, const struct log_origin *origin, struct slice lines)
{
    struct reading *r = ((struct place *)user)->reading;
    r->read->on_lines(r->read, origin, lines);
    for (size_t i = 0; r->read->paused && i < r->place_count; i++) {
        if (r->places[i].pods != NULL) {
            pod_logs_pause(r->places[i].pods);
        }
    }
    return !r->read->paused;
}

static void on_pods_notice(void *user, struct slice text)
{
    struct reading *r = ((struct place *)user)->reading;
    r->read->on_notice(r->read, text);
}

static void on_pods_look(void *user)
{
    struct reading *r = ((struct place *)user)->reading;
    if (r->sm.state == READING && r->asked == NULL) {
        find(r, BACKEND_STALE);
    }
}

static void on_pods_done(void *user, int rc, const struct err *err)
{
    struct place *p = user;
    struct reading *r = p->reading;
    p->pods = NULL;
    r->open_count--;
    if (rc != 0 && rc != ERR_CANCELED) {
        note_failure(r, rc, err);
    }
    if (r->open_count == 0 && r->sm.state == READING) {
        conclude(r);
    }
    maybe_end(r);
}

static int open_place(struct reading *r, struct place *p, const struct backend_object *secret,
                      struct err *err)
{
    json_t *tree = NULL;
    struct buf kubeconfig = {0};
    int rc = object_parse(secret->body, secret->version, &tree, err);
    struct slice only = plane_made_in(tree);
    if (rc == 0 && only.len > 0 && !slice_eq(only, r->read->key.ns)) {
        rc = err_set(err, ERR_FORBIDDEN, "it is another namespace's");
    }
    rc = rc != 0 ? rc : kubeconfig_of_secret(tree, &kubeconfig, err);
    const struct pod_logs_config config = {
        .loop = r->read->loop,
        .kubeconfig = buf_slice(&kubeconfig),
        .refuse_local = only.len > 0 && !r->logs->allow_local,
        .plane = p->plane,
        .cluster = p->cluster,
        .ns = r->ns,
        .selector = r->labels,
        .steps = r->run,
        .many_clusters = r->place_count > 1,
        .options = &r->read->options,
        .wait_ms = LOGS_WAIT_MS,
        .user = p,
        .on_open = on_pods_open,
        .on_lines = on_pods_lines,
        .on_notice = on_pods_notice,
        .on_look = on_pods_look,
        .done = on_pods_done,
    };
    rc = rc != 0 ? rc : pod_logs_open(&config, &p->pods, err);
    if (kubeconfig.data != NULL) {
        explicit_bzero(kubeconfig.data, kubeconfig.len);
    }
    buf_free(&kubeconfig);
    json_decref(tree);
    r->open_count += rc == 0 ? 1 : 0;
    if (rc == 0 && r->ended) {
        pod_logs_finish(p->pods);
    }
    return rc;
}

/* ---- credentials ---- */

static void on_secret(struct backend_get *get, int rc, const struct err *why)
{
    struct reading *r = get->user;
    struct place *p = &r->places[r->looked_up - 1];
    struct err err = {0};
    r->asked = NULL;
    if (r->stopped) {
        maybe_end(r);
        return;
    }
    if (rc == ERR_NOT_FOUND) {
        err_set(&err, rc, "there is no kubeconfig in Secret " SYSTEM_NS "/%.*s",
                SLICE_ARG(get->key.name));
    } else if (rc != 0) {
        err = *why;
    } else {
        rc = open_place(r, p, &get->object, &err);
    }
    if (rc != 0) {
        struct err text;
        rc = err_set(&text, ERR_UPSTREAM,
                     "cluster \"%.*s\" of data plane \"%.*s\" cannot be reached: %s",
                     SLICE_ARG(p->cluster), SLICE_ARG(p->plane), err.message);
        note_failure(r, rc, &text);
    }
    look_up_next(r);
}

static void look_up_next(struct reading *r)
{
    if (r->looked_up == r->place_count) {
        sm_move(&r->sm, READING);
        if (r->open_count == 0) {
            conclude(r);
        }
        return;
    }
    const struct place *p = &r->places[r->looked_up++];
    r->get = (struct backend_get){
        .loop = r->read->loop,
        .key = {SLICE("secrets"), SLICE(SYSTEM_NS),
                slice_of(arena_printf(&r->arena, "cluster-%.*s-%.*s", SLICE_ARG(p->plane),
                                      SLICE_ARG(p->cluster)))},
        .consistency = BACKEND_LINEARIZABLE,
        .deadline_ms = loop_now_ms(r->read->loop) + ASK_TIMEOUT_MS,
        .user = r,
        .done = on_secret};
    r->asked = &r->get;
    r->logs->backend->ops->get(r->logs->backend, &r->get);
}

static void add_place(struct reading *r, struct slice plane, struct slice cluster)
{
    if (r->place_count < PLACES_MAX) {
        r->places[r->place_count++] = (struct place){.reading = r,
                                                     .plane = arena_copy(&r->arena, plane),
                                                     .cluster = arena_copy(&r->arena, cluster)};
    }
}

/* ---- where it runs ---- */

static void not_begun(struct reading *r)
{
    struct err err;
    const struct log_options *o = &r->read->options;
    uint64_t now_ms = loop_now_ms(r->read->loop);
    if (r->ended) {
        err_set(&err, ERR_NOT_FOUND, "it ended before anything ran: %.*s", SLICE_ARG(r->words));
    } else if (!o->follow) {
        err_set(&err, ERR_INVALID, "it has not begun: %.*s", SLICE_ARG(r->words));
    } else if (now_ms >= r->started_ms + LOGS_WAIT_MS) {
        err_set(&err, ERR_TIMEOUT, "it has not begun within %d s: %.*s", LOGS_WAIT_MS / 1000,
                SLICE_ARG(r->words));
    } else {
        r->read->on_notice(r->read, r->words);
        loop_timer_start(&r->timer, LOOK_MS, 0);
        return;
    }
    note_failure(r, err.code, &err);
    conclude(r);
}

static void take_run(struct reading *r, const json_t *run)
{
    const json_t *ref = json_at(run, "status", "runReference", NULL);
    struct slice phase = json_text(json_at(run, "status", "phase", NULL));
    struct slice cluster = json_text_at(ref, "cluster");
    struct slice name = run_object_name(&r->arena, r->read->key.name);
    r->ended = slice_eq_cstr(phase, "Succeeded") || slice_eq_cstr(phase, "Failed");
    r->ns = run_cell(&r->arena, r->read->key.ns);
    r->labels = slice_of(arena_printf(&r->arena, RUN_LABEL "=%.*s", SLICE_ARG(name)));
    if (cluster.len > 0) {
        add_place(r, json_text_at(ref, "dataPlane"), cluster);
        look_up_next(r);
    } else {
        not_begun(r);
    }
}

static void on_rendered(struct backend_list *list, const struct backend_object *object)
{
    struct reading *r = list->user;
    json_t *tree = NULL;
    backend_cursor_set(&r->last, &object->key);
    if (object_parse(object->body, object->version, &tree, NULL) != 0) {
        return;
    }
    const json_t *spec = json_object_get(tree, "spec");
    if (slice_eq(json_text_at(spec, "bindingName"), r->read->key.name)) {
        struct slice project = json_text(json_at(spec, "owner", "projectName", NULL));
        r->ns =
            name_cell(&r->arena, r->read->key.ns, project, json_text_at(spec, "environmentName"));
        add_place(r, json_text_at(spec, "dataPlane"), json_text_at(spec, "cluster"));
    }
    json_decref(tree);
}

static void on_listed(struct backend_list *list, int rc, const struct err *err)
{
    struct reading *r = list->user;
    r->asked = NULL;
    if (r->stopped) {
        maybe_end(r);
    } else if (rc != 0) {
        end(r, rc, err);
    } else if (list->more) {
        backend_list_next(list, &r->last);
        r->asked = list;
        r->logs->backend->ops->list(r->logs->backend, list);
    } else if (r->place_count == 0) {
        not_begun(r);
    } else {
        look_up_next(r);
    }
}

static void take_binding(struct reading *r, const json_t *binding)
{
    const json_t *spec = json_object_get(binding, "spec");
    struct slice component = json_text(json_at(spec, "owner", "componentName", NULL));
    const struct kind_set *kinds = kind_board_use(r->logs->kinds, &r->arena);
    const char *fields =
        arena_printf(&r->arena, "spec.owner.componentName=%.*s,spec.environmentName=%.*s",
                     SLICE_ARG(component), SLICE_ARG(json_text_at(spec, "environment")));
    struct err err;
    selector_free(r->selector);
    r->selector = NULL;
    int rc =
        selector_parse(SLICE(""), slice_of(fields),
                       kind_by_resource(&kinds->registry, SLICE(RENDERED)), &r->selector, &err);
    if (rc != 0) {
        end(r, rc, &err);
        return;
    }
    r->labels =
        slice_of(arena_printf(&r->arena, "openchoreo.dev/component=%.*s", SLICE_ARG(component)));
    r->list = (struct backend_list){.loop = r->read->loop,
                                    .resource = SLICE(RENDERED),
                                    .ns = r->read->key.ns,
                                    .selector = r->selector,
                                    .consistency = BACKEND_LINEARIZABLE,
                                    .limit = BACKEND_PAGE_ROWS_MAX,
                                    .bytes = BACKEND_PAGE_BYTES_FEW,
                                    .whose = slice_hash(r->read->key.ns),
                                    .deadline_ms = loop_now_ms(r->read->loop) + ASK_TIMEOUT_MS,
                                    .user = r,
                                    .row = on_rendered,
                                    .done = on_listed};
    r->asked = &r->list;
    r->logs->backend->ops->list(r->logs->backend, &r->list);
}

/* ---- the object ---- */

static void keep_words(struct reading *r, const json_t *object)
{
    struct slice message = json_text(json_at(object, "status", "message", NULL));
    if (message.len == 0) {
        message = json_text_at(object_condition(object, "Ready"), "message");
    }
    r->words =
        message.len > 0 ? arena_copy(&r->arena, message) : SLICE("nothing has been made of it yet");
    r->tail = arena_copy(&r->arena, json_text(json_at(object, "status", "logTail", NULL)));
}

/* What it has become meanwhile. */
static void look_again(struct reading *r, const json_t *object)
{
    struct slice phase = json_text(json_at(object, "status", "phase", NULL));
    bool ended =
        object == NULL || slice_eq_cstr(phase, "Succeeded") || slice_eq_cstr(phase, "Failed");
    if (object != NULL && ended) {
        keep_words(r, object);
    }
    for (size_t i = 0; ended && i < r->place_count; i++) {
        if (r->places[i].pods != NULL) {
            pod_logs_finish(r->places[i].pods);
        }
    }
}

static void on_object(struct backend_get *get, int rc, const struct err *why)
{
    struct reading *r = get->user;
    json_t *tree = NULL;
    struct err err = {0};
    r->asked = NULL;
    if (r->stopped || r->sm.state == ENDING) {
        maybe_end(r);
        return;
    }
    bool gone = rc == ERR_NOT_FOUND;
    if (rc == 0) {
        rc = object_parse(get->object.body, get->object.version, &tree, &err);
    } else if (gone) {
        err_set(&err, rc, "%.*s \"%.*s\" not found", SLICE_ARG(get->key.resource),
                SLICE_ARG(get->key.name));
    } else {
        err = *why;
    }
    if (r->sm.state == READING) {
        if (rc == 0 || gone) { /* else another look tells */
            look_again(r, tree);
        }
    } else if (rc != 0) {
        end(r, rc, &err);
    } else {
        keep_words(r, tree);
        if (r->run) {
            take_run(r, tree);
        } else {
            take_binding(r, tree);
        }
    }
    json_decref(tree);
}

static void find(struct reading *r, enum backend_consistency consistency)
{
    r->get = (struct backend_get){.loop = r->read->loop,
                                  .key = r->read->key,
                                  .consistency = consistency,
                                  .deadline_ms = loop_now_ms(r->read->loop) + ASK_TIMEOUT_MS,
                                  .user = r,
                                  .done = on_object};
    r->asked = &r->get;
    r->logs->backend->ops->get(r->logs->backend, &r->get);
}

static void on_timer(struct loop_timer *timer)
{
    struct reading *r = CONTAINER_OF(timer, struct reading, timer);
    if (r->sm.state == FINDING) {
        find(r, BACKEND_STALE);
    }
}

/* ---- the door's calls ---- */

static void start(struct log_source *source, struct log_read *read)
{
    struct logs *l = CONTAINER_OF(source, struct logs, source);
    struct reading *r = mem_zero(sizeof *r);
    struct err err;
    r->logs = l;
    r->read = read;
    r->run = slice_eq_cstr(read->key.resource, RUNS);
    r->started_ms = loop_now_ms(read->loop);
    read->impl = r;
    sm_init(&r->sm, states, FINDING);
    loop_timer_init(read->loop, &r->timer, on_timer);
    int rc = quota_enter(&l->quota, read->key.ns, QUOTA_WATCHES, r->started_ms, &r->ticket, &err);
    if (rc != 0) {
        struct err text;
        err_set(&text, rc, "logs of namespace \"%.*s\": %s", SLICE_ARG(read->key.ns), err.message);
        end(r, rc, &text);
        return;
    }
    find(r, BACKEND_LINEARIZABLE);
}

static void resume(struct log_source *source, struct log_read *read)
{
    struct reading *r = read->impl;
    (void)source;
    for (size_t i = 0; i < r->place_count; i++) {
        if (r->places[i].pods != NULL) {
            pod_logs_resume(r->places[i].pods);
        }
    }
}

static void stop(struct log_source *source, struct log_read *read)
{
    struct reading *r = read->impl;
    struct logs *l = CONTAINER_OF(source, struct logs, source);
    if (r->sm.state == ENDING) {
        return;
    }
    r->stopped = true;
    r->rc = err_set(&r->err, ERR_CANCELED, "canceled");
    end(r, 0, NULL);
    if (r->asked != NULL) {
        l->backend->ops->cancel(l->backend, r->asked);
    }
}

static const struct log_ops ops = {.start = start, .resume = resume, .stop = stop};

void logs_init(struct logs *l, struct backend *backend, struct kind_board *kinds, bool allow_local)
{
    static const struct quota_limits limits = {.most = {[QUOTA_WATCHES] = LOGS_TENANT_MAX}};
    *l = (struct logs){
        .source = {.ops = &ops}, .backend = backend, .kinds = kinds, .allow_local = allow_local};
    quota_init(&l->quota, "callers=\"logs\"", &limits);
}

void logs_free(struct logs *l)
{
    quota_free(&l->quota);
}
