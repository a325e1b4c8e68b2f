/* resource_type.c: the same steps as a component's, without workload and traits.
 *
 * What was applied is known only afterwards, so an output or a readiness that asks for what is not
 * there yet is no fault of the type: it is left for later. What a type cannot mean at all is found
 * when it is checked (check.h). */
#include "render/resource_type.h"

#include "render/context.h"
#include "render/finish.h"
#include "render/section.h"
#include "render/tenant.h"
#include "render/validate.h"

struct provisioning {
    const struct render_resource *in;
    struct arena arena;
    struct context context;
    struct template_scope scope;
    struct resource_list list;
};

/* On error nothing needs to be undone but finish(). */
static int start(struct provisioning *p, const struct render_resource *in, struct err *err)
{
    struct layers parameters = {0};
    struct layers configs = {0};
    *p = (struct provisioning){.in = in};
    context_resource(&p->arena, in, &p->context);
    uint64_t limit = in->cost_limit != 0 ? in->cost_limit : RENDER_COST_MAX;
    template_init(&p->scope, &p->arena, in->cost_left != NULL ? *in->cost_left : limit);
    p->scope.tolerant = in->tolerant;
    p->scope.programs = in->programs;
    p->scope.trace = in->trace;
    p->scope.trace_template = SLICE("type");
    context_enter(&p->context, &p->scope);
    layers_add(&parameters, "resource", in->parameters);
    layers_add(&configs, "binding", in->configs);
    int rc = section_bind(&p->scope, in->type, "parameters", &parameters, SLICE("parameters"), err);
    return rc == 0 ? section_bind(&p->scope, in->type, "environmentConfigs", &configs,
                                  SLICE("environmentConfigs"), err)
                   : rc;
}

static void finish(struct provisioning *p)
{
    if (p->in->cost_left != NULL) {
        *p->in->cost_left = p->scope.cost_left;
    }
    resources_free(&p->list);
    context_free(&p->context);
    arena_free(&p->arena);
    if (p->in->programs != NULL) {
        cel_cache_trim(p->in->programs);
    }
}

/* `applied`: {ID: {status: ...}} of every template that made something. */
static void bind_applied(struct provisioning *p)
{
    const char *id;
    json_t *status;
    json_t *all = json_object();
    json_object_foreach((json_t *)(uintptr_t)p->in->applied, id, status)
    {
        json_object_set_new(all, id, json_pack("{s:O}", "status", status));
    }
    json_object_set_new(p->context.variables, "applied", all);
    template_set(&p->scope, SLICE("applied"), cel_of_json(&p->arena, all));
}

static struct slice id_of_place(struct slice place)
{
    size_t open = slice_find(place, SLICE("["));
    return slice_sub(place, open + 1, place.len - open - 2);
}

static int finish_resource(struct provisioning *p, json_t **manifests, json_t **ids,
                           struct err *err)
{
    const struct render_resource *in = p->in;
    json_t *standard = context_labels(&in->id);
    const struct finish how = {.cell = p->context.cell,
                               .standard = standard,
                               .labels = in->labels,
                               .annotations = in->annotations,
                               .trace = in->trace};
    int rc = finish_manifests(&how, &p->list, manifests, err);
    for (size_t i = 0; rc == 0 && ids != NULL && i < p->list.count; i++) {
        *ids = *ids != NULL ? *ids : json_array();
        json_array_append_new(*ids, json_str(id_of_place(p->list.items[i].place)));
    }
    json_decref(standard);
    return rc;
}

static void bind_credentials(struct provisioning *p)
{
    json_t *credentials =
        p->in->credentials != NULL ? json_deep_copy(p->in->credentials) : json_object();
    json_object_set_new(p->context.variables, "credentials", credentials);
    template_set(&p->scope, SLICE("credentials"), cel_of_json(&p->arena, credentials));
}

