/* gate.c: one write, from what a client asked to its outcome.
 *
 * Happy path: read the object from the local view, admit, submit with the version read as
 * precondition, done. A create by POST reads nothing: its absence is the submit's precondition.
 *
 *        +--------------------------------------------------------+
 *        v                                                        | conflict (server-made)
 *   read local --> admit --> submit -----------------------------+--> done
 *        ^           | error or no change on a local view
 *        |           v
 *        +---- read confirmed        (a name that exists: another suffix, admit again)
 *
 * Failure path: an error or "no change" found on the local view is never believed; the object is
 * read again, confirmed, and admitted again. Before a confirmed refusal is answered to a client
 * that gave a request id, the id's outcome is looked up: the request may have been executed
 * already. Out of attempts is ERR_BUSY, which clients retry.
 * Invariants: exactly one backend request is under way at a time; the id and digest stay the same
 * over all attempts, so a submit that was executed is never executed again; `done` runs once. */
#include "node/api/gate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"

static void attempt(struct gate_write *w);
static void on_outcome(struct backend_submit *submit, int rc, const struct err *err);

/* ---- the end ---- */

static void finish(struct gate_write *w, int rc)
{
    w->rc = rc;
    buf_free(&w->audit);
    if (rc == 0) {
        w->done(w, 0, NULL);
    } else {
        w->done(w, rc, &w->err);
    }
}

static void finish_deferred(struct loop_msg *msg)
{
    struct gate_write *w = CONTAINER_OF(msg, struct gate_write, defer);
    finish(w, w->rc);
}

/* done is never called inside gate_write(). */
static void finish_later(struct gate_write *w, int rc)
{
    w->rc = rc;
    w->defer.run = finish_deferred;
    loop_post(w->loop, &w->defer);
}

static int fail_err(struct gate_write *w, int rc, const struct err *err)
{
    if (err != NULL && err->code != 0) {
        w->err = *err;
    } else {
        (void)err_set(&w->err, rc, "%s", err_meaning(rc));
    }
    return rc;
}

/* ---- reading ---- */

static void keep_old(struct gate_write *w, const struct backend_object *object)
{
    w->have_old = true;
    w->old = *object;
    w->old.key = (struct backend_key){.resource = w->kind->resource, .ns = w->ns, .name = w->name};
    w->old.body = arena_copy(w->arena, object->body);
}

static void on_get(struct backend_get *get, int rc, const struct err *err)
{
    struct gate_write *w = get->user;
    w->have_old = false;
    if (w->canceled) {
        (void)err_set(&w->err, ERR_CANCELED, "the caller gave up");
        finish(w, ERR_CANCELED);
        return;
    }
    if (rc == 0) {
        keep_old(w, &get->object);
    } else if (rc != ERR_NOT_FOUND) {
        finish(w, fail_err(w, rc, err));
        return;
    }
    attempt(w);
}

static void read_old(struct gate_write *w, bool confirmed)
{
    w->confirmed = confirmed;
    w->get = (struct backend_get){
        .loop = w->loop,
        .key = {.resource = w->kind->resource, .ns = w->ns, .name = w->name},
        .consistency = confirmed ? BACKEND_LINEARIZABLE : BACKEND_STALE,
        .deadline_ms = w->deadline_ms,
        .user = w,
        .done = on_get,
    };
    w->api->backend->ops->get(w->api->backend, &w->get);
}

/* ---- submitting ---- */

static const char *op_name(const struct gate_write *w)
{
    static const char *const names[] = {
        [ADMIT_CREATE] = "create",         [ADMIT_UPDATE] = "update",
        [ADMIT_PATCH_JSON] = "patch",      [ADMIT_PATCH_MERGE] = "patch",
        [ADMIT_PATCH_STRATEGIC] = "patch", [ADMIT_APPLY] = "apply",
        [ADMIT_DELETE] = "delete",
    };
    return names[w->op];
}

/* Who really asks, if in another's name. */
static const struct subject *author(const struct gate_write *w)
{
    return w->subject->really != NULL ? w->subject->really : w->subject;
}

/* `"user":...,"groups":[...]` */
static void write_subject(struct buf *out, const struct subject *s)
{
    buf_add_cstr(out, "\"user\":");
    json_quote(out, s->user);
    buf_add_cstr(out, ",\"groups\":[");
    for (size_t i = 0; i < s->group_count; i++) {
        if (i != 0) {
            buf_add_char(out, ',');
        }
        json_quote(out, s->groups[i]);
    }
    buf_add_char(out, ']');
}

