/* plane_access.c: lists that, where they are not there, let everybody have everything. */
#include "render/plane_access.h"

#include "proto/object.h"

#define NAMESPACE "${namespace}"

bool plane_is_reserved(const json_t *plane)
{
    return json_array_size(json_at(plane, "spec", "allowedNamespaces", NULL)) > 0;
}

bool plane_allows(const json_t *plane, struct slice ns)
{
    const json_t *allowed = json_at(plane, "spec", "allowedNamespaces", NULL);
    bool found = !plane_is_reserved(plane);
    for (size_t i = 0; i < json_array_size(allowed); i++) {
        found = found || slice_eq(json_text(json_array_get(allowed, i)), ns);
    }
    return found;
}

const char *plane_forbids(const json_t *plane, struct slice ns, struct arena *arena)
{
    return arena_printf(arena,
                        "data plane \"%.*s\" is not for namespace \"%.*s\": its "
                        "spec.allowedNamespaces does not name it",
                        SLICE_ARG(object_name(plane)), SLICE_ARG(ns));
}

/* A prefix with the namespace in its place. */
static void add_prefix(struct buf *out, struct slice prefix, struct slice ns)
{
    size_t at = slice_find(prefix, SLICE(NAMESPACE));
    buf_add(out, slice_sub(prefix, 0, at));
    if (at != SIZE_MAX) {
        buf_add(out, ns);
        buf_add(out, slice_sub(prefix, at + sizeof NAMESPACE - 1, SIZE_MAX));
    }
}

static bool climbs(struct slice key)
{
    struct slice part;
    bool found = false;
    while (slice_split(&key, '/', &part)) {
        found = found || slice_eq_cstr(part, "..") || slice_eq_cstr(part, ".");
    }
    return found;
}

bool plane_allows_all_keys(const json_t *spec)
{
    return json_array_size(json_object_get(spec, "secretKeyPrefixes")) == 0;
}

bool plane_allows_key(const json_t *spec, struct slice ns, struct slice key)
{
    const json_t *prefixes = json_object_get(spec, "secretKeyPrefixes");
    bool found = false;
    for (size_t i = 0; i < json_array_size(prefixes); i++) {
        struct buf prefix = {0};
        add_prefix(&prefix, json_text(json_array_get(prefixes, i)), ns);
        found = found || slice_starts_with(key, buf_slice(&prefix));
        buf_free(&prefix);
    }
    return plane_allows_all_keys(spec) || (found && !climbs(key));
}

const char *plane_key_prefixes(const json_t *spec, struct slice ns, struct arena *arena)
{
    const json_t *prefixes = json_object_get(spec, "secretKeyPrefixes");
    struct buf text = {0};
    for (size_t i = 0; i < json_array_size(prefixes); i++) {
        buf_add_cstr(&text, i > 0 ? ", " : "");
        add_prefix(&text, json_text(json_array_get(prefixes, i)), ns);
    }
    const char *result = arena_printf(arena, "%s", buf_cstr(&text));
    buf_free(&text);
    return result;
}
