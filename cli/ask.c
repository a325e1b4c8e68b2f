/* ask.c: requests and answers of ResourceService. */
#include "cli/ask.h"

#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "proto/object.h"

#define SERVICE "choreo.v1.ResourceService/"

void ask_ref(struct cli *c, const char *words, const char *ns, Choreo__V1__Ref *ref)
{
    choreo__v1__ref__init(ref);
    struct slice s = slice_of(words);
    size_t slash = slice_find(s, SLICE("/"));
    if (slash != SIZE_MAX) {
        ref->name = arena_cstr(&c->arena, slice_sub(s, slash + 1, SIZE_MAX));
        s = slice_sub(s, 0, slash);
    }
    ref->resource = arena_cstr(&c->arena, s);
    ref->namespace_ = arena_cstr(&c->arena, slice_of(ns));
}

void ask_ref_of(struct cli *c, const json_t *object, const char *ns, Choreo__V1__Ref *ref)
{
    struct slice version = object_api_version(object);
    struct slice group = {0};
    struct slice own = object_ns(object);
    choreo__v1__ref__init(ref);
    if (slice_find(version, SLICE("/")) != SIZE_MAX) {
        (void)slice_split(&version, '/', &group);
    }
    ref->group = arena_cstr(&c->arena, group);
    ref->version = arena_cstr(&c->arena, version);
    ref->kind = arena_cstr(&c->arena, object_kind(object));
    ref->namespace_ = arena_cstr(&c->arena, own.len > 0 ? own : slice_of(ns));
    ref->name = arena_cstr(&c->arena, object_name(object));
}

int ask_tree(const Choreo__V1__Object *object, json_t **tree, struct err *err)
{
    *tree = NULL;
    if (object == NULL || object->form_case != CHOREO__V1__OBJECT__FORM_JSON) {
        return err_set(err, ERR_INTERNAL, "the server sent no JSON object");
    }
    return json_parse(slice_make(object->json.data, object->json.len), tree, err);
}

/* ---- reads ---- */

int ask_get(struct cli *c, Choreo__V1__Ref *ref, Choreo__V1__Form form, json_t **tree,
            uint64_t *version, struct err *err)
{
    Choreo__V1__GetRequest request = CHOREO__V1__GET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    *tree = NULL;
    request.ref = ref;
    request.has_form = true;
    request.form = form;
    int rc = client_call(&c->client, SERVICE "Get", &request.base,
                         &choreo__v1__object_response__descriptor, &c->arena, &message, err);
    if (rc != 0) {
        return rc;
    }
    const Choreo__V1__ObjectResponse *response = (const Choreo__V1__ObjectResponse *)message;
    if (version != NULL) {
        *version = response->resource_version;
    }
    return ask_tree(response->object, tree, err);
}

/* A page's memory goes when the next is asked for. */
int ask_list(struct cli *c, struct ask_list *l, struct err *err)
{
    struct buf next = {0};
    int rc = 0;
    do {
        struct arena arena = {0};
        Choreo__V1__ListRequest request = CHOREO__V1__LIST_REQUEST__INIT;
        ProtobufCMessage *message = NULL;
        request.ref = l->ref;
        request.has_form = true;
        request.form = l->form;
        request.label_selector = arena_cstr(&arena, slice_of(l->labels));
        request.field_selector = arena_cstr(&arena, slice_of(l->fields));
        request.has_limit = l->limit > 0;
        request.limit = l->limit;
        request.continue_ = arena_cstr(&arena, buf_slice(&next));
        rc = client_call(&c->client, SERVICE "List", &request.base,
                         &choreo__v1__list_response__descriptor, &arena, &message, err);
        buf_clear(&next);
        if (rc == 0) {
            const Choreo__V1__ListResponse *response = (const Choreo__V1__ListResponse *)message;
            l->version = response->resource_version;
            for (size_t i = 0; rc == 0 && i < response->n_objects; i++) {
                rc = l->each(response->objects[i], l->user, err);
            }
            buf_add_cstr(&next, response->continue_ != NULL ? response->continue_ : "");
        }
        arena_free(&arena);
    } while (rc == 0 && next.len > 0 && l->limit == 0);
    buf_free(&next);
    return rc;
}

