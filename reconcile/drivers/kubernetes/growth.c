/* growth.c: claims that grow, one after the other, and a StatefulSet that makes room for its
 * successor.
 *
 *   list claims, all pages -> PATCH each that is smaller than wanted -> DELETE the StatefulSet with
 *   propagationPolicy Orphan, and wait until it is gone
 *
 * The claims come first: were the StatefulSet made again before, the next pod would get a volume of
 * the new size beside others of the old one, and nothing would show which are to grow. A claim that
 * the cluster refuses to make larger stops it all, with the StatefulSet as it was. Those that have
 * grown stay so. Claims of replicas that are not wanted at present grow too: they come back. */
#include "reconcile/drivers/kubernetes/growth.h"

#include <stdlib.h>

#include "base/log.h"
#include "proto/object.h"
#include "proto/schema.h"
#include "reconcile/drivers/kubernetes/cluster.h"

enum { CLAIMS_PAGE = 500, TOLD_MAX = 3 };

struct growth {
    struct driver_cluster *c;
    json_t *live;
    const json_t *manifest;
    json_t *claims; /* that are to grow */
    size_t next;
    json_t *resource;
    struct driver_op removal;
    uint64_t retry_after_ms;
    void *user;
    void (*done)(void *user, int rc, const struct err *err, uint64_t retry_after_ms);
};

/* ---- what is whose, and how large ---- */

static struct slice asked(const json_t *claim)
{
    return json_text(json_at(claim, "spec", "resources", "requests", "storage", NULL));
}

static bool is_smaller(struct slice one, struct slice other)
{
    schema_nano a;
    schema_nano b;
    return schema_quantity(one, &a) && schema_quantity(other, &b) && a < b;
}

static const json_t *templates_of(const json_t *set)
{
    return json_at(set, "spec", "volumeClaimTemplates", NULL);
}

/* "TEMPLATE-SET-ORDINAL" */
static bool is_made_of(const json_t *claim, const json_t *template, struct slice set)
{
    struct slice rest = object_name(claim);
    const struct slice parts[] = {object_name(template), set};
    uint64_t ordinal;
    for (size_t i = 0; i < 2; i++) {
        if (!slice_starts_with(rest, parts[i])) {
            return false;
        }
        rest = slice_sub(rest, parts[i].len, SIZE_MAX);
        if (!slice_starts_with(rest, SLICE("-"))) {
            return false;
        }
        rest = slice_sub(rest, 1, SIZE_MAX);
    }
    return slice_u64(rest, &ordinal);
}

static const json_t *template_of(const json_t *set, const json_t *claim)
{
    const json_t *templates = templates_of(set);
    for (size_t i = 0; i < json_array_size(templates); i++) {
        const json_t *template = json_array_get(templates, i);
        if (is_made_of(claim, template, object_name(set))) {
            return template;
        }
    }
    return NULL;
}

struct slice growth_of(const json_t *manifest, const json_t *claim)
{
    struct slice wanted = asked(template_of(manifest, claim));
    bool grows = !object_deleting(claim) && is_smaller(asked(claim), wanted);
    return grows ? wanted : (struct slice){0};
}

void growth_note(const json_t *live, const json_t *manifest, struct buf *out)
{
    const json_t *before = templates_of(live);
    const json_t *after = templates_of(manifest);
    size_t start = out->len;
    for (size_t i = 0; i < json_array_size(after); i++) {
        struct slice was = asked(json_array_get(before, i));
        struct slice wanted = asked(json_array_get(after, i));
        if (is_smaller(was, wanted)) {
            buf_addf(out, "%s%.*s from %.*s to %.*s", out->len > start ? ", " : "",
                     SLICE_ARG(object_name(json_array_get(after, i))), SLICE_ARG(was),
                     SLICE_ARG(wanted));
        }
    }
}

/* Why it takes its time, if the cluster says so: "FileSystemResizePending: waiting for ...". */
static void add_reason(const json_t *claim, struct buf *out)
{
    size_t i;
    json_t *condition;
    json_array_foreach(json_at(claim, "status", "conditions", NULL), i, condition)
    {
        struct slice message = json_text_at(condition, "message");
        if (slice_eq_cstr(json_text_at(condition, "status"), "True") && message.len > 0) {
            buf_addf(out, " (%.*s: %.*s)", SLICE_ARG(json_text_at(condition, "type")),
                     SLICE_ARG(message));
            return;
        }
    }
}

void growth_progress(const json_t *set, const json_t *claims, struct buf *out)
{
    size_t count = 0;
    size_t i;
    json_t *claim;
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim)
    {
        struct slice has = json_text(json_at(claim, "status", "capacity", "storage", NULL));
        if (template_of(set, claim) == NULL || !is_smaller(has, asked(claim))) {
            continue;
        }
        if (count < TOLD_MAX) {
            buf_addf(out, "%s%.*s has %.*s of %.*s", count > 0 ? ", " : "",
                     SLICE_ARG(object_name(claim)), SLICE_ARG(has), SLICE_ARG(asked(claim)));
            add_reason(claim, out);
        }
        count++;
    }
    if (count > TOLD_MAX) {
        buf_addf(out, ", and %zu more", count - TOLD_MAX);
    }
}

void growth_claims_path(const json_t *set, struct buf *out)
{
    buf_add_cstr(out, "/api/v1/namespaces/");
    url_encode(out, object_ns(set));
    buf_add_cstr(out, "/persistentvolumeclaims");
}

