/* submit.c: writes, on their way to the shard's leader.
 *
 * Happy path: a write is encoded once and called to the leader; dispatch asks again with the same
 * bytes when leadership moves; whoever leads, it is executed once.
 * An Organization's namespace has a row in its home shard: made before its creation is answered,
 * marked before its deletion is. What is left half-done by a crash is repaired (tenants.c).
 *
 * Failure path: at the deadline a write is ERR_TIMEOUT: its call may still be under way, and a
 * retry of the same id finds its outcome. So is one whose marks could not be made any more.
 *
 * Invariants: the marks follow the write, which may be refused. */
#include "base/json.h"
#include "node/shard/router.h"
#include "store/command.h"

static bool owns_namespace(const struct backend_submit *submit)
{
    return submit->key.ns.len == 0 &&
           slice_eq(submit->key.resource, SLICE(NODE_ORGANIZATION_RESOURCE));
}

static bool deleting(const struct backend_submit *submit)
{
    struct slice value;
    return json_scan(submit->body, &value, "metadata", "deletionTimestamp", NULL);
}

/* What a write to a namespace's owner takes, in order. The marks follow the write, which may be
 * refused; a crash between them is repaired (tenants.c). */
enum step { STEP_WRITE, STEP_MARK_ACTIVE, STEP_MARK_TERMINATING, STEP_MARK_GONE, STEP_END };

static bool step_needed(const struct backend_submit *submit, int step)
{
    bool owner = owns_namespace(submit);
    switch ((enum step)step) {
    case STEP_WRITE:
        return true;
    case STEP_MARK_ACTIVE:
        return owner && submit->verb == BACKEND_CREATE;
    case STEP_MARK_TERMINATING:
        return owner && (submit->verb == BACKEND_DELETE ||
                         (submit->verb == BACKEND_UPDATE && deleting(submit)));
    case STEP_MARK_GONE:
        return owner && submit->verb == BACKEND_DELETE;
    case STEP_END:
        break;
    }
    return false;
}

static enum namespace_state mark_of(int step)
{
    if (step == STEP_MARK_ACTIVE) {
        return NAMESPACE_ACTIVE;
    }
    return step == STEP_MARK_GONE ? NAMESPACE_GONE : NAMESPACE_TERMINATING;
}

static int encode_step(const struct run *run, const struct backend_submit *submit,
                       struct call *call, struct err *err)
{
    struct command command = {0};
    if (run->step == STEP_WRITE) {
        command_from_submit(submit, &command);
    } else {
        command = (struct command){.kind = COMMAND_NAMESPACE,
                                   .mark = {.name = submit->key.name, .state = mark_of(run->step)}};
    }
    return command_encode(&command, &call->request, err);
}

static void on_step(struct call *call);

/* Starts the next step that is needed; false when the run is at its end, with *rc and err. */
static bool next_step(struct run *run, int *rc, struct err *err)
{
    struct backend_submit *submit = run->request;
    *rc = 0;
    while (run->step < STEP_END && !step_needed(submit, run->step)) {
        run->step++;
    }
    if (run->step == STEP_END) {
        return false;
    }
    struct front *f = run->front;
    uint32_t shard =
        run->step == STEP_WRITE ? run->shard : router_shard_of(f->node, submit->key.name);
    struct call *call = call_new(CALL_SUBMIT, shard, run->deadline_ms);
    *rc = encode_step(run, submit, call, err);
    if (*rc != 0) {
        call_free(call);
        return false;
    }
    call->home = f->loop;
    call->front = f;
    call->user = run;
    call->done = on_step;
    run->call = call;
    front_call(f, call);
    return true;
}

/* Of a mark only that it could not be made counts; "still holds objects" is a later mark's matter.
 */
static bool refused(const struct run *run, int rc)
{
    return rc != 0 && (run->step == STEP_WRITE || rc == ERR_TIMEOUT || rc == ERR_UNAVAILABLE ||
                       rc == ERR_CLOSED || rc == ERR_BUSY);
}

/* The write is done, so the whole is not "certainly not": who asks again must be told so. */
static int half_done(const struct backend_submit *submit, struct err *err)
{
    err_wrap(err, "%.*s is written; whether its namespace follows is unknown",
             SLICE_ARG(submit->key.name));
    return err->code = ERR_TIMEOUT;
}

static void take_step(struct run *run, const struct call *call)
{
    struct backend_submit *submit = run->request;
    struct err err = call->err;
    int rc = call->rc;
    run->call = NULL;
    if (run->over) {
        return; /* its end is on its way */
    }
    if (refused(run, rc)) {
        rc = run->step == STEP_WRITE ? rc : half_done(submit, &err);
        run_answer(run, rc, &err);
        return;
    }
    if (run->step == STEP_WRITE) {
        submit->version = call->version;
    }
    run->step++;
    if (!next_step(run, &rc, &err)) {
        run_answer(run, rc, &err);
    }
}

static void on_step(struct call *call)
{
    struct front *f = call->front;
    if (call->user != NULL) {
        take_step(call->user, call);
    }
    call_free(call);
    front_call_done(f);
}

void router_submit(struct backend *b, struct backend_submit *submit)
{
    struct front *f = router_front(b, submit->loop);
    struct run *run = run_new(f, RUN_SUBMIT, submit, submit->deadline_ms, 0);
    run->shard = router_shard_of(f->node, submit->key.ns);
    submit->version = 0;
    struct err err;
    int rc = 0;
    if (!next_step(run, &rc, &err)) {
        run_later(run, rc, &err);
    }
}