static int keep_item(const Choreo__V1__Object *object, void *user, struct err *err)
{
    json_t *tree = NULL;
    int rc = ask_tree(object, &tree, err);
    if (rc == 0) {
        json_array_append_new(user, tree);
    }
    return rc;
}

int ask_items(struct cli *c, Choreo__V1__Ref *ref, const char *labels, const char *fields,
              json_t **items, struct err *err)
{
    *items = json_array();
    struct ask_list list = {.ref = ref,
                            .form = CHOREO__V1__FORM__FORM_JSON,
                            .labels = labels,
                            .fields = fields,
                            .each = keep_item,
                            .user = *items};
    return ask_list(c, &list, err);
}

int ask_kinds(struct cli *c, Choreo__V1__KindsResponse **kinds, struct err *err)
{
    Choreo__V1__KindsRequest request = CHOREO__V1__KINDS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    int rc = client_call(&c->client, SERVICE "Kinds", &request.base,
                         &choreo__v1__kinds_response__descriptor, &c->arena, &message, err);
    *kinds = (Choreo__V1__KindsResponse *)message;
    return rc;
}

int ask_schema(struct cli *c, const char *words, Choreo__V1__KindInfo **kind, json_t **schema,
               struct err *err)
{
    Choreo__V1__SchemaRequest request = CHOREO__V1__SCHEMA_REQUEST__INIT;
    Choreo__V1__Ref ref;
    ProtobufCMessage *message = NULL;
    *schema = NULL;
    ask_ref(c, words, "", &ref);
    request.ref = &ref;
    int rc = client_call(&c->client, SERVICE "Schema", &request.base,
                         &choreo__v1__schema_response__descriptor, &c->arena, &message, err);
    if (rc != 0) {
        return rc;
    }
    const Choreo__V1__SchemaResponse *response = (const Choreo__V1__SchemaResponse *)message;
    *kind = response->kind;
    return response->json_schema.len == 0
               ? 0
               : json_parse(slice_make(response->json_schema.data, response->json_schema.len),
                            schema, err);
}

/* ---- writes ---- */

int ask_dry_run(struct cli *c, enum ask_dry *dry, struct err *err)
{
    const char *how = c->options.dry_run;
    *dry = ASK_FOR_REAL;
    if (how == NULL || strcmp(how, "none") == 0) {
        c->options.dry_run = NULL;
        return 0;
    }
    if (*how == '\0' || strcmp(how, "server") == 0) {
        *dry = ASK_DRY_SERVER;
        return 0;
    }
    *dry = ASK_DRY_CLIENT;
    return strcmp(how, "client") == 0
               ? 0
               : err_set(err, ERR_INVALID, "--dry-run=%s: must be server, client or none", how);
}

/* Appliers own together what their files say. What another command writes is a change by hand, and
 * whoever applies something else later is told whose: choreo-patch, choreo-edit, ... */
static const char *manager(struct cli *c, bool applies)
{
    const char *asked = c->options.field_manager;
    return asked != NULL ? asked
           : applies     ? "choreo"
                         : arena_printf(&c->arena, "choreo-%s", c->command->name);
}

static void fill_options(struct cli *c, const struct ask_write *w, bool applies,
                         Choreo__V1__WriteOptions *o)
{
    char id[37];
    choreo__v1__write_options__init(o);
    client_request_id(id);
    struct slice kept = arena_copy(&c->arena, slice_of(id));
    o->field_manager = arena_cstr(&c->arena, slice_of(manager(c, applies)));
    o->has_force = o->has_dry_run = o->has_request_id = o->has_validation = true;
    o->force = c->options.force_conflicts;
    o->dry_run = w->dry_run;
    o->request_id = (ProtobufCBinaryData){kept.len, (uint8_t *)(uintptr_t)kept.data};
    /* a typing error is an error */
    o->validation = w->lenient ? CHOREO__V1__VALIDATION__VALIDATION_WARN
                               : CHOREO__V1__VALIDATION__VALIDATION_STRICT;
}

