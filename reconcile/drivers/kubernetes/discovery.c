/* discovery.c: kinds to plurals, as the cluster tells them.
 *
 * One list of resources per group and version, asked for when a kind of it is first needed, shared
 * by all who wait for it. A kind that is not in the list is looked up anew the next time it is
 * asked for: its CustomResourceDefinition may have come meanwhile. */
#include "reconcile/drivers/kubernetes/cluster.h"

#include <stdlib.h>
#include <string.h>

struct group {
    struct driver_cluster *c;
    char *api_version;
    struct list waiting; /* lookups */
    bool asking;
};

static void kind_key(struct buf *out, struct slice api_version, struct slice kind)
{
    buf_add(out, api_version);
    buf_add_char(out, '/');
    buf_add(out, kind);
}

void lookup_free(struct lookup *l)
{
    free(l->api_version);
    free(l->kind);
    l->api_version = NULL;
    l->kind = NULL;
}

/* Who brings the kinds of a group to a cluster; NULL: not known here. */
static const char *product_of(struct slice group)
{
    static const struct {
        const char *suffix;
        const char *product;
    } products[] = {{"gateway.networking.k8s.io", "the Gateway API and a gateway"},
                    {"external-secrets.io", "the External Secrets Operator"},
                    {"monitoring.coreos.com", "the Prometheus Operator"},
                    {"cilium.io", "Cilium"},
                    {"istio.io", "Istio"},
                    {"cnpg.io", "CloudNativePG"},
                    {"redis.opstreelabs.in", "OpsTree's redis-operator"},
                    {"velero.io", "Velero"}};
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        if (slice_ends_with(group, slice_of(products[i].suffix))) {
            return products[i].product;
        }
    }
    return NULL;
}

static int unknown_kind(const struct lookup *l, struct err *err)
{
    struct slice group = slice_of(l->api_version);
    size_t slash = slice_find(group, SLICE("/"));
    group = slice_sub(group, 0, slash == SIZE_MAX ? 0 : slash);
    const char *product = product_of(group);
    return err_set(err, ERR_NOT_FOUND, "the cluster does not know kind %s of %s%s%s", l->kind,
                   l->api_version, product != NULL ? ": install " : "",
                   product != NULL ? product : "");
}

static void answer(struct lookup *l, const struct err *failure)
{
    struct buf key = {0};
    struct err err = {0};
    kind_key(&key, slice_of(l->api_version), slice_of(l->kind));
    l->resource = map_get(&l->c->kinds, buf_slice(&key));
    buf_free(&key);
    int rc = 0;
    if (l->resource == NULL && failure != NULL && failure->code != ERR_NOT_FOUND) {
        rc = failure->code;
        err = *failure;
    } else if (l->resource == NULL) {
        rc = unknown_kind(l, &err);
    }
    l->found(l, rc, &err);
}

static void learn(struct group *g, const json_t *list)
{
    size_t i;
    json_t *item;
    struct buf key = {0};
    json_array_foreach(json_object_get(list, "resources"), i, item)
    {
        struct slice plural = json_text_at(item, "name");
        struct slice kind = json_text_at(item, "kind");
        if (plural.len == 0 || slice_find(plural, SLICE("/")) != SIZE_MAX) {
            continue; /* a subresource */
        }
        struct resource_kind *k = mem_zero(sizeof(*k));
        k->plural = slice_dup(plural);
        k->namespaced = json_is_true(json_object_get(item, "namespaced"));
        buf_clear(&key);
        kind_key(&key, slice_of(g->api_version), kind);
        struct resource_kind *old = map_get(&g->c->kinds, buf_slice(&key));
        if (old != NULL) { /* lookups may still hold it */
            free(k->plural);
            free(k);
            continue;
        }
        map_put(&g->c->kinds, buf_slice(&key), k);
    }
    buf_free(&key);
}

static void group_free(struct group *g)
{
    free(g->api_version);
    free(g);
}

static void on_list(struct request *r, int rc, const struct err *err)
{
    struct group *g = r->user;
    struct list waiting;
    if (rc == 0) {
        learn(g, r->tree);
    }
    g->asking = false;
    list_init(&waiting);
    list_splice_back(&waiting, &g->waiting);
    struct list *link;
    while ((link = list_pop_front(&waiting)) != NULL) {
        answer(CONTAINER_OF(link, struct lookup, link), rc != 0 ? err : NULL);
    }
    if (rc != 0 && !g->asking) { /* most likely there is no such group */
        (void)map_remove(&g->c->groups, slice_of(g->api_version));
        group_free(g);
    }
}

static struct group *group_get(struct driver_cluster *c, struct slice api_version)
{
    struct group *g = map_get(&c->groups, api_version);
    if (g == NULL) {
        g = mem_zero(sizeof(*g));
        g->c = c;
        g->api_version = slice_dup(api_version);
        list_init(&g->waiting);
        map_put(&c->groups, api_version, g);
    }
    return g;
}

static void answer_known(struct loop_msg *msg)
{
    struct lookup *l = CONTAINER_OF(msg, struct lookup, msg);
    struct driver_cluster *c = l->c;
    c->posted--;
    answer(l, NULL);
    cluster_check_closed(c);
}

void discovery_find(struct driver_cluster *c, struct lookup *l, struct slice api_version,
                    struct slice kind)
{
    l->c = c;
    l->api_version = slice_dup(api_version);
    l->kind = slice_dup(kind);
    list_init(&l->link);
    struct buf key = {0};
    kind_key(&key, api_version, kind);
    bool known = map_get(&c->kinds, buf_slice(&key)) != NULL;
    buf_free(&key);
    if (known) {
        l->msg.run = answer_known;
        c->posted++;
        loop_post(c->config.loop, &l->msg);
        return;
    }
    struct group *g = group_get(c, api_version);
    list_push_back(&g->waiting, &l->link);
    if (!g->asking) {
        struct buf path = {0};
        bool core = slice_find(api_version, SLICE("/")) == SIZE_MAX;
        buf_addf(&path, "%s/%.*s", core ? "/api" : "/apis", SLICE_ARG(api_version));
        g->asking = true;
        request_start(request_new(c, "GET", buf_slice(&path), g, on_list), true);
        buf_free(&path);
    }
}

void discovery_free(struct driver_cluster *c)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&c->kinds, &cursor, &key, &value)) {
        struct resource_kind *k = value;
        free(k->plural);
        free(k);
    }
    cursor = 0;
    while (map_next(&c->groups, &cursor, &key, &value)) {
        group_free(value);
    }
    map_free(&c->kinds);
    map_free(&c->groups);
}

void resource_path(struct buf *out, struct slice api_version, const struct resource_kind *kind,
                   struct slice ns, struct slice name)
{
    bool core = slice_find(api_version, SLICE("/")) == SIZE_MAX;
    buf_addf(out, "%s/%.*s", core ? "/api" : "/apis", SLICE_ARG(api_version));
    if (kind->namespaced && ns.len > 0) {
        buf_add_cstr(out, "/namespaces/");
        url_encode(out, ns);
    }
    buf_addf(out, "/%s", kind->plural);
    if (name.len > 0) {
        buf_add_char(out, '/');
        url_encode(out, name);
    }
}
