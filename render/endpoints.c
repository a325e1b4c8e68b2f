/* endpoints.c: what a workload listens on.
 *
 * Service ports are named after their endpoints, as Kubernetes allows names (15 characters of a-z,
 * 0-9 and '-'), each port and protocol once, in the order in which endpoints are listed. */
#include "render/derived.h"

#include <stdio.h>

#include "proto/schema.h"
#include "render/members.h"
#include "render/name.h"

enum { PORT_NAME_MAX = 15, ENDPOINTS_MAX = 1000 };

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

/* Every endpoint is visible to its project, then to whom else it says. */
static json_t *visibility_of(const json_t *given)
{
    json_t *all = json_pack("[s]", "project");
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        bool known = false;
        for (size_t k = 0; k < json_array_size(all); k++) {
            known = known || json_equal(json_array_get(all, k), one);
        }
        if (!known) {
            json_array_append_new(all, json_deep_copy(one));
        }
    }
    return all;
}

static json_t *endpoint_of(const json_t *given)
{
    json_t *endpoint = json_deep_copy(given);
    if (json_integer_value(json_object_get(endpoint, "targetPort")) == 0) {
        json_object_set(endpoint, "targetPort", json_object_get(endpoint, "port"));
    }
    json_object_set_new(endpoint, "visibility",
                        visibility_of(json_object_get(given, "visibility")));
    return endpoint;
}

/* Without the '-' at its end, which it may have come to by being cut. */
static struct slice trim_end(struct slice name)
{
    while (name.len > 0 && name.data[name.len - 1] == '-') {
        name.len--;
    }
    return name;
}

/* An endpoint's name as a port's: lowercase, '_' as '-', one '-' at a time, nothing else strange,
 * at most 15. Without a letter it is no name. */
static struct slice port_name(struct arena *arena, struct slice endpoint, json_int_t port)
{
    char *name = arena_alloc(arena, endpoint.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < endpoint.len; i++) {
        char c = endpoint.data[i] == '_' ? '-' : endpoint.data[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
            (c == '-' && n > 0 && name[n - 1] != '-')) {
            name[n++] = c;
        }
    }
    struct slice cut = trim_end(slice_make(name, n > PORT_NAME_MAX ? PORT_NAME_MAX : n));
    return cut.len > 0 && schema_port_name(cut) == NULL
               ? cut
               : slice_of(arena_printf(arena, "port-%lld", (long long)port));
}

/* The same, made different from those that are taken: "http", "http-2", ... */
static struct slice free_name(struct arena *arena, struct map *taken, struct slice base)
{
    char text[PORT_NAME_MAX + 1];
    struct slice name = base;
    for (int n = 2; map_get(taken, name) != NULL; n++) {
        char suffix[16];
        size_t len = (size_t)snprintf(suffix, sizeof suffix, "-%d", n);
        struct slice cut = trim_end(slice_sub(base, 0, PORT_NAME_MAX - len));
        len = (size_t)snprintf(text, sizeof text, "%.*s%s", SLICE_ARG(cut), suffix);
        name = slice_make(text, len);
    }
    map_put(taken, name, taken);
    return arena_copy(arena, name);
}

/* The Service's port of that number and protocol, or NULL. */
static const json_t *find_port(const json_t *ports, const json_t *port, const char *protocol)
{
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *other = json_array_get(ports, i);
        if (json_equal(json_object_get(other, "port"), port) &&
            slice_eq_cstr(json_text_at(other, "protocol"), protocol)) {
            return other;
        }
    }
    return NULL;
}

/* Two endpoints may share a port of the Service only if it leads both to the same one of the pods.
 */
static int add_port(struct arena *arena, const struct member *m, json_t *ports, struct map *names,
                    struct err *err)
{
    const json_t *port = json_object_get(m->value, "port");
    const json_t *target = json_object_get(m->value, "targetPort");
    const char *protocol = slice_eq_cstr(json_text_at(m->value, "type"), "UDP") ? "UDP" : "TCP";
    const json_t *taken = find_port(ports, port, protocol);
    if (taken != NULL && json_equal(json_object_get(taken, "targetPort"), target)) {
        return 0;
    }
    if (taken != NULL) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "workload.endpoints.%.*s: port %lld leads to port %lld of its pods, and for "
                       "another endpoint to %lld: give one of the two another port",
                       SLICE_ARG(m->key), (long long)json_integer_value(port),
                       (long long)json_integer_value(target),
                       (long long)json_integer_value(json_object_get(taken, "targetPort")));
    }
    struct slice base = port_name(arena, m->key, json_integer_value(port));
    json_t *entry = json_object();
    set_text(entry, "name", free_name(arena, names, base));
    json_object_set_new(entry, "port", json_deep_copy(port));
    json_object_set_new(entry, "targetPort", json_deep_copy(target));
    set_text(entry, "protocol", slice_of(protocol));
    json_array_append_new(ports, entry);
    return 0;
}

int derive_workload(struct arena *arena, const struct render_component *in, json_t *variables,
                    json_t *derived, struct err *err)
{
    static const char *const keys[] = {"image", "command", "args"};
    const json_t *given = json_object_get(in->release, "workload");
    const json_t *container = json_object_get(given, "container");
    if (json_text_at(container, "image").len == 0) {
        return err_set(err, ERR_UNPROCESSABLE,
                       "workload.container.image: there is no image to run");
    }
    json_t *shown = json_object();
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_object_get(container, keys[i]);
        if (value != NULL && (!json_is_array(value) || json_array_size(value) > 0)) {
            json_object_set_new(shown, keys[i], json_deep_copy(value));
        }
    }
    json_t *endpoints = json_object();
    json_t *ports = json_array();
    struct member *members;
    size_t count = members_listed(arena, json_object_get(given, "endpoints"),
                                  json_object_get(given, "endpointOrder"), &members);
    struct map names = {0};
    int rc = count <= ENDPOINTS_MAX
                 ? 0
                 : err_set(err, ERR_TOO_LARGE, "workload.endpoints: there are more than %d",
                           ENDPOINTS_MAX);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct member m = {members[i].key, endpoint_of(members[i].value)};
        rc = add_port(arena, &m, ports, &names, err);
        json_object_setn_new(endpoints, m.key.data, m.key.len, m.value);
    }
    map_free(&names);
    json_object_set_new(variables, "workload",
                        json_pack("{s:o, s:o}", "container", shown, "endpoints", endpoints));
    json_object_set_new(derived, "workload", json_pack("{s:o}", "toServicePorts", ports));
    return rc;
}
