/* offline.c: from files to a platform.
 *
 * What is in the files is put before the controllers, without what a server added to it when it was
 * exported (its status, above all); their uids stay. Releases that bindings name are held back
 * until the newest are made: whoever is bound to an older one stays there, as on a server, where
 * that component had been there before. */
#include "cli/offline_internal.h"

#include <string.h>

#include "cli/check.h"
#include "cli/print.h"

/* ---- reading ---- */

/* What a server put into an exported object is not what its writer says; a uid is kept. */
static void take_exported(struct manifests *files, json_t *uids)
{
    static const char *const theirs[] = {"resourceVersion", "generation", "creationTimestamp",
                                         "managedFields",   "uid",        "deletionTimestamp"};
    for (size_t i = 0; i < files->count; i++) {
        json_t *metadata = json_object_get(files->items[i].tree, "metadata");
        json_array_append_new(uids, json_str(json_text_at(metadata, "uid")));
        for (size_t k = 0; k < sizeof theirs / sizeof *theirs; k++) {
            json_object_del(metadata, theirs[k]);
        }
        json_object_del(files->items[i].tree, "status");
    }
}

static bool has_text(const json_t *texts, struct slice text)
{
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(texts); i++) {
        found = slice_eq(json_text(json_array_get(texts, i)), text);
    }
    return found;
}

/* The object's own metadata again; owners that are not among the manifests are forgotten, else it
 * would count as left behind by them. */
static void complete(json_t *object, struct slice uid, const json_t *uids)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_t *owners = json_object_get(metadata, "ownerReferences");
    for (size_t i = json_array_size(owners); i-- > 0;) {
        if (!has_text(uids, json_text_at(json_array_get(owners, i), "uid"))) {
            (void)json_array_remove(owners, i);
        }
    }
    json_object_del(metadata, "managedFields");
    json_object_del(metadata, "creationTimestamp");
    json_object_del(metadata, "uid");
    if (uid.len > 0) {
        json_object_set_new(metadata, "uid", json_str(uid));
    }
}

/* ---- putting ---- */

/* The member of spec by which a binding names its release; NULL: it is no binding. */
static const char *release_member(enum snapshot_kind kind)
{
    static const struct {
        enum snapshot_kind kind;
        const char *member;
    } members[] = {{SNAPSHOT_BINDING, "releaseName"},
                   {SNAPSHOT_OC_BINDING, "releaseName"},
                   {SNAPSHOT_RESOURCE_BINDING, "resourceRelease"},
                   {SNAPSHOT_OC_RESOURCE_BINDING, "resourceRelease"}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (members[i].kind == kind) {
            return members[i].member;
        }
    }
    return NULL;
}

void offline__tell(struct offline *o, const struct finding *finding)
{
    if (o->judged) {
        findings_add(&o->findings, finding);
    } else {
        print_err("note: %s\n", finding->message);
    }
}

/* A Namespace is an Organization, seen by Kubernetes' clients. */
static int add_namespace(struct offline *o, const json_t *object, struct err *err)
{
    json_t *org = object_new("choreo.dev/v1", "Organization", SLICE(""), object_name(object));
    json_object_set_new(org, "spec", json_object());
    return rehearsal_create(&o->rehearsal, org, err);
}

static int put(struct offline *o, json_t *object, size_t manifest, struct err *err)
{
    enum snapshot_kind kind = rehearsal_kind(&o->rehearsal, object);
    const char *member = kind != SNAPSHOT_KIND_COUNT ? release_member(kind) : NULL;
    json_t *spec = json_object_get(object, "spec");
    struct slice release = member != NULL ? json_text_at(spec, member) : SLICE("");
    if (slice_eq_cstr(object_api_version(object), "v1") &&
        slice_eq_cstr(object_kind(object), "Namespace")) {
        return add_namespace(o, object, err);
    }
    if (kind == SNAPSHOT_RENDERED) {
        return 0; /* what came of all the rest on a server */
    }
    if (release.len > 0) {
        json_array_append_new(o->asked, json_pack("{s:i, s:o, s:o, s:s, s:o}", "kind", (int)kind,
                                                  "namespace", json_str(object_ns(object)), "name",
                                                  json_str(object_name(object)), "member", member,
                                                  "release", json_str(release)));
        (void)json_object_del(spec, member);
    }
    offline__note(o, object, manifest);
    return rehearsal_put(&o->rehearsal, object, err);
}

/* One that the controllers cannot be given is told where all is. */
static int put_judged(struct offline *o, json_t *object, size_t manifest, struct err *err)
{
    const struct manifest *m = &o->files.items[manifest];
    int rc = put(o, object, manifest, err);
    if (rc == 0 || !o->judged) {
        return rc;
    }
    const struct finding finding = {.file = m->file,
                                    .line = m->line,
                                    .object = m->tree,
                                    .reason = "Invalid",
                                    .message = err->message};
    findings_add(&o->findings, &finding);
    return 0;
}

