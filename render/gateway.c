/* gateway.c: gateways of both forms, from all who may name one, as one. */
#include "render/gateway.h"

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

/* Our flat gateway as OpenChoreo's {ingress: {external: {name, namespace, http: {host, port,
 * listenerName}, https: ...}}}. */
static json_t *unfold(const json_t *flat)
{
    static const char *const schemes[][2] = {{"httpPort", "http"}, {"httpsPort", "https"}};
    if (json_object_get(flat, "ingress") != NULL || json_object_get(flat, "egress") != NULL) {
        return json_deep_copy(flat);
    }
    json_t *external = json_object();
    set_text(external, "name", json_text_at(flat, "name"));
    set_text(external, "namespace", json_text_at(flat, "namespace"));
    for (size_t i = 0; i < 2; i++) {
        json_t *port = json_object_get(flat, schemes[i][0]);
        bool implied = i == 0 && json_object_get(flat, "httpsPort") == NULL;
        if (port == NULL && !implied) {
            continue;
        }
        json_t *listener = json_object();
        set_text(listener, "host", json_text_at(flat, "domain"));
        json_object_set_new(listener, "port",
                            port != NULL ? json_deep_copy(port) : json_integer(80));
        if (json_object_get(flat, "listenerName") != NULL) {
            set_text(listener, "listenerName", json_text_at(flat, "listenerName"));
        }
        json_object_set_new(external, schemes[i][1], listener);
    }
    return json_pack("{s:{s:o}}", "ingress", "external", external);
}

/* Adds to into what a spec says of directions (ingress, egress) and reaches (external, internal)
 * that into does not have yet: a reach is taken as a whole. */
static void add(json_t *into, const json_t *spec)
{
    static const char *const directions[] = {"ingress", "egress"};
    static const char *const reaches[] = {"external", "internal"};
    const json_t *given = json_object_get(spec, "gateway");
    json_t *gateway = json_object_size(given) > 0 ? unfold(given) : json_object();
    for (size_t d = 0; d < 2; d++) {
        json_t *from = json_object_get(gateway, directions[d]);
        for (size_t r = 0; r < 2; r++) {
            json_t *reach = json_object_get(from, reaches[r]);
            json_t *there = json_object_get(into, directions[d]);
            if (json_is_object(reach) && json_object_get(there, reaches[r]) == NULL) {
                json_object_set(json_child(into, directions[d]), reaches[r], reach);
            }
        }
    }
    json_decref(gateway);
}

json_t *gateway_merge(const json_t *environment, const json_t *cluster, const json_t *dataplane)
{
    json_t *gateway = json_object();
    add(gateway, environment);
    add(gateway, cluster);
    add(gateway, dataplane);
    return gateway;
}