static int take_written(struct ask_write *w, const ProtobufCMessage *message, struct err *err)
{
    const Choreo__V1__ObjectResponse *response = (const Choreo__V1__ObjectResponse *)message;
    for (size_t i = 0; i < response->n_warnings; i++) {
        print_err("Warning: %s\n", response->warnings[i]);
    }
    w->created = response->created;
    w->changed = response->changed;
    return ask_tree(response->object, &w->tree, err);
}

static int write_object(struct cli *c, struct ask_write *w, const char *method, bool applies,
                        struct err *err)
{
    struct buf json = {0};
    Choreo__V1__WriteRequest request = CHOREO__V1__WRITE_REQUEST__INIT;
    Choreo__V1__WriteOptions options;
    Choreo__V1__Object object = CHOREO__V1__OBJECT__INIT;
    ProtobufCMessage *message = NULL;
    w->tree = NULL;
    fill_options(c, w, applies, &options);
    json_canonical(w->body, &json);
    object.form_case = CHOREO__V1__OBJECT__FORM_JSON;
    object.json = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
    request.ref = w->ref;
    request.object = &object;
    request.options = &options;
    request.has_form = true;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    int rc = client_call(&c->client, method, &request.base,
                         &choreo__v1__object_response__descriptor, &c->arena, &message, err);
    buf_free(&json);
    return rc != 0 ? rc : take_written(w, message, err);
}

int ask_create(struct cli *c, struct ask_write *w, struct err *err)
{
    return write_object(c, w, SERVICE "Create", false, err);
}

int ask_apply(struct cli *c, struct ask_write *w, struct err *err)
{
    int rc = write_object(c, w, SERVICE "Apply", true, err);
    /* of fields, and not of versions */
    if (rc == ERR_CONFLICT && slice_starts_with(slice_of(err->message), SLICE("Apply failed"))) {
        err_set(
            err, rc,
            "%s\n(--force-conflicts takes over what others own; what a manifest leaves out stays "
            "theirs)",
            err->message);
    }
    return rc;
}

int ask_update(struct cli *c, struct ask_write *w, struct err *err)
{
    return write_object(c, w, SERVICE "Update", false, err);
}

int ask_patch(struct cli *c, struct ask_write *w, struct err *err)
{
    struct buf json = {0};
    Choreo__V1__PatchRequest request = CHOREO__V1__PATCH_REQUEST__INIT;
    Choreo__V1__WriteOptions options;
    ProtobufCMessage *message = NULL;
    w->tree = NULL;
    fill_options(c, w, false, &options);
    json_canonical(w->body, &json);
    request.ref = w->ref;
    request.has_type = request.has_patch = request.has_form = true;
    request.type = w->patch;
    request.patch = (ProtobufCBinaryData){json.len, (uint8_t *)json.data};
    request.options = &options;
    request.form = CHOREO__V1__FORM__FORM_JSON;
    int rc = client_call(&c->client, SERVICE "Patch", &request.base,
                         &choreo__v1__object_response__descriptor, &c->arena, &message, err);
    buf_free(&json);
    return rc != 0 ? rc : take_written(w, message, err);
}

int ask_show_written(struct cli *c, struct ask_write *w, const char *done, struct err *err)
{
    const char *title = manifest_title(w->tree, &c->arena);
    int rc = 0;
    if (c->output.form == OUTPUT_NAME) {
        print_out("%s\n", title);
    } else if (output_is_tree(&c->output)) {
        rc = output_tree(&c->output, w->tree, err);
    } else {
        print_out("%s %s%s\n", title, done, c->options.dry_run != NULL ? " (dry run)" : "");
    }
    json_decref(w->tree);
    w->tree = NULL;
    return rc;
}
