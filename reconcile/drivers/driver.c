/* driver.c: names for what is on a cluster, shared by engine, controllers and drivers. */
#include "reconcile/drivers/driver.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/kind.h"
#include "proto/object.h"

void epoch_text(const struct epoch *epoch, struct buf *out)
{
    buf_addf(out, "%s/%" PRIu64 "/%" PRIu32 "/%" PRIu64, epoch->cluster, epoch->incarnation,
             epoch->shard, epoch->term);
}

static void key(struct buf *out, struct slice api_version, struct slice kind, struct slice ns,
                struct slice name)
{
    buf_addf(out, "%.*s/%.*s/%.*s/%.*s", SLICE_ARG(api_version), SLICE_ARG(kind), SLICE_ARG(ns),
             SLICE_ARG(name));
}

void manifest_key(const json_t *object, struct buf *out)
{
    key(out, object_api_version(object), object_kind(object), object_ns(object),
        object_name(object));
}

json_t *manifest_keys(const json_t *manifests)
{
    json_t *keys = json_object();
    struct buf text = {0};
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        buf_clear(&text);
        manifest_key(json_array_get(manifests, i), &text);
        json_object_setn_new(keys, buf_slice(&text).data, buf_slice(&text).len,
                             json_integer((json_int_t)i));
    }
    buf_free(&text);
    return keys;
}

void resource_api_version(const json_t *resource, struct buf *out)
{
    struct slice group = json_text_at(resource, "group");
    if (group.len > 0) {
        buf_add(out, group);
        buf_add_char(out, '/');
    }
    buf_add(out, json_text_at(resource, "version"));
}

void resource_key(const json_t *resource, struct buf *out)
{
    struct buf api_version = {0};
    resource_api_version(resource, &api_version);
    key(out, buf_slice(&api_version), json_text_at(resource, "kind"),
        json_text_at(resource, "namespace"), json_text_at(resource, "name"));
    buf_free(&api_version);
}

int driver_refuse_anothers(struct slice key, struct slice own, struct slice other, struct err *err)
{
    size_t ns = slice_find(own, SLICE("/"));
    bool neighbour = ns != SIZE_MAX && slice_starts_with(other, slice_sub(own, 0, ns + 1));
    return err_set(err, ERR_EXISTS,
                   "%.*s is there already and belongs to %s%.*s: give one of the two another name",
                   SLICE_ARG(key), neighbour ? "RenderedRelease " : "another organization",
                   SLICE_ARG(neighbour ? slice_sub(other, ns + 1, SIZE_MAX) : SLICE("")));
}

json_t *resource_new(const json_t *live, uint64_t fingerprint)
{
    struct slice group;
    struct slice version;
    struct buf id = {0};
    char hash[17];
    kind_split_api_version(object_api_version(live), &group, &version);
    manifest_key(live, &id);
    snprintf(hash, sizeof(hash), "%016" PRIx64, fingerprint);
    json_t *row =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "id", json_str(buf_slice(&id)), "version",
                  json_str(version), "kind", json_str(object_kind(live)), "name",
                  json_str(object_name(live)), "uid", json_str(object_uid(live)), "hash", hash);
    if (group.len > 0) {
        json_object_set_new(row, "group", json_str(group));
    }
    if (object_ns(live).len > 0) {
        json_object_set_new(row, "namespace", json_str(object_ns(live)));
    }
    buf_free(&id);
    return row;
}
