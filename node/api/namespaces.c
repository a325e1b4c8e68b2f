/* namespaces.c: turning Organizations into Namespaces and back.
 *
 * What is asked of "namespaces" is asked of "organizations.choreo.dev" (node/api/alias.h). A write
 * puts the Namespace's metadata over the Organization that it was made from. choreo-system is not
 * stored: it is made once, here, and no write of it is permitted under either name.
 * Invariants: uid, version and metadata are the same in both; the spec is never touched here. */
#include "node/api/namespaces.h"

#include <assert.h>

#include "base/clock.h"
#include "base/list.h"
#include "proto/object.h"
#include "proto/schema.h"
#include "proto/selector.h"

#define RESOURCE "namespaces"
#define STORED "organizations.choreo.dev"
#define OWN_NAME "choreo-system"
#define OWN_UID "63686f72-656f-4000-8000-73797374656d"

/* Takes metadata. */
static json_t *namespace_of(json_t *metadata, const char *phase)
{
    json_t *ns = json_pack("{s:s, s:s, s:o, s:{s:[s]}, s:{s:s}}", "apiVersion", "v1", "kind",
                           "Namespace", "metadata", metadata, "spec", "finalizers", "kubernetes",
                           "status", "phase", phase);
    object_set_label(ns, SELECTOR_NAMESPACE_LABEL, object_name(ns));
    return ns;
}

static json_t *to_namespace(json_t *organization)
{
    json_t *metadata = json_incref(json_at(organization, "metadata", NULL));
    const char *phase = object_deleting(organization) ? "Terminating" : "Active";
    json_object_del(metadata, "generation");
    json_decref(organization);
    return namespace_of(metadata, phase);
}

static json_t *to_organization(struct alias *a, json_t *ns, json_t *organization)
{
    const struct namespaces *n = CONTAINER_OF(a, struct namespaces, alias);
    if (organization == NULL) {
        organization = json_pack("{s:s, s:s, s:{}}", "apiVersion", "choreo.dev/v1", "kind",
                                 "Organization", "spec");
        schema_default(n->organization->schema, organization);
    }
    json_t *metadata = json_deep_copy(json_at(ns, "metadata", NULL));
    json_int_t generation = object_generation(organization);
    json_object_set_new(metadata, "generation", json_integer(generation > 0 ? generation : 1));
    json_t *labels = json_object_get(metadata, "labels");
    json_object_del(labels, SELECTOR_NAMESPACE_LABEL);
    if (labels != NULL && json_object_size(labels) == 0) {
        json_object_del(metadata, "labels");
    }
    json_object_set_new(organization, "metadata", metadata);
    json_decref(ns);
    return organization;
}

static int permit(const struct backend_submit *write, struct err *err)
{
    if (!slice_eq_cstr(write->key.name, OWN_NAME)) {
        return 0;
    }
    if (write->verb == BACKEND_CREATE && slice_eq_cstr(write->key.resource, RESOURCE)) {
        return err_set(err, ERR_EXISTS, RESOURCE " \"" OWN_NAME "\" already exists");
    }
    return err_set(err, ERR_FORBIDDEN,
                   "%.*s \"" OWN_NAME "\" is forbidden: the namespace is the control plane's own "
                   "and cannot be changed",
                   SLICE_ARG(write->key.resource));
}

static const struct alias_form form = {
    .shown = {RESOURCE, sizeof RESOURCE - 1},
    .stored = {STORED, sizeof STORED - 1},
    .show = to_namespace,
    .store = to_organization,
    .reads_old = true,
    .select = selector_for_organizations,
    .permit = permit,
};

static void make_own(struct namespaces *n, uint64_t since_ms)
{
    char since[21];
    struct err err;
    clock_rfc3339(since_ms, since);
    json_t *ns = namespace_of(
        json_pack("{s:s, s:s, s:s}", "name", OWN_NAME, "uid", OWN_UID, "creationTimestamp", since),
        "Active");
    json_canonical(ns, &n->own_body);
    n->own = (struct backend_object){
        .key = {form.shown, {0}, SLICE(OWN_NAME)}, .body = buf_slice(&n->own_body), .version = 1};
    int rc = object_splice(n->own.body, &n->own.splice, &err);
    assert(rc == 0);
    (void)rc;
    json_decref(ns);
}

void namespaces_init(struct namespaces *n, struct backend *under, const struct kind_registry *kinds,
                     uint64_t since_ms)
{
    *n = (struct namespaces){.organization = kind_by_resource(kinds, form.stored)};
    assert(n->organization != NULL);
    alias_init(&n->alias, under, &form);
    make_own(n, since_ms);
    n->alias.always = &n->own;
}

void namespaces_free(struct namespaces *n)
{
    buf_free(&n->own_body);
}