static void write_audit(struct gate_write *w)
{
    buf_clear(&w->audit);
    buf_add_char(&w->audit, '{');
    write_subject(&w->audit, author(w));
    if (w->subject->really != NULL) {
        buf_add_cstr(&w->audit, ",\"impersonated\":{");
        write_subject(&w->audit, w->subject);
        buf_add_char(&w->audit, '}');
    }
    buf_addf(&w->audit, ",\"verb\":\"%s\",\"from\":", op_name(w));
    json_quote(&w->audit, w->remote);
    buf_add_cstr(&w->audit, ",\"agent\":");
    json_quote(&w->audit, slice_sub(w->user_agent, 0, 200));
    buf_add_cstr(&w->audit, ",\"decision\":\"allow\"}");
}

static void fill_result(struct gate_write *w, uint64_t version)
{
    w->object = (struct backend_object){
        .key = {.resource = w->kind->resource, .ns = w->ns, .name = w->result.name},
        .body = w->result.body,
        .splice = w->result.splice,
        .version = version,
    };
    w->changed = true;
    w->created = w->result.verb == BACKEND_CREATE;
    w->deleted = w->result.verb == BACKEND_DELETE;
}

/* What the submit found differs from what was read: may it be tried again? */
static bool may_retry(struct gate_write *w, int rc)
{
    if (rc == ERR_EXISTS && w->result.generated_name) {
        return ++w->name_attempts < GATE_NAME_ATTEMPTS_MAX;
    }
    if (w->op == ADMIT_CREATE || w->result.client_made) {
        return false;
    }
    bool moved = rc == ERR_CONFLICT || rc == ERR_EXISTS ||
                 (rc == ERR_NOT_FOUND && w->result.verb != BACKEND_CREATE);
    return moved && ++w->attempts < GATE_ATTEMPTS_MAX;
}

static void on_submit(struct backend_submit *submit, int rc, const struct err *err)
{
    struct gate_write *w = submit->user;
    w->submitting = false;
    if (rc == 0) {
        fill_result(w, submit->version);
        finish(w, 0);
        return;
    }
    if (w->canceled || !may_retry(w, rc)) {
        bool lost_race = rc == ERR_CONFLICT && !w->result.client_made && !w->canceled;
        if (lost_race) {
            rc = err_set(&w->err, ERR_BUSY,
                         "%.*s \"%.*s\" changed %d times while it was being written; try again",
                         SLICE_ARG(w->kind->resource), SLICE_ARG(w->name), w->attempts);
            finish(w, rc);
            return;
        }
        finish(w, fail_err(w, rc, err));
        return;
    }
    if (w->op == ADMIT_CREATE) {
        attempt(w);
    } else {
        read_old(w, true);
    }
}

static void fill_submit(struct gate_write *w)
{
    const struct admit_result *r = &w->result;
    w->submit = (struct backend_submit){
        .loop = w->loop,
        .key = {.resource = w->kind->resource, .ns = w->ns, .name = r->name},
        .verb = r->verb,
        .body = r->body,
        .splice = r->splice,
        .if_version = r->if_version,
        .if_uid = r->if_uid,
        .client_made = r->client_made,
        .subject = author(w)->user,
        .request_id = w->request_id,
        .issued_ms = w->issued_ms,
        .request_digest = slice_make(w->digest, sizeof(w->digest)),
        .audit = buf_slice(&w->audit),
        .deadline_ms = w->deadline_ms,
        .user = w,
        .done = on_submit,
    };
}

static void submit(struct gate_write *w)
{
    write_audit(w);
    fill_submit(w);
    w->submitting = true;
    w->api->backend->ops->submit(w->api->backend, &w->submit);
}

/* ---- admission ---- */

/* A request with an id of the client's, when it comes again, makes the same uid and name: what is
 * answered is then what the first execution stored. */
static void derive_names(const struct gate_write *w, uint8_t random[5], char uid[37])
{
    uint8_t hash[SHA256_BYTES];
    struct buf text = {0};
    struct buf hex = {0};
    buf_addf(&text, "%d %.*s ", w->name_attempts, SLICE_ARG(author(w)->user));
    buf_add(&text, w->request_id);
    crypto_sha256(buf_slice(&text), hash);
    memcpy(random, hash + 16, 5);
    hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 1 */
    hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80);
    hex_encode(&hex, slice_make(hash, 16));
    const char *h = buf_cstr(&hex);
    (void)snprintf(uid, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12, h + 16, h + 20);
    buf_free(&text);
    buf_free(&hex);
}

