/* preferences.c: one object's bytes, and their way to the balancer.
 *
 * Happy path: tenants.c looks whenever the system shard has moved; an object that says something
 * else than last time goes to the consensus loop, whose replicas each keep their own region.
 * Failure path: an object that cannot be read is logged, and what was known stays. */
#include "node/shard/preferences.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "node/shard/internal.h"
#include "proto/object.h"

int preferences_parse(struct slice body, preferences_region *regions, uint32_t shards,
                      struct err *err)
{
    json_t *tree = NULL;
    if (object_parse(body, 0, &tree, err) != 0) {
        return err_wrap(err, "preferences");
    }
    memset(regions, 0, shards * sizeof(regions[0]));
    const char *key;
    json_t *value;
    json_object_foreach(json_at(tree, "spec", "regions", NULL), key, value)
    {
        uint64_t shard;
        struct slice region = json_text(value);
        if (slice_u64(slice_of(key), &shard) && shard < shards && region.len > 0 &&
            region.len <= NODE_NAME_MAX) {
            memcpy(regions[shard], region.data, region.len);
        }
    }
    json_decref(tree);
    return 0;
}

static json_t *new_preferences(uint64_t wall_ms)
{
    json_t *tree = object_new("cluster.choreo.dev/v1", "Preferences", (struct slice){0},
                              SLICE(PREFERENCES_NAME));
    json_t *metadata = json_child(tree, "metadata");
    char created[32];
    char uid[37];
    clock_rfc3339(wall_ms, created);
    crypto_uuid(uid);
    json_object_set_new(metadata, "creationTimestamp", json_string(created));
    json_object_set_new(metadata, "generation", json_integer(1));
    json_object_set_new(metadata, "uid", json_string(uid));
    return tree;
}

int preferences_edit(struct slice body, uint64_t wall_ms, uint32_t shard, const char *region,
                     struct buf *out, uint32_t *splice, bool *changed, struct err *err)
{
    json_t *tree = NULL;
    char key[16];
    if (body.len == 0) {
        tree = new_preferences(wall_ms);
    } else if (object_parse(body, 0, &tree, err) != 0) {
        return err_wrap(err, "preferences");
    }
    (void)snprintf(key, sizeof(key), "%u", shard);
    json_t *regions = json_child(json_child(tree, "spec"), "regions");
    if (regions == NULL) {
        json_decref(tree);
        return err_set(err, ERR_CORRUPT, "preferences: spec.regions is no map");
    }
    *changed = !slice_eq_cstr(json_text_at(regions, key), region);
    if (region[0] == '\0') {
        json_object_del(regions, key);
    } else {
        json_object_set_new(regions, key, json_string(region));
    }
    if (*changed && body.len > 0) {
        json_object_set_new(json_child(tree, "metadata"), "generation",
                            json_integer(object_generation(tree) + 1));
    }
    int rc = object_canonical(tree, out, splice, err);
    json_decref(tree);
    return rc;
}

/* ---- the look ---- */

struct news {
    struct loop_msg msg;
    struct node_impl *node;
    preferences_region regions[];
};

static void run_news(struct loop_msg *msg)
{
    struct news *news = CONTAINER_OF(msg, struct news, msg);
    struct node_impl *n = news->node;
    for (uint32_t i = 0; i < n->identity.shards; i++) {
        struct replica *r = &n->replicas[i];
        r->preferred_ms = strcmp(r->prefers, news->regions[i]) == 0 ? r->preferred_ms : 0;
        memcpy(r->prefers, news->regions[i], sizeof(r->prefers));
    }
    if (!n->stopping) {
        status_publish(n);
    }
    free(news);
}

static void publish(struct preferences *p, const preferences_region *regions)
{
    struct node_impl *n = p->node;
    size_t bytes = n->identity.shards * sizeof(regions[0]);
    if (memcmp(p->regions, regions, bytes) == 0) {
        return;
    }
    memcpy(p->regions, regions, bytes);
    struct news *news = mem_zero(sizeof(*news) + bytes);
    news->msg.run = run_news;
    news->node = n;
    memcpy(news->regions, regions, bytes);
    loop_post(&n->consensus, &news->msg);
}

static void on_got(struct backend_get *get, int rc, const struct err *err)
{
    struct preferences *p = get->user;
    uint32_t shards = p->node->identity.shards;
    preferences_region *regions = mem_zero(shards * sizeof(regions[0]));
    struct err why;
    if (rc == ERR_NOT_FOUND ||
        (rc == 0 && preferences_parse(get->object.body, regions, shards, &why) == 0)) {
        publish(p, regions);
    } else if (rc == 0) {
        log_error("node.preferences", "error=%s", log_q(why.message));
    } else {
        log_debug("node.preferences", "error=%s", log_q(err->message));
    }
    free(regions);
    p->looked(p->user, rc != 0 && rc != ERR_NOT_FOUND);
}

void preferences_look(struct preferences *p, uint64_t deadline_ms)
{
    struct node_impl *n = p->node;
    p->get = (struct backend_get){
        .loop = &n->internal,
        .key = {.resource = SLICE(PREFERENCES_RESOURCE), .name = SLICE(PREFERENCES_NAME)},
        .consistency = BACKEND_STALE,
        .deadline_ms = deadline_ms,
        .user = p,
        .done = on_got,
    };
    n->backend.ops->get(&n->backend, &p->get);
}

void preferences_init(struct preferences *p, struct node_impl *n)
{
    *p = (struct preferences){.node = n};
    p->regions = mem_zero(n->identity.shards * sizeof(p->regions[0]));
}

void preferences_free(struct preferences *p)
{
    free(p->regions);
}
