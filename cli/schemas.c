/* schemas.c: one source or the other, one form. */
#include "cli/schemas.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "proto/kind_info.h"
#include "proto/openapi.h"

int schemas_open(struct schemas *s, struct cli *c, struct err *err)
{
    Choreo__V1__KindsResponse *kinds;
    *s = (struct schemas){.cli = c, .offline = c->options.offline};
    int rc = s->offline ? 0 : cli_connect(c, err);
    if (rc == ERR_NOT_FOUND && c->options.config == NULL && c->options.context == NULL) {
        s->offline = true;
        rc = 0;
    } else if (rc == 0 && !s->offline) {
        rc = ask_kinds(c, &kinds, err);
        if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
            print_err("choreo: no server answers; this is what choreo %s knows\n", CHOREO_VERSION);
            s->offline = true;
            rc = 0;
        }
    }
    kind_registry_init(&s->kinds);
    if (rc == 0 && s->offline) {
        kind_registry_builtin(&s->kinds);
    }
    return rc;
}

void schemas_close(struct schemas *s)
{
    kind_registry_free(&s->kinds);
}

int schemas_kinds(struct schemas *s, Choreo__V1__KindInfo ***kinds, size_t *count, struct err *err)
{
    struct arena *arena = &s->cli->arena;
    Choreo__V1__KindsResponse *response;
    if (!s->offline) {
        int rc = ask_kinds(s->cli, &response, err);
        if (rc == 0) {
            *kinds = response->kinds;
            *count = response->n_kinds;
        }
        return rc;
    }
    *count = kind_registry_count(&s->kinds);
    *kinds = arena_alloc(arena, *count * sizeof **kinds);
    for (size_t i = 0; i < *count; i++) {
        (*kinds)[i] = kind_info(arena, kind_registry_at(&s->kinds, i));
    }
    return 0;
}

int schemas_get(struct schemas *s, const char *words, Choreo__V1__KindInfo **kind, json_t **schema,
                struct err *err)
{
    struct buf json = {0};
    *schema = NULL;
    if (!s->offline) {
        return ask_schema(s->cli, words, kind, schema, err);
    }
    const struct kind *k = kind_by_name(&s->kinds, slice_of(words));
    if (k == NULL) {
        return err_set(err, ERR_NOT_FOUND, "there is no kind \"%s\" (choreo api-resources)", words);
    }
    *kind = kind_info(&s->cli->arena, k);
    int rc = k->schema == NULL ? 0 : openapi_json_schema(k, &json, err);
    rc = rc != 0 || json.len == 0 ? rc : json_parse(buf_slice(&json), schema, err);
    buf_free(&json);
    return rc;
}

const char *schemas_api_version(struct arena *arena, const Choreo__V1__KindInfo *kind)
{
    bool core = kind->group == NULL || *kind->group == '\0';
    return arena_printf(arena, "%s%s%s", core ? "" : kind->group, core ? "" : "/", kind->version);
}

const json_t *schemas_resolve(const json_t *root, const json_t *schema)
{
    for (int hops = 0; hops < 8; hops++) {
        const json_t *all = json_at(schema, "allOf", NULL);
        struct slice ref = json_text_at(schema, "$ref");
        struct slice prefix = SLICE("#/definitions/");
        if (slice_starts_with(ref, prefix)) {
            schema = json_object_get(json_at(root, "definitions", NULL), ref.data + prefix.len);
        } else if (json_array_size(all) == 1) {
            schema = json_array_get(all, 0);
        } else {
            break;
        }
    }
    return schema;
}

const json_t *schemas_member(const json_t *root, const json_t *schema, struct slice name)
{
    schema = schemas_resolve(root, schema);
    while (json_at(schema, "items", NULL) != NULL) {
        schema = schemas_resolve(root, json_at(schema, "items", NULL));
    }
    const json_t *fields = json_at(schema, "properties", NULL);
    const json_t *field = name.len > 0 ? json_object_getn(fields, name.data, name.len) : NULL;
    const json_t *values = json_at(schema, "additionalProperties", NULL);
    return field != NULL ? field : json_is_object(values) && name.len > 0 ? values : NULL;
}
