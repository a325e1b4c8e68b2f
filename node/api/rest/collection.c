/* collection.c: DELETE of a collection: every object that the selectors choose, one by one.
 *
 * Happy path: a page is listed, its names are kept, each is deleted through the gate with the same
 * options; then the next page, at the first one's version, so that what is created meanwhile stays.
 * Failure path: an object that is already gone is no error; any other error ends the call with it.
 * Invariants: one backend request or gate write at a time. */
#include "node/api/rest/rest.h"

#include <string.h>

enum { COLLECTION_PAGE = 200 };

struct collection_job {
    struct rest_call *call;
    struct backend_list list;
    struct gate_write gate;
    struct selector *selector;
    const json_t *options;
    struct slice names[COLLECTION_PAGE];
    struct slice spaces[COLLECTION_PAGE];
    struct arena page; /* of this page's names and writes */
    size_t count;
    size_t at;
    bool gone;
    int rc;
    struct err err;
    struct loop_msg next;
};

static void read_page(struct collection_job *job);
static void delete_next(struct loop_msg *msg);

static void end(struct collection_job *job, int rc, const struct err *err)
{
    struct rest_call *call = job->call;
    struct status status;
    struct err kept = {0};
    if (err != NULL) {
        kept = *err; /* it may live in the page's arena */
    }
    selector_free(job->selector);
    arena_free(&job->page);
    if (job->gone) {
        rest_done(call);
        return;
    }
    rest_status_init(call, rc, &kept, &status);
    if (rc == 0) {
        status.http = 200;
    }
    rest_fail_status(call, &status);
}

static void on_deleted(struct gate_write *w, int rc, const struct err *err)
{
    struct collection_job *job = w->user;
    if (job->gone || (rc != 0 && rc != ERR_NOT_FOUND)) {
        end(job, rc, err);
        return;
    }
    job->next.run = delete_next;
    loop_post(job->call->loop, &job->next);
}

static void delete_next(struct loop_msg *msg)
{
    struct collection_job *job = CONTAINER_OF(msg, struct collection_job, next);
    struct rest_call *call = job->call;
    if (job->gone) {
        end(job, ERR_CANCELED, NULL);
        return;
    }
    if (job->at == job->count) {
        if (!job->list.more) {
            end(job, 0, NULL);
            return;
        }
        job->list.consistency = BACKEND_EXACT;
        job->list.version = job->list.read_version;
        job->list.after_ns = arena_copy(call->arena, job->spaces[job->count - 1]);
        job->list.after_name = arena_copy(call->arena, job->names[job->count - 1]);
        read_page(job);
        return;
    }
    size_t i = job->at++;
    job->gate = (struct gate_write){
        .api = call->api,
        .loop = call->loop,
        .arena = &job->page,
        .subject = call->subject,
        .kind = call->kind,
        .op = ADMIT_DELETE,
        .ns = job->spaces[i],
        .name = job->names[i],
        .incoming = job->options,
        .user_agent = http_stream_header(call->stream, "user-agent"),
        .remote = slice_of(call->stream->remote),
        .dry_run = call->query.dry_run,
        .deadline_ms = rest_deadline(call),
        .user = job,
        .done = on_deleted,
    };
    gate_write(&job->gate);
}

static void on_row(struct backend_list *list, const struct backend_object *object)
{
    struct collection_job *job = list->user;
    if (job->count < COLLECTION_PAGE) {
        job->spaces[job->count] = arena_copy(&job->page, object->key.ns);
        job->names[job->count] = arena_copy(&job->page, object->key.name);
        job->count++;
    }
}

static void on_page(struct backend_list *list, int rc, const struct err *err)
{
    struct collection_job *job = list->user;
    if (rc != 0 || job->gone) {
        end(job, rc, err);
        return;
    }
    if (job->count == 0) {
        end(job, 0, NULL);
        return;
    }
    delete_next(&job->next);
}

static void read_page(struct collection_job *job)
{
    arena_free(&job->page);
    job->count = 0;
    job->at = 0;
    job->list.limit = COLLECTION_PAGE;
    job->list.more = false;
    job->list.deadline_ms = rest_deadline(job->call);
    job->call->api->backend->ops->list(job->call->api->backend, &job->list);
}

static void on_gone(struct rest_call *call)
{
    struct collection_job *job = call->job;
    job->gone = true;
}

void rest_delete_collection(struct rest_call *call)
{
    struct err err = {0};
    struct collection_job *job = ARENA_NEW(call->arena, struct collection_job);
    job->call = call;
    unsigned forms = (1U << REST_OBJECT) | (1U << REST_TABLE) | (1U << REST_PARTIAL);
    int rc =
        rest_accept_parse(http_stream_header(call->stream, "accept"), forms, &call->accept, &err);
    rc = rc != 0 ? rc : rest_delete_options(call, &job->options, &call->query.dry_run, &err);
    rc = rc != 0 ? rc
                 : selector_parse(call->query.labels, call->query.fields, call->kind,
                                  &job->selector, &err);
    if (rc != 0) {
        end(job, rc, &err);
        return;
    }
    call->job = job;
    call->gone = on_gone;
    job->list.loop = call->loop;
    job->list.resource = call->kind->resource;
    job->list.ns = call->path.ns;
    job->list.selector = job->selector;
    job->list.consistency = BACKEND_LINEARIZABLE;
    job->list.whose = slice_hash(call->subject->user);
    job->list.user = job;
    job->list.row = on_row;
    job->list.done = on_page;
    read_page(job);
}
