/* admit_frozen.c: what of workloads and Services stays as it was made, as a kube-apiserver has it;
 * what has volumes is in admit_volumes.c. */
#include "proto/admit_internal.h"
#include "proto/kube_rules_internal.h"

static const struct kube_place spec_place = {.name = "spec"};

static const json_t *spec_member(const json_t *object, const char *name)
{
    return kube__get(kube__get(object, "spec"), name);
}

static void keep(struct admit_result *result, const char *name)
{
    const json_t *before = spec_member(result->before, name);
    const json_t *after = spec_member(result->object, name);
    bool same = before == NULL || after == NULL ? before == after : json_equal(before, after);
    if (result->before != NULL && !same) {
        const struct kube_place place = kube__member(&spec_place, name);
        kube__invalid(&result->causes, &place, after, "field is immutable");
    }
}

/* Its pods are found by it. */
void admit__check_selector(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    keep(result, "selector");
}

/* One that is suspended has not begun. */
void admit__check_job(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    bool begun = !json_is_true(spec_member(result->before, "suspend"));
    keep(result, "completionMode");
    keep(result, "selector");
    if (begun) {
        keep(result, "template");
    }
    if (!slice_eq_cstr(json_text(spec_member(result->before, "completionMode")), "Indexed")) {
        keep(result, "completions");
    }
}

void admit__check_service(const struct admit_request *request, struct admit_result *result)
{
    (void)request;
    const json_t *after = spec_member(result->object, "clusterIP");
    struct slice was = json_text(spec_member(result->before, "clusterIP"));
    struct slice is = json_text(after);
    bool named = slice_eq_cstr(json_text(spec_member(result->object, "type")), "ExternalName") ||
                 slice_eq_cstr(json_text(spec_member(result->before, "type")), "ExternalName");
    if (!named && was.len > 0 && is.len > 0 && !slice_eq(was, is)) {
        const struct kube_place place = kube__item(&spec_place, "clusterIPs", 0);
        kube__invalid(&result->causes, &place, after, "may not change once set");
    }
}

static struct slice type_of(const json_t *secret)
{
    struct slice type = json_text_at(secret, "type");
    return type.len > 0 ? type : SLICE("Opaque");
}

void admit__check_secret_type(struct admit_result *result)
{
    if (result->before != NULL && !slice_eq(type_of(result->before), type_of(result->object))) {
        const struct kube_place place = kube__member(NULL, "type");
        kube__invalid(&result->causes, &place, json_object_get(result->object, "type"),
                      "field is immutable");
    }
}