static void fill_admit(struct gate_write *w, struct admit_request *r)
{
    uint8_t random[5];
    w->author = (struct admit_author){.user = author(w)->user,
                                      .groups = author(w)->groups,
                                      .group_count = author(w)->group_count};
    *r = (struct admit_request){
        .arena = w->arena,
        .kind = w->kind,
        .op = w->op,
        .sub = w->sub,
        .ns = w->ns,
        .name = w->name,
        .old = w->have_old ? &w->old : NULL,
        .incoming = w->incoming,
        .field_manager = w->field_manager,
        .user_agent = w->user_agent,
        .force = w->force,
        .dry_run = w->dry_run,
        .create_on_update = w->create_on_update,
        .validate = w->api->config.validate,
        .validation = w->validation,
        .collected =
            w->api->config.collected != NULL && w->api->config.collected(w->kind->resource),
        .author = &w->author,
        .expressions = w->api->config.expressions,
        .now_ms = w->api->clock->wall_ms(w->api->clock),
    };
    if (w->asked_id) {
        derive_names(w, random, r->uid);
    } else {
        crypto_uuid(r->uid);
        crypto_random(random, sizeof(random));
    }
    admit_suffix(random, r->suffix);
}

/* A write that changes nothing is answered with what is there. */
static void fill_unchanged(struct gate_write *w)
{
    w->object = w->old;
    w->changed = false;
    w->created = false;
}

/* A dry run of what would be submitted: a create still must not find its name taken. */
static void on_dry_get(struct backend_get *get, int rc, const struct err *err)
{
    struct gate_write *w = get->user;
    if (rc == 0 && !w->canceled) {
        rc = err_set(&w->err, ERR_EXISTS, "%.*s \"%.*s\" already exists",
                     SLICE_ARG(w->kind->resource), SLICE_ARG(w->result.name));
        finish(w, rc);
    } else if (rc == ERR_NOT_FOUND) {
        fill_result(w, 0);
        finish(w, 0);
    } else {
        finish(w, fail_err(w, rc, err));
    }
}

static void dry_run(struct gate_write *w)
{
    if (w->op != ADMIT_CREATE) {
        fill_result(w, w->have_old ? w->old.version : 0);
        finish_later(w, 0);
        return;
    }
    w->get = (struct backend_get){
        .loop = w->loop,
        .key = {.resource = w->kind->resource, .ns = w->ns, .name = w->result.name},
        .consistency = BACKEND_LINEARIZABLE,
        .deadline_ms = w->deadline_ms,
        .user = w,
        .done = on_dry_get,
    };
    w->api->backend->ops->get(w->api->backend, &w->get);
}

static void ask_outcome(struct gate_write *w)
{
    w->asked_outcome = true;
    fill_submit(w);
    w->submit.key.name = w->name;
    w->submit.done = on_outcome;
    w->api->backend->ops->outcome(w->api->backend, &w->submit);
}

/* Refused on a confirmed view, or nothing to change. w->err and the result stand. */
static void settle(struct gate_write *w, int rc)
{
    if (w->asked_id && !w->asked_outcome && w->op != ADMIT_CREATE) {
        w->rc = rc;
        ask_outcome(w);
        return;
    }
    if (rc == 0) {
        fill_unchanged(w);
    }
    finish_later(w, rc);
}

static void on_outcome(struct backend_submit *s, int rc, const struct err *err)
{
    struct gate_write *w = s->user;
    if (rc == 0) {
        /* Executed before: what is there now is the best answer there is. */
        if (w->have_old) {
            fill_unchanged(w);
            w->changed = true;
        } else {
            w->object = (struct backend_object){.key = s->key, .version = s->version};
            w->deleted = w->op == ADMIT_DELETE;
        }
        finish(w, 0);
    } else if (rc == ERR_NOT_FOUND) {
        settle(w, w->rc);
    } else {
        finish(w, fail_err(w, rc, err));
    }
}

/* ---- what is answered and not stored ---- */

static void on_answered(struct review *review, int rc, const struct err *err)
{
    struct gate_write *w = review->user;
    struct buf body = {0};
    if (rc == 0) {
        json_canonical(review->object, &body);
        w->object = (struct backend_object){
            .key = {.resource = w->kind->resource, .ns = w->ns, .name = w->name},
            .body = arena_copy(w->arena, buf_slice(&body)),
        };
        w->created = true;
        buf_free(&body);
        finish(w, 0);
        return;
    }
    w->result_rc = fail_err(w, rc, err);
    w->result.message = arena_copy(w->arena, slice_of(w->err.message));
    finish(w, rc);
}

