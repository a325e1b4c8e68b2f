/* missing.c: a kind that is not served here, or not yet.
 *
 * Another node may have told a client that a definition is established before this one has followed
 * it. So a custom kind is called unknown only on a confirmed view: if its definition is there,
 * established, and serves the version, the request waits the moment until this process serves it.
 *
 *   find_kind fails --> GET definition, confirmed --> not there: 404
 *                                                \--> there: look every few ms --> the verb, anew
 */
#include "node/api/rest/rest.h"

#include "proto/crd.h"

enum { LOOK_MS = 5, WAIT_MS = 3000 };

struct missing {
    struct rest_call *call;
    struct backend_get get;
    struct loop_timer timer;
    uint64_t until_ms;
    void (*again)(struct rest_call *call);
    bool there;
};

static void answer_not_found(struct rest_call *call)
{
    struct status status;
    rest_status_init(call, ERR_NOT_FOUND, NULL, &status);
    status.name = (struct slice){0};
    status.message = SLICE("the server could not find the requested resource");
    rest_fail_status(call, &status);
}

static bool is_served(struct rest_call *call)
{
    const struct rest_path *p = &call->path;
    const struct kind_set *set = kind_board_get(call->api->config.kinds);
    bool served = kind_by_plural(&set->registry, p->group, p->version, p->plural) != NULL;
    kind_set_unref(set);
    return served;
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct missing *m = CONTAINER_OF(timer, struct missing, timer);
    struct rest_call *call = m->call;
    struct err err;
    if (!http_stream_alive(call->stream)) {
        rest_done(call);
    } else if (m->there) {
        m->again(call);
    } else {
        (void)err_set(&err, ERR_UNAVAILABLE, "%.*s.%.*s is defined, but not served here yet",
                      SLICE_ARG(call->path.plural), SLICE_ARG(call->path.group));
        rest_fail(call, ERR_UNAVAILABLE, &err);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct missing *m = CONTAINER_OF(timer, struct missing, timer);
    m->there = is_served(m->call);
    if (m->there || !http_stream_alive(m->call->stream) ||
        loop_now_ms(timer->loop) >= m->until_ms) {
        loop_timer_close(timer, on_timer_closed);
    }
}

static bool defines(struct rest_call *call, const struct backend_object *definition)
{
    json_t *tree = NULL;
    bool serves = false;
    if (object_parse(definition->body, 0, &tree, NULL) != 0) {
        return false;
    }
    const json_t *versions = json_at(tree, "spec", "versions", NULL);
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        serves = serves || (slice_eq(json_text_at(version, "name"), call->path.version) &&
                            json_is_true(json_object_get(version, "served")));
    }
    serves = serves && crd_established(tree);
    json_decref(tree);
    return serves;
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct missing *m = get->user;
    struct rest_call *call = m->call;
    call->gone = NULL;
    if (!http_stream_alive(call->stream)) {
        rest_done(call);
    } else if (rc == ERR_NOT_FOUND || (rc == 0 && !defines(call, &get->object))) {
        answer_not_found(call);
    } else if (rc != 0) {
        rest_fail(call, rc, err);
    } else {
        m->until_ms = loop_now_ms(call->loop) + WAIT_MS;
        loop_timer_init(call->loop, &m->timer, on_timer);
        loop_timer_start(&m->timer, 0, LOOK_MS);
        call->gone = NULL; /* the timer sees it */
    }
}

static void on_gone(struct rest_call *call)
{
    struct missing *m = call->job;
    call->api->backend->ops->cancel(call->api->backend, &m->get);
}

void rest_await_kind(struct rest_call *call, void (*again)(struct rest_call *call))
{
    struct missing *m = ARENA_NEW(call->arena, struct missing);
    const struct rest_path *p = &call->path;
    struct slice name =
        slice_of(arena_printf(call->arena, "%.*s.%.*s", SLICE_ARG(p->plural), SLICE_ARG(p->group)));
    m->call = call;
    m->again = again;
    m->get = (struct backend_get){.loop = call->loop,
                                  .key = {SLICE(CRD_RESOURCE), SLICE(""), name},
                                  .consistency = BACKEND_LINEARIZABLE,
                                  .deadline_ms = rest_deadline(call),
                                  .user = m,
                                  .done = on_got};
    call->job = m;
    call->gone = on_gone;
    call->api->backend->ops->get(call->api->backend, &m->get);
}