/* ---- doing it ---- */

static void finish(struct growth *g, int rc, const struct err *err)
{
    void *user = g->user;
    uint64_t retry_after_ms = g->retry_after_ms;
    void (*done)(void *, int, const struct err *, uint64_t) = g->done;
    json_decref(g->live);
    json_decref(g->claims);
    json_decref(g->resource);
    free(g);
    done(user, rc, err, retry_after_ms);
}

static void on_removed(struct driver_op *op, int rc, const struct err *err)
{
    struct growth *g = op->user;
    g->retry_after_ms = op->retry_after_ms;
    finish(g, rc, err);
}

static void make_room(struct growth *g, const char *release)
{
    g->resource = resource_new(g->live, 0);
    g->removal = (struct driver_op){.verb = DRIVER_DELETE,
                                    .release = release,
                                    .resource = g->resource,
                                    .orphans = true,
                                    .user = g,
                                    .done = on_removed};
    remove_start(g->c, &g->removal);
}

static void go_on(struct growth *g);

static void refuse(const struct growth *g, const json_t *claim, const struct err *err,
                   struct err *told)
{
    err_set(told, err->code,
            "the volume of claim %.*s does not grow from %.*s to %.*s (set its size back, or let "
            "its storage class have allowVolumeExpansion): %s",
            SLICE_ARG(object_name(claim)), SLICE_ARG(asked(claim)),
            SLICE_ARG(growth_of(g->manifest, claim)), err->message);
}

static void on_grown(struct request *r, int rc, const struct err *err)
{
    struct growth *g = r->user;
    const json_t *claim = json_array_get(g->claims, g->next);
    struct err told;
    g->retry_after_ms = r->retry_after_ms;
    if (rc == ERR_UNPROCESSABLE) {
        refuse(g, claim, err, &told);
        finish(g, rc, &told);
    } else if (rc != 0 && rc != ERR_NOT_FOUND) {
        told = *err;
        err_wrap(&told, "claim %.*s", SLICE_ARG(object_name(claim)));
        finish(g, rc, &told);
    } else {
        g->next++;
        go_on(g);
    }
}

/* The next claim, or after the last of them the StatefulSet itself. */
static void go_on(struct growth *g)
{
    const json_t *claim = json_array_get(g->claims, g->next);
    if (claim == NULL) {
        make_room(g, g->removal.release);
        return;
    }
    struct slice version = json_text(json_at(claim, "metadata", "resourceVersion", NULL));
    json_t *body =
        json_pack("{s:{s:o, s:o}, s:{s:{s:{s:o}}}}", "metadata", "uid", json_str(object_uid(claim)),
                  "resourceVersion", json_str(version), "spec", "resources", "requests", "storage",
                  json_str(growth_of(g->manifest, claim)));
    struct buf path = {0};
    growth_claims_path(g->live, &path);
    buf_add_char(&path, '/');
    url_encode(&path, object_name(claim));
    buf_add_cstr(&path, "?fieldManager=" DRIVER_FIELD_MANAGER "&timeout=5s");
    struct request *r = request_new(g->c, "PATCH", buf_slice(&path), g, on_grown);
    request_body(r, BODY_MERGE, body);
    json_decref(body);
    buf_free(&path);
    request_start(r, false);
}

static void list_page(struct growth *g, struct slice next);

static void on_list(struct request *r, int rc, const struct err *err)
{
    struct growth *g = r->user;
    g->retry_after_ms = r->retry_after_ms;
    if (rc != 0) {
        struct err told = *err;
        err_wrap(&told, "its volumes are to grow, but their claims cannot be listed");
        finish(g, rc, &told);
        return;
    }
    size_t i;
    json_t *claim;
    json_array_foreach(json_object_get(r->tree, "items"), i, claim)
    {
        if (growth_of(g->manifest, claim).len > 0) {
            json_array_append(g->claims, claim);
        }
    }
    struct slice next = json_text(json_at(r->tree, "metadata", "continue", NULL));
    if (next.len > 0) {
        list_page(g, next);
        return;
    }
    log_info("reconcile.grow", "cluster=%s release=%s set=%.*s claims=%zu", g->c->config.cluster,
             g->removal.release, SLICE_ARG(object_name(g->live)), json_array_size(g->claims));
    go_on(g);
}

static void list_page(struct growth *g, struct slice next)
{
    struct buf path = {0};
    growth_claims_path(g->live, &path);
    buf_addf(&path, "?limit=%d", CLAIMS_PAGE);
    if (next.len > 0) {
        buf_add_cstr(&path, "&continue=");
        url_encode(&path, next);
    }
    request_start(request_new(g->c, "GET", buf_slice(&path), g, on_list), false);
    buf_free(&path);
}

void growth_start(struct driver_cluster *c, const json_t *live, const json_t *manifest,
                  const char *release, void *user,
                  void (*done)(void *user, int rc, const struct err *err, uint64_t retry_after_ms))
{
    struct growth *g = mem_zero(sizeof(*g));
    g->c = c;
    g->live = json_incref((json_t *)(uintptr_t)live);
    g->manifest = manifest;
    g->claims = json_array();
    g->removal.release = release;
    g->user = user;
    g->done = done;
    list_page(g, (struct slice){0});
}
