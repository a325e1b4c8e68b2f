/* engine_event.c: what is told in Events: what plans say, and what kept one from being carried out.
 *
 * An Event has a name of its own each time; but for a refusal, which every try meets again: its
 * name is made of what it says, so whoever creates it once more finds it there. */
#include "base/clock.h"
#include "base/crypto.h"
#include "proto/object.h"
#include "reconcile/engine_internal.h"

enum { NAME_PART_MAX = 200, SUFFIX_BYTES = 8 };

static json_t *event_new(struct engine_shard *s, const struct plan_event *e,
                         const uint8_t suffix[SUFFIX_BYTES])
{
    char now[21];
    struct buf name = {0};
    struct slice ns = object_ns(e->regarding);
    ns = ns.len > 0 ? ns : SLICE("default");
    clock_rfc3339(engine_wall_ms(s->e), now);
    buf_add(&name, slice_sub(object_name(e->regarding), 0, NAME_PART_MAX));
    buf_add_char(&name, '.');
    hex_encode(&name, slice_make(suffix, SUFFIX_BYTES));
    json_t *o = object_new("v1", "Event", ns, buf_slice(&name));
    json_object_set_new(o, "involvedObject",
                        json_pack("{s:o, s:o, s:o, s:o, s:o}", "apiVersion",
                                  json_str(object_api_version(e->regarding)), "kind",
                                  json_str(object_kind(e->regarding)), "name",
                                  json_str(object_name(e->regarding)), "namespace",
                                  json_str(object_ns(e->regarding)), "uid",
                                  json_str(object_uid(e->regarding))));
    json_object_set_new(o, "type", json_string(e->warning ? "Warning" : "Normal"));
    json_object_set_new(o, "reason", json_string(e->reason));
    json_object_set_new(o, "message", json_str(slice_of(e->message)));
    json_object_set_new(o, "firstTimestamp", json_string(now));
    json_object_set_new(o, "lastTimestamp", json_string(now));
    json_object_set_new(o, "count", json_integer(1));
    json_object_set_new(o, "source", json_pack("{s:s}", "component", "choreod"));
    buf_free(&name);
    return o;
}

json_t *event_of_plan(struct engine_shard *s, const struct plan_event *e)
{
    uint8_t random[SUFFIX_BYTES];
    crypto_random(random, sizeof(random));
    return event_new(s, e, random);
}

json_t *event_of_refusal(struct engine_shard *s, const json_t *regarding,
                         const struct plan_write *write, const char *message)
{
    struct buf text = {0};
    struct buf told = {0};
    uint8_t hash[SHA256_BYTES];
    bool secret = write->kind == SNAPSHOT_SECRET; /* whose values the words may quote */
    buf_addf(&text, "%s \"%.*s\", which follows from it, is refused: %s",
             snapshot_kind_name(write->kind), SLICE_ARG(write->name),
             secret ? "it is not told why, in words that may quote it" : message);
    buf_addf(&told, "%.*s/%s", SLICE_ARG(object_uid(regarding)), buf_cstr(&text));
    crypto_sha256(buf_slice(&told), hash);
    const struct plan_event event = {.regarding = regarding,
                                     .warning = true,
                                     .reason = "WriteRefused",
                                     .message = buf_cstr(&text)};
    json_t *o = event_new(s, &event, hash);
    buf_free(&told);
    buf_free(&text);
    return o;
}
