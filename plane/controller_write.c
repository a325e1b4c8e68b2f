/* controller_write.c: the controllers' submits.
 *
 * Each write owns its bytes until it is done. Its outcome matters little: whatever it was, the
 * watch tells what is there now. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/log.h"
#include "plane/controller_internal.h"
#include "proto/object.h"

enum { WRITE_TIMEOUT_MS = 10000 };

struct write {
    struct controller *controller;
    struct backend_submit submit;
    struct arena arena;
    struct buf body;
    const char *item_key; /* NULL: no item waits for it */
};

static void on_done(struct backend_submit *submit, int rc, const struct err *err)
{
    struct write *w = submit->user;
    struct controller *c = w->controller;
    if (rc != 0 && rc != ERR_CONFLICT && rc != ERR_EXISTS && rc != ERR_NOT_FOUND &&
        rc != ERR_CLOSED) {
        log_warn("plane.write", "name=%.*s error=%s", SLICE_ARG(submit->key.name),
                 log_q(err->message));
    }
    controller__written(c, w->item_key, rc);
    buf_free(&w->body);
    arena_free(&w->arena);
    free(w);
    c->writes--;
    controller__part_closed(c);
}

static struct write *write_new(struct controller *c, enum backend_verb verb,
                               enum workload_kind kind, struct slice ns, struct slice name)
{
    struct write *w = mem_zero(sizeof *w);
    w->controller = c;
    w->submit = (struct backend_submit){
        .loop = c->loop,
        .key = {slice_of(workload_resources[kind]), arena_copy(&w->arena, ns),
                arena_copy(&w->arena, name)},
        .verb = verb,
        .subject = SLICE(CONTROLLER_SUBJECT),
        .issued_ms = controller__now(c),
        .deadline_ms = loop_now_ms(c->loop) + WRITE_TIMEOUT_MS,
        .user = w,
        .done = on_done,
    };
    return w;
}

static void send_write(struct write *w)
{
    struct controller *c = w->controller;
    c->writes++;
    c->parts_open++;
    w->submit.body = buf_slice(&w->body);
    c->config.backend->ops->submit(c->config.backend, &w->submit);
}

static void send_object(struct write *w, json_t *object)
{
    struct err err;
    if (object_canonical(object, &w->body, &w->submit.splice, &err) != 0) {
        log_warn("plane.write", "name=%.*s error=%s", SLICE_ARG(w->submit.key.name),
                 log_q(err.message));
        buf_free(&w->body);
        arena_free(&w->arena);
        free(w);
        return;
    }
    send_write(w);
}

void controller__update(struct controller *c, struct item *item, json_t *object)
{
    if (item->busy || c->closing) {
        item->again = true;
        return;
    }
    struct write *w =
        write_new(c, BACKEND_UPDATE, item->kind, object_ns(object), object_name(object));
    w->submit.if_version = item->version;
    w->item_key = arena_cstr(&w->arena, slice_of(item->key));
    item->busy = true;
    send_object(w, object);
}

void controller__create(struct controller *c, enum workload_kind kind, json_t *object,
                        const json_t *owner)
{
    if (c->closing) {
        return;
    }
    char uid[37];
    char now[21];
    json_t *meta = json_child(object, "metadata");
    crypto_uuid(uid);
    clock_rfc3339(controller__now(c), now);
    json_object_set_new(meta, "uid", json_string(uid));
    json_object_set_new(meta, "creationTimestamp", json_string(now));
    json_object_set_new(meta, "generation", json_integer(1));
    if (owner != NULL) {
        object_add_owner(object, owner, true);
    }
    send_object(write_new(c, BACKEND_CREATE, kind, object_ns(object), object_name(object)), object);
}

void controller__delete(struct controller *c, const struct item *item)
{
    json_t *tree;
    struct err err;
    if (c->closing || item->body.len == 0 ||
        object_parse(buf_slice(&item->body), 0, &tree, &err) != 0) {
        return;
    }
    struct write *w = write_new(c, BACKEND_DELETE, item->kind, object_ns(tree), object_name(tree));
    w->submit.if_uid = arena_copy(&w->arena, slice_of(item->uid));
    send_object(w, tree);
    json_decref(tree);
}