static int put_all(struct offline *o, const json_t *admitted, const json_t *uids, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(admitted); i++) {
        json_t *object = json_array_get(admitted, i);
        if (json_is_object(object)) {
            complete(object, json_text(json_array_get(uids, i)), uids);
            rc = put_judged(o, object, i, err);
        } else {
            struct slice name = object_name(o->files.items[i].tree);
            json_object_set_new(o->refused, arena_cstr(&o->arena, name), json_true());
        }
    }
    return rc;
}

int offline__read(struct offline *o, const struct cli *c, struct err *err)
{
    json_t *uids = json_array();
    json_t *admitted = json_array();
    int rc = manifests_read(&o->files, &c->options.filename, c->options.recursive, err);
    if (rc == 0 || o->files.fault_count > 0) {
        take_exported(&o->files, uids);
        check_all(&o->files, c->ns, admitted, &o->findings);
        rc = 0;
    }
    if (rc == 0 && !o->judged) {
        findings_print(&o->findings);
        rc = check_verdict(&o->files, &o->findings, err);
    }
    rc = rc == 0 ? put_all(o, admitted, uids, err) : rc;
    json_decref(uids);
    json_decref(admitted);
    return rc == 0 ? offline__assume(o, err) : rc;
}

/* ---- the platform ---- */

/* Of one component the others are of no interest, but for those that it depends on. A resource may
 * be made by any. */
static bool is_needed(const struct offline *o, const json_t *component)
{
    struct buf key = {0};
    struct slice name = object_name(component);
    if (o->options->component == NULL || slice_eq_cstr(name, o->options->component)) {
        return true;
    }
    buf_addf(&key, "%.*s/%.*s", SLICE_ARG(object_ns(component)), SLICE_ARG(name));
    bool needed = json_object_get(o->needed, buf_cstr(&key)) != NULL;
    buf_free(&key);
    return needed;
}

/* Whether a component has its release, and is bound: after that it only gathers how it is in its
 * environments, over and over. */
static bool is_done(enum snapshot_kind kind, const json_t *component)
{
    bool done =
        kind == SNAPSHOT_COMPONENT && json_at(component, "status", "latestRelease", NULL) != NULL;
    size_t i;
    json_t *condition;
    json_array_foreach(json_at(component, "status", "conditions", NULL), i, condition)
    {
        struct slice type = json_text_at(condition, "type");
        bool gathered = slice_eq_cstr(type, READY) || slice_eq_cstr(type, PROGRESSING);
        done = done && (gathered || slice_eq_cstr(json_text_at(condition, "status"), "True"));
    }
    return done;
}

static bool is_wanted(void *user, enum snapshot_kind kind, const json_t *object)
{
    const struct offline *o = user;
    const char *only = o->options->environment;
    const char *there = o->options->cluster;
    if (kind != SNAPSHOT_RENDERED) {
        return is_needed(o, object) && !(o->judged && is_done(kind, object));
    }
    return o->chosen &&
           offline__chosen(o, SNAPSHOT_COMPONENT, object_ns(object),
                           owner_text(object, "componentName")) &&
           (only == NULL || slice_eq_cstr(spec_text(object, "environmentName"), only)) &&
           (there == NULL || slice_eq_cstr(spec_text(object, "cluster"), there));
}

int offline__open(struct offline *o, const struct cli *c, bool judged, struct err *err)
{
    *o = (struct offline){.options = &c->options,
                          .places = json_object(),
                          .refused = json_object(),
                          .asked = json_array(),
                          .needed = json_object(),
                          .judged = judged};
    rehearsal_init(&o->rehearsal);
    o->rehearsal.wanted = is_wanted;
    o->rehearsal.user = o;
    view_init(&o->view, &o->rehearsal.snapshot, &o->arena);
    int rc = offline__read(o, c, err);
    rc = rc == 0 ? rehearsal_run(&o->rehearsal, err) : rc;
    if (rc != 0) {
        offline_free(o);
    }
    return rc;
}

int offline_open(struct offline *o, const struct cli *c, struct err *err)
{
    return offline__open(o, c, false, err);
}

void offline_free(struct offline *o)
{
    if (o->places != NULL) {
        rehearsal_free(&o->rehearsal);
    }
    manifests_free(&o->files);
    findings_free(&o->findings);
    json_decref(o->places);
    json_decref(o->refused);
    json_decref(o->asked);
    json_decref(o->needed);
    arena_free(&o->arena);
    *o = (struct offline){0};
}