static void answer(struct gate_write *w)
{
    w->review = (struct review){
        .api = w->api,
        .loop = w->loop,
        .arena = w->arena,
        .subject = w->subject,
        .kind = w->kind,
        .ns = w->ns,
        .name = w->name,
        .dry_run = w->dry_run,
        .object = w->result.object,
        .deadline_ms = w->deadline_ms,
        .user = w,
        .done = on_answered,
    };
    review_start(&w->review);
}

/* What admission came to: go on, look again, or end. */
static void conclude(struct gate_write *w, int rc)
{
    w->result_rc = rc;
    bool doubtful = !w->confirmed && w->op != ADMIT_CREATE;
    if ((rc != 0 || !w->result.changed) && doubtful) {
        read_old(w, true);
        return;
    }
    if (rc != 0 || !w->result.changed) {
        settle(w, rc);
        return;
    }
    if (w->kind->answered) {
        answer(w);
    } else if (w->dry_run) {
        dry_run(w);
    } else {
        submit(w);
    }
}

static void on_checked(struct promotion_check *check, int rc, const struct err *err)
{
    struct gate_write *w = check->user;
    if (w->canceled) {
        (void)err_set(&w->err, ERR_CANCELED, "the caller gave up");
        finish(w, ERR_CANCELED);
        return;
    }
    if (rc == 0) {
        if (check->warning.len > 0) {
            admit_warn(&w->request, &w->result, check->warning);
        }
        rc = admit_finish(&w->request, &w->result, &w->err);
    } else {
        (void)fail_err(w, rc, err);
        w->result.message = arena_copy(w->arena, slice_of(w->err.message));
    }
    conclude(w, rc);
}

static void check_promotion(struct gate_write *w)
{
    w->check = (struct promotion_check){.backend = w->api->backend,
                                        .loop = w->loop,
                                        .arena = w->arena,
                                        .subject = author(w),
                                        .kind = w->kind,
                                        .kinds = api_kinds(w->api, w->arena),
                                        .ns = w->ns,
                                        .object = w->result.object,
                                        .deadline_ms = w->deadline_ms,
                                        .user = w,
                                        .done = on_checked};
    promotion_check_start(&w->check);
}

static void attempt(struct gate_write *w)
{
    fill_admit(w, &w->request);
    w->result = (struct admit_result){0};
    w->err = (struct err){0};
    int rc = admit_merge(&w->request, &w->result, &w->err);
    if (rc == 0 && promotion_concerns(w->kind, w->result.before, w->result.object)) {
        check_promotion(w);
        return;
    }
    conclude(w, rc == 0 ? admit_finish(&w->request, &w->result, &w->err) : rc);
}

/* ---- the beginning ---- */

static void digest_request(struct gate_write *w)
{
    struct buf text = {0};
    buf_addf(&text, "%d %d %d %.*s %.*s/%.*s %.*s\n", (int)w->op, (int)w->sub, w->force ? 1 : 0,
             SLICE_ARG(w->kind->resource), SLICE_ARG(w->ns), SLICE_ARG(w->name),
             SLICE_ARG(w->field_manager));
    if (w->subject->really != NULL) {
        buf_addf(&text, "as %.*s\n", SLICE_ARG(w->subject->user));
    }
    buf_add(&text, w->raw);
    crypto_sha256(buf_slice(&text), w->digest);
    buf_free(&text);
}

void gate_write(struct gate_write *w)
{
    assert(loop_is_current(w->loop));
    w->asked_id = w->request_id.len != 0;
    if (!w->asked_id) {
        crypto_uuid(w->id);
        w->request_id = slice_make(w->id, 36);
    }
    if (w->issued_ms == 0) {
        w->issued_ms = w->api->clock->wall_ms(w->api->clock);
    }
    if (w->deadline_ms == 0) {
        w->deadline_ms = loop_now_ms(w->loop) + w->api->config.timeout_ms;
    }
    digest_request(w);
    if (w->op == ADMIT_CREATE) {
        w->confirmed = true; /* absence is the submit's precondition */
        attempt(w);
    } else {
        read_old(w, false);
    }
}

void gate_cancel(struct gate_write *w)
{
    w->canceled = true;
    if (w->submitting) {
        w->api->backend->ops->cancel(w->api->backend, &w->submit);
    }
}