/* Does any text below say it? Manifests are no deeper than templates may be. */
static bool says(const json_t *value, struct slice secret)
{
    const char *key;
    json_t *member;
    if (json_is_string(value)) {
        return slice_find(json_text(value), secret) != SIZE_MAX;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (slice_find(slice_of(key), secret) != SIZE_MAX || says(member, secret)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (says(json_array_get(value, i), secret)) {
            return true;
        }
    }
    return false;
}

/* Anybody who may look at a cluster sees what is not in a Secret. */
static int keep_secret(const struct provisioning *p, struct err *err)
{
    for (size_t i = 0; i < p->list.count; i++) {
        const struct resource *r = &p->list.items[i];
        const char *name;
        json_t *text;
        json_object_foreach((json_t *)(uintptr_t)p->in->credentials, name, text)
        {
            if (!slice_eq_cstr(json_text_at(r->object, "kind"), "Secret") &&
                says(r->object, json_text(text))) {
                return err_set(err, ERR_UNPROCESSABLE,
                               "%.*s.template: says the credential %s, which only a Secret may",
                               SLICE_ARG(r->place), name);
            }
        }
    }
    return 0;
}

static int judge(const struct provisioning *p, struct err *err)
{
    const struct tenancy tenancy = {.id = &p->in->id,
                                    .maker = &p->in->maker,
                                    .cell = p->context.cell,
                                    .own_types = json_object_get(p->in->organization, "ownTypes"),
                                    .variables = p->context.variables,
                                    .dataplane = p->in->dataplane};
    return tenant_is(&p->in->maker) ? tenant_judge(&tenancy, &p->list, NULL, err) : 0;
}

int render_resource(const struct render_resource *in, json_t **manifests, json_t **ids,
                    struct err *err)
{
    struct provisioning p;
    *manifests = NULL;
    if (ids != NULL) {
        *ids = NULL;
    }
    int rc = start(&p, in, err);
    rc = rc == 0 ? validate_before(&p.scope, in->type, SLICE(""), err) : rc;
    if (rc == 0) {
        bind_credentials(&p);
        rc = resources_render(&p.scope, json_object_get(in->type, "resources"), SLICE("resources"),
                              &p.list, err);
    }
    rc = rc == 0 ? keep_secret(&p, err) : rc;
    rc = rc == 0 ? judge(&p, err) : rc;
    if (rc == 0) {
        rc = finish_resource(&p, manifests, ids, err);
    }
    finish(&p);
    return rc;
}

/* A text that must come to a text. */
static int render_text(struct provisioning *p, const json_t *holder, const char *key,
                       const char *place, json_t *into, struct err *err)
{
    const char *path = arena_printf(&p->arena, "%s.%s", place, key);
    json_t *text = NULL;
    int rc = template_render(&p->scope, json_object_get(holder, key), slice_of(path), &text, err);
    if (rc == 0 && !json_is_string(text)) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%s: must be a text", path);
    }
    if (rc == 0) {
        json_object_set(into, key, text);
    }
    json_decref(text);
    return rc;
}

static int render_output(struct provisioning *p, const json_t *output, const char *place,
                         json_t *result, struct err *err)
{
    static const char *const kinds[] = {"secretKeyRef", "configMapKeyRef"};
    json_object_set_new(result, "name", json_str(json_text_at(output, "name")));
    if (json_object_get(output, "value") != NULL) {
        return render_text(p, output, "value", place, result, err);
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *ref = json_object_get(output, kinds[i]);
        if (ref == NULL) {
            continue;
        }
        const char *path = arena_printf(&p->arena, "%s.%s", place, kinds[i]);
        json_t *rendered = json_child(result, kinds[i]);
        int rc = render_text(p, ref, "name", path, rendered, err);
        return rc == 0 ? render_text(p, ref, "key", path, rendered, err) : rc;
    }
    return err_set(err, ERR_UNPROCESSABLE,
                   "%s: needs one of value, secretKeyRef and configMapKeyRef", place);
}

int render_outputs(const struct render_resource *in, json_t **outputs, size_t *missing,
                   struct err *err)
{
    struct provisioning p;
    const json_t *wanted = json_object_get(in->type, "outputs");
    *outputs = NULL;
    *missing = 0;
    int rc = start(&p, in, err);
    bind_applied(&p);
    for (size_t i = 0; rc == 0 && i < json_array_size(wanted); i++) {
        const json_t *output = json_array_get(wanted, i);
        const char *place =
            arena_printf(&p.arena, "outputs[%.*s]", SLICE_ARG(json_text_at(output, "name")));
        struct err why = {0};
        json_t *result = json_object();
        *outputs = *outputs != NULL ? *outputs : json_array();
        int failed = render_output(&p, output, place, result, &why);
        if (failed == 0) {
            json_array_append(*outputs, result);
        } else if (failed == ERR_TOO_LARGE) {
            rc = err_set(err, failed, "%s", why.message);
        } else if ((*missing)++ == 0 && err != NULL) {
            *err = why;
        }
        json_decref(result);
    }
    if (rc == 0 && *outputs == NULL) {
        *outputs = json_array();
    } else if (rc != 0) {
        json_decref(*outputs);
        *outputs = NULL;
    }
    finish(&p);
    return rc;
}

static const json_t *template_of(const json_t *type, struct slice id)
{
    const json_t *all = json_object_get(type, "resources");
    for (size_t i = 0; i < json_array_size(all); i++) {
        if (slice_eq(json_text_at(json_array_get(all, i), "id"), id)) {
            return json_array_get(all, i);
        }
    }
    return NULL;
}

int render_ready(const struct render_resource *in, struct slice id, enum render_ready *ready,
                 struct err *err)
{
    struct provisioning p;
    struct slice rule = json_text_at(template_of(in->type, id), "readyWhen");
    *ready = READY_UNKNOWN;
    int rc = start(&p, in, err);
    if (rc == 0 && rule.len > 0) {
        struct slice place =
            slice_of(arena_printf(&p.arena, "resources[%.*s].readyWhen", SLICE_ARG(id)));
        bool holds;
        bind_applied(&p);
        rc = template_bool(&p.scope, rule, place, &holds, err);
        if (rc == 0) {
            *ready = holds ? READY_YES : READY_NO;
        }
        rc = rc == ERR_TOO_LARGE ? rc : 0;
    }
    finish(&p);
    return rc;
}

bool render_retains(const json_t *type, const json_t *binding)
{
    struct slice policy = json_text_at(binding, "retainPolicy");
    policy = policy.len > 0 ? policy : json_text_at(type, "retainPolicy");
    return slice_eq_cstr(policy, "Retain");
}
