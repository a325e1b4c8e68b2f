/* Server-side apply: the stated rules one by one, then random histories that keep the invariants.
 */
#include "tests/unit/proto/fixture.h"
#include "tests/unit/proto/random.h"

#include "proto/apply.h"
#include "proto/fieldset.h"

static int apply_as(struct fixture *f, const char *manager, bool force, const char *text)
{
    struct admit_request request = request_of(f, "component", ADMIT_APPLY, tree(f, text));
    request.field_manager = slice_of(manager);
    request.force = force;
    return write_request(f, &request);
}

/* The fields of a manager's entry, as text. */
static const char *owned(struct fixture *f, const char *manager)
{
    char path[128];
    (void)snprintf(path, sizeof(path), ".metadata.managedFields[?(@.manager==\"%s\")].fieldsV1",
                   manager);
    return stored_at(f, path);
}

static void fields_are_owned_as_kubernetes_writes_them(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        apply_as(f, "a", false,
                 "{'metadata':{'name':'x','labels':{'l':'1'},'finalizers':['q/z']},'spec':"
                 "{'image':'i','endpoints':[{'name':'e','port':1}],'parameters':{'p':{'q':1}},"
                 "'command':['x']}}"),
        &f->err);
    assert_string_equal(
        owned(f, "a"),
        "{'f:metadata':{'f:finalizers':{'v:\\'q/z\\'':{}},'f:labels':{'f:l':{}}},"
        "'f:spec':{'f:command':{},'f:endpoints':{'k:{\\'name\\':\\'e\\'}':{'.':{},'f:name':{},"
        "'f:port':{}}},'f:image':{},'f:parameters':{'f:p':{'.':{},'f:q':{}}}}}");
    assert_string_equal(stored_at(f, ".metadata.managedFields[0].operation"), "'Apply'");
}

static void applying_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *text = "{'metadata':{'name':'x'},'spec':{'image':'i','replicas':2}}";
    assert_ok(apply_as(f, "a", false, text), &f->err);
    f->now_ms += 60000;
    assert_ok(apply_as(f, "a", false, text), &f->err);
    assert_false(f->result.changed);
    /* the same by another: only ownership changes */
    assert_ok(apply_as(f, "b", false, text), &f->err);
    assert_true(f->result.changed);
    assert_string_equal(stored_at(f, ".metadata.generation"), "1");
}

/* What is said another way than it is stored is no change, whoever else has a hand in it. */
static void applying_again_what_is_folded_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"{'metadata':{'name':'x'},'stringData':{'a':'hi'}}",
                                        "{'metadata':{'name':'x'},'stringData':{'a':'ho'}}"};
    for (int i = 0; i < 3; i++) {
        struct admit_request request = request_of(f, "secret", ADMIT_APPLY, tree(f, texts[i / 2]));
        request.field_manager = SLICE("a");
        assert_ok(write_request(f, &request), &f->err);
        assert_int_equal(f->result.changed, i != 1);
        if (i == 0) {
            assert_ok(write_op(f, "secret", ADMIT_PATCH_MERGE, "{'data':{'b':'aGk='}}"), &f->err);
        }
        f->now_ms += 60000;
    }
    assert_string_equal(stored_at(f, ".data"), "{'a':'aG8=','b':'aGk='}");
    assert_string_equal(stored_at(f, ".metadata.managedFields[?(@.manager==\"a\")].time"),
                        "'2023-11-14T22:15:20Z'");
}

static void leaving_out_removes_what_nobody_else_owns(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        apply_as(f, "a", false,
                 "{'metadata':{'name':'x','labels':{'l':'1','m':'1'}},'spec':{'image':'i',"
                 "'runtime':'go','endpoints':[{'name':'e','port':1},{'name':'g','port':2}]}}"),
        &f->err);
    assert_ok(apply_as(f, "b", false,
                       "{'metadata':{'name':'x'},'spec':{'runtime':'go','endpoints':[{'name':'g',"
                       "'port':2}]}}"),
              &f->err);
    assert_ok(apply_as(f, "a", false,
                       "{'metadata':{'name':'x','labels':{'l':'1'}},'spec':{'image':'i'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".metadata.labels"), "{'l':'1'}");
    assert_string_equal(stored_at(f, ".spec.runtime"), "'go'");
    assert_string_equal(stored_at(f, ".spec.endpoints[1]"), "absent");
    assert_string_equal(stored_at(f, ".spec.endpoints[0].name"), "'g'");
    /* the last owner goes: the item goes, with the defaults that were filled in */
    assert_ok(apply_as(f, "b", false, "{'metadata':{'name':'x'},'spec':{'runtime':'go'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.endpoints"), "absent");
}

static void conflicts_name_managers_and_fields(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i','runtime':'go'}}"),
        &f->err);
    const char *other = "{'metadata':{'name':'x'},'spec':{'image':'j'}}";
    assert_err(apply_as(f, "b", false, other), &f->err, ERR_CONFLICT,
               "Apply failed with 1 conflict: conflict with \"a\" using choreo.dev/v1: "
               ".spec.image");
    assert_true(has_cause(&f->result.causes, ".spec.image", "conflict with \"a\""));
    assert_err(
        apply_as(f, "b", false, "{'metadata':{'name':'x'},'spec':{'image':'j','runtime':'c'}}"),
        &f->err, ERR_CONFLICT,
        "Apply failed with 2 conflicts: conflicts with \"a\" using choreo.dev/v1:\n- ");
    assert_ok(apply_as(f, "b", true, other), &f->err);
    assert_string_equal(owned(f, "a"), "{'f:spec':{'f:runtime':{}}}");
    assert_string_equal(stored_at(f, ".spec.image"), "'j'");
    assert_string_equal(stored_at(f, ".spec.runtime"), "'go'");
    /* an update takes without asking, and is in the way afterwards */
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'image':'k'}}"), &f->err);
    assert_string_equal(owned(f, "b"), "absent");
    assert_err(apply_as(f, "b", false, other), &f->err, ERR_CONFLICT, "\"tester\"");
}

static void status_is_another_scope(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a", false,
                       "{'metadata':{'name':'x'},'spec':{'image':'i'},'status':{'image':'no'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".status"), "absent");
    struct admit_request request = request_of(
        f, "component", ADMIT_APPLY,
        tree(f, "{'metadata':{'name':'x','labels':{'no':'no'}},'spec':{'image':'no'},'status':"
                "{'conditions':[{'type':'Ready','status':'True','reason':'R','message':'',"
                "'lastTransitionTime':'2026-01-01T00:00:00Z'}]}}"));
    request.sub = ADMIT_STATUS;
    request.field_manager = SLICE("a");
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".spec.image"), "'i'");
    assert_string_equal(stored_at(f, ".metadata.labels"), "absent");
    assert_string_equal(stored_at(f, ".status.conditions[0].status"), "'True'");
    assert_string_equal(stored_at(f, ".metadata.managedFields[1].subresource"), "'status'");
    /* applying the spec again leaves the status alone */
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'n'}}"), &f->err);
    assert_string_equal(stored_at(f, ".status.conditions[0].status"), "'True'");
}

static void clearing_and_replacing_managed_fields(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i'}}"), &f->err);
    /* what kubectl sends when it migrates from client-side apply */
    assert_ok(
        write_op(f, "component", ADMIT_PATCH_JSON,
                 "[{'op':'replace','path':'/metadata/managedFields','value':[{'manager':"
                 "'z','operation':'Apply','apiVersion':'choreo.dev/v1','fieldsType':'FieldsV1',"
                 "'fieldsV1':{'f:spec':{'f:image':{}}}}]},"
                 "{'op':'replace','path':'/metadata/resourceVersion','value':'1001'}]"),
        &f->err);
    assert_string_equal(owned(f, "z"), "{'f:spec':{'f:image':{}}}");
    assert_string_equal(owned(f, "a"), "absent");
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'metadata':{'managedFields':[{}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".metadata.managedFields"), "absent");
    /* nobody is known to own it: all of it is one updater's */
    assert_err(apply_as(f, "b", false, "{'metadata':{'name':'x'},'spec':{'image':'j'}}"), &f->err,
               ERR_CONFLICT, "before-first-apply");
}

static void updates_own_the_maps_that_they_bring_along(void **state)
{
    struct fixture *f = *state;
    assert_ok(write_op(f, "component", ADMIT_CREATE,
                       "{'metadata':{'name':'x','labels':{'l':'1'}},'spec':{'image':'i',"
                       "'autoDeploy':true,'type':'service','parameters':{'p':1}}}"),
              &f->err);
    assert_string_equal(owned(f, "tester"),
                        "{'f:metadata':{'f:labels':{'.':{},'f:l':{}}},'f:spec':{'.':{},"
                        "'f:autoDeploy':{},'f:image':{},'f:parameters':{'.':{},'f:p':{}},"
                        "'f:type':{}}}");
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'labels':{'m':'1'}},'spec':{'parameters':null}}"),
              &f->err);
    assert_string_equal(owned(f, "tester"),
                        "{'f:metadata':{'f:labels':{'.':{},'f:l':{},'f:m':{}}},'f:spec':{'.':{},"
                        "'f:autoDeploy':{},'f:image':{},'f:type':{}}}");
}

static void what_was_cleared_is_tracked_from_its_next_apply_on(void **state)
{
    struct fixture *f = *state;
    const char *clear = "{'metadata':{'managedFields':[{}]}}";
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i'}}"), &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, clear), &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE, "{'spec':{'replicas':2}}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.managedFields"), "absent");
    /* so that an apply meets all that is there, not what was updated since alone */
    const char *other = "{'metadata':{'name':'x'},'spec':{'image':'j','replicas':3}}";
    assert_err(apply_as(f, "b", false, other), &f->err, ERR_CONFLICT,
               "Apply failed with 2 conflicts: conflicts with \"before-first-apply\"");
    assert_ok(apply_as(f, "b", true, other), &f->err);
    assert_string_equal(owned(f, "before-first-apply"),
                        "{'f:spec':{'.':{},'f:autoDeploy':{},'f:type':{}}}");
}

static int write_as_system(struct fixture *f, const char *text)
{
    struct admit_request request = request_of(f, "component", ADMIT_PATCH_MERGE, tree(f, text));
    request.system = true;
    request.field_manager = (struct slice){0};
    f->now_ms += 60000;
    return write_request(f, &request);
}

static void the_control_plane_owns_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i','replicas':2}}"),
        &f->err);
    const char *before = stored_at(f, ".metadata.managedFields");
    assert_ok(write_as_system(f, "{'metadata':{'finalizers':['q/z']},'status':{'image':'i'}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".metadata.managedFields"), before);
    struct admit_request request =
        request_of(f, "component", ADMIT_UPDATE,
                   tree(f, "{'metadata':{'name':'x','finalizers':['q/z']},'spec':{'image':'i',"
                           "'replicas':2},'status':{'image':'j'}}"));
    request.system = true;
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(stored_at(f, ".metadata.managedFields"), before);
    /* what it changes is no longer whose it was, so that its owner meets no conflict with nobody */
    assert_ok(write_as_system(f, "{'spec':{'replicas':3}}"), &f->err);
    assert_string_equal(owned(f, "a"), "{'f:spec':{'f:image':{}}}");
    assert_ok(
        apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i','replicas':2}}"),
        &f->err);
    assert_string_equal(stored_at(f, ".spec.replicas"), "2");
    assert_string_equal(stored_at(f, ".metadata.finalizers"), "['q/z']");
}

static void what_the_control_plane_makes_gives_way(void **state)
{
    struct fixture *f = *state;
    static const char *const made[] = {
        "{'metadata':{'name':'x','annotations':{'choreo.dev/default':'true'}},"
        "'spec':{'image':'i','replicas':2}}",
        "{'metadata':{'name':'x','ownerReferences':[{'apiVersion':'choreo.dev/v1',"
        "'kind':'Project','name':'p','uid':'u'}]},"
        "'spec':{'image':'i','replicas':2}}"};
    for (size_t i = 0; i < 2; i++) {
        f->stored = false;
        struct admit_request request = request_of(f, "component", ADMIT_CREATE, tree(f, made[i]));
        request.system = true;
        assert_ok(write_request(f, &request), &f->err);
        assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'replicas':3}}"),
                  &f->err);
        assert_string_equal(stored_at(f, ".spec.image"), "'i'");
        assert_string_equal(stored_at(f, ".spec.replicas"), "3");
        assert_string_equal(owned(f, "before-first-apply"), "absent");
        assert_string_equal(owned(f, "a"), "{'f:spec':{'f:replicas':{}}}");
        /* from then on somebody owns that */
        assert_err(apply_as(f, "b", false, "{'metadata':{'name':'x'},'spec':{'replicas':4}}"),
                   &f->err, ERR_CONFLICT, "conflict with \"a\"");
    }
}

static void a_status_that_somebody_owns_is_taken_from_him(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        write_op(f, "component", ADMIT_CREATE, "{'metadata':{'name':'x'},'spec':{'image':'i'}}"),
        &f->err);
    struct admit_request request = request_of(f, "component", ADMIT_PATCH_MERGE,
                                              tree(f, "{'status':{'image':'i','project':'p'}}"));
    request.sub = ADMIT_STATUS;
    request.field_manager = SLICE("b");
    assert_ok(write_request(f, &request), &f->err);
    assert_string_equal(owned(f, "b"), "{'f:status':{'.':{},'f:image':{},'f:project':{}}}");
    assert_ok(write_as_system(f, "{'status':{'image':'j'}}"), &f->err);
    assert_string_equal(owned(f, "b"), "{'f:status':{'.':{},'f:project':{}}}");
    assert_ok(write_as_system(f, "{'status':null}"), &f->err);
    assert_string_equal(owned(f, "b"), "absent");
}

/* The last owner of anything in metadata goes; what is nobody's there stays. */
static void what_nobody_owns_in_metadata_stays(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a", false,
                       "{'metadata':{'name':'x','labels':{'l':'1'}},'spec':{'image':'i'}}"),
              &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'annotations':{'k':'v'},'managedFields':[{'manager':'a',"
                       "'operation':'Apply','apiVersion':'choreo.dev/v1','fieldsType':'FieldsV1',"
                       "'fieldsV1':{'f:metadata':{'f:labels':{'f:l':{}}}}}]}}"),
              &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'managedFields':[{'manager':'a','operation':'Apply',"
                       "'apiVersion':'choreo.dev/v1','fieldsType':'FieldsV1',"
                       "'fieldsV1':{'f:metadata':{'f:labels':{'f:l':{}}}}}]}}"),
              &f->err);
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i'}}"), &f->err);
    assert_string_equal(stored_at(f, ".metadata.labels"), "absent");
    assert_string_equal(stored_at(f, ".metadata.annotations"), "{'k':'v'}");
}

#define ENTRY(fields)                                                                              \
    "{'manager':'a','operation':'Apply','apiVersion':'choreo.dev/v1','fieldsType':'FieldsV1',"     \
    "'fieldsV1':{'f:spec':" fields "}}"

static void a_manager_has_one_entry(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'i'}}"), &f->err);
    assert_ok(write_op(f, "component", ADMIT_PATCH_MERGE,
                       "{'metadata':{'managedFields':[" ENTRY("{'f:runtime':{}}") "," ENTRY(
                           "{'f:image':{}}") "]}}"),
              &f->err);
    assert_string_equal(owned(f, "a"), "{'f:spec':{'f:image':{}}}");
    /* nobody is in one's own way */
    assert_ok(apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'image':'j'}}"), &f->err);
}

static void an_applier_is_the_same_through_every_version(void **state)
{
    struct fixture *f = *state;
    struct apply_context a = {.api_version = SLICE("e/v1"),
                              .manager = SLICE("a"),
                              .subresource = SLICE(""),
                              .now = SLICE("2026-01-01T00:00:00Z")};
    struct causes causes = {.arena = &f->arena};
    json_t *one = NULL;
    json_t *two = NULL;
    assert_ok(apply_merge(&a, NULL, tree(f, "{'spec':{'x':1,'y':1}}"), &one, &causes, &f->err),
              &f->err);
    a.api_version = SLICE("e/v2");
    a.now = SLICE("2026-01-02T00:00:00Z");
    assert_ok(apply_merge(&a, one, tree(f, "{'spec':{'x':2}}"), &two, &causes, &f->err), &f->err);
    assert_string_equal(text_of(f, json_object_get(two, "spec")), "{'x':2}");
    assert_string_equal(
        text_of(f, json_at(two, "metadata", "managedFields", NULL)),
        "[{'apiVersion':'e/v2','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'.':{},'f:x':{}}},"
        "'manager':'a','operation':'Apply','time':'2026-01-02T00:00:00Z'}]");
    json_decref(one);
    json_decref(two);
}

static void bad_intents_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_err(apply_as(f, "a", false,
                        "{'metadata':{'name':'x'},'spec':{'endpoints':[{'name':'e','port':1},"
                        "{'name':'e','port':2}]}}"),
               &f->err, ERR_UNPROCESSABLE, "Duplicate");
    assert_err(
        apply_as(f, "a", false, "{'metadata':{'name':'x'},'spec':{'endpoints':[{'port':1}]}}"),
        &f->err, ERR_UNPROCESSABLE, "spec.endpoints[0]");
    assert_err(
        apply_as(f, "a", false, "{'metadata':{'name':'x','managedFields':[{'manager':'m'}]}}"),
        &f->err, ERR_INVALID, "managedFields must be nil");
    assert_err(apply_as(f, "", false, "{'metadata':{'name':'x'}}"), &f->err, ERR_UNPROCESSABLE,
               "fieldManager");
}

static void order_follows_the_intent_around_others_items(void **state)
{
    struct fixture *f = *state;
    assert_ok(apply_as(f, "a", false,
                       "{'metadata':{'name':'x'},'spec':{'env':[{'name':'A'},{'name':'C'}]}}"),
              &f->err);
    assert_ok(apply_as(f, "b", false, "{'metadata':{'name':'x'},'spec':{'env':[{'name':'X'}]}}"),
              &f->err);
    assert_ok(apply_as(f, "a", false,
                       "{'metadata':{'name':'x'},'spec':{'env':[{'name':'A'},{'name':'B'},"
                       "{'name':'C'}]}}"),
              &f->err);
    assert_string_equal(stored_at(f, ".spec.env"),
                        "[{'name':'A'},{'name':'B'},{'name':'C'},{'name':'X'}]");
}

static void kinds_without_schema(void **state)
{
    struct fixture *f = *state;
    struct apply_context a = {.api_version = SLICE("v1"),
                              .manager = SLICE("a"),
                              .subresource = SLICE(""),
                              .now = SLICE("2026-01-01T00:00:00Z")};
    struct causes causes = {.arena = &f->arena};
    json_t *one = NULL;
    assert_ok(
        apply_merge(&a, NULL, tree(f, "{'spec':{'m':{'x':1},'l':[1,2]}}"), &one, &causes, &f->err),
        &f->err);
    assert_string_equal(
        text_of(f, json_at(one, "metadata", "managedFields", NULL)),
        "[{'apiVersion':'v1','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'.':{},'f:l':{},'f:m':"
        "{'.':{},'f:x':{}}}},'manager':'a','operation':'Apply','time':'2026-01-01T00:00:00Z'}]");
    /* maps are granular, lists atomic */
    struct apply_context b = a;
    b.manager = SLICE("b");
    json_t *two = NULL;
    assert_ok(apply_merge(&b, one, tree(f, "{'spec':{'m':{'y':1}}}"), &two, &causes, &f->err),
              &f->err);
    assert_string_equal(text_of(f, json_at(two, "spec", "m", NULL)), "{'x':1,'y':1}");
    json_t *three = NULL;
    assert_err(apply_merge(&b, two, tree(f, "{'spec':{'l':[1]}}"), &three, &causes, &f->err),
               &f->err, ERR_CONFLICT, "1 conflict");
    json_decref(one);
    json_decref(two);
}

/* ---- properties ---- */

static void count_member(struct slice path, void *user)
{
    (void)path;
    (*(size_t *)user)++;
}

static size_t set_size(const json_t *set)
{
    size_t count = 0;
    fieldset_each(set, count_member, &count);
    return count;
}

/* Random values have no duplicate keys in lists, or apply would rightly refuse them. */
static json_t *random_spec(struct random *r)
{
    json_t *spec = json_object();
    static const char *const names[] = {"A", "B", "C"};
    if (random_below(r, 2)) {
        json_object_set_new(spec, "image", json_string(random_below(r, 2) ? "i" : "j"));
    }
    if (random_below(r, 2)) {
        json_object_set_new(spec, "replicas", json_integer(random_below(r, 3)));
    }
    if (random_below(r, 3) == 0) {
        json_object_set_new(spec, "command", json_pack("[s]", names[random_below(r, 3)]));
    }
    if (random_below(r, 2)) {
        json_t *env = json_array();
        for (size_t i = 0; i < 3; i++) {
            if (random_below(r, 2)) {
                json_t *item = json_pack("{s:s}", "name", names[i]);
                if (random_below(r, 2)) {
                    json_object_set_new(item, "value", json_string(names[random_below(r, 3)]));
                }
                json_array_append_new(env, item);
            }
        }
        json_object_set_new(spec, "env", env);
    }
    if (random_below(r, 2)) {
        json_object_set_new(spec, "parameters", json_object());
        for (size_t i = 0; i < 3; i++) {
            if (random_below(r, 2)) {
                json_object_set_new(json_object_get(spec, "parameters"), names[i],
                                    random_json(r, 2));
            }
        }
    }
    return json_pack("{s:{s:s}, s:o}", "metadata", "name", "x", "spec", spec);
}

/* Every field that anybody owns is in the object, and nobody owns the same field twice with
 * different values by construction (there is one value). */
static void check_books(struct fixture *f, uint64_t seed)
{
    json_t *object = NULL;
    assert_ok(object_parse(f->old.body, 0, &object, &f->err), &f->err);
    const struct schema *schema = kind_named(f, "component")->schema;
    json_t *set = fieldset_of(object, schema);
    json_t *full = fieldset_with_parents(set, schema);
    const json_t *list = json_at(object, "metadata", "managedFields", NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *mine = fieldset_read(json_object_get(json_array_get(list, i), "fieldsV1"));
        json_t *beyond = fieldset_difference(mine, full);
        if (set_size(beyond) != 0) {
            print_error("seed %llu: owned, but not there: %s in %s\n", (unsigned long long)seed,
                        text_of(f, beyond), text_of(f, object));
        }
        assert_int_equal(set_size(beyond), 0);
        json_decref(beyond);
        json_decref(mine);
    }
    json_decref(full);
    json_decref(set);
    json_decref(object);
}

/* What a manager applied is in the object as it said. */
static void check_applied(struct fixture *f, const json_t *intent)
{
    json_t *object = NULL;
    assert_ok(object_parse(f->old.body, 0, &object, &f->err), &f->err);
    struct causes causes = {.arena = &f->arena};
    json_t *again = fieldset_merge(object, intent, kind_named(f, "component")->schema, &causes);
    if (!json_equal(object, again)) {
        print_error("%s\napplied to\n%s\ngives\n%s\n", text_of(f, intent), text_of(f, object),
                    text_of(f, again));
    }
    assert_true(json_equal(object, again));
    json_decref(again);
    json_decref(object);
}

static void random_step(struct fixture *f, struct random *r, uint64_t seed)
{
    static const char *const managers[] = {"a", "b", "c"};
    json_t *body = random_spec(r);
    bool update = random_below(r, 3) == 0 && f->stored;
    enum admit_op op = update ? ADMIT_UPDATE : ADMIT_APPLY;
    struct admit_request request = request_of(f, "component", op, body);
    request.field_manager = slice_of(managers[random_below(r, 3)]);
    request.force = random_below(r, 2);
    f->now_ms += 1000;
    int rc = write_request(f, &request);
    assert_true(rc == 0 || (rc == ERR_CONFLICT && !request.force && !update));
    if (rc == 0) {
        check_books(f, seed);
    }
    if (rc == 0 && !update) {
        check_applied(f, body);
        request.old = &f->old; /* again: nothing to do, an hour later */
        request.now_ms += 3600000;
        request.force = false;
        assert_ok(admit(&request, &f->result, &f->err), &f->err);
        assert_false(f->result.changed);
    }
    json_decref(body);
}

static void random_histories_keep_the_books(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct random r = {seed * 7919};
        f->stored = false;
        for (int step = 0; step < 15; step++) {
            random_step(f, &r, seed);
        }
        arena_free(&f->arena);
    }
}

/* A field whose last owner applies without it is gone; one that another owns stays. */
static void applied_and_left_out_by_all_is_gone(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random r = {seed};
        f->stored = false;
        json_t *first = random_spec(&r);
        struct admit_request request = request_of(f, "component", ADMIT_APPLY, first);
        request.field_manager = SLICE("a");
        assert_ok(write_request(f, &request), &f->err);
        json_t *second = random_spec(&r);
        request.incoming = second;
        request.old = &f->old;
        assert_ok(write_request(f, &request), &f->err);
        /* what is there is what the second says, and defaults */
        json_t *object = NULL;
        assert_ok(object_parse(f->old.body, 0, &object, &f->err), &f->err);
        const json_t *spec = json_object_get(object, "spec");
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)spec, key, value)
        {
            if (strcmp(key, "autoDeploy") != 0 && strcmp(key, "type") != 0) {
                const json_t *said = json_at(second, "spec", key, NULL);
                if (said == NULL || !json_equal(said, value)) {
                    print_error("seed %llu, %s:\n%s\n%s\n", (unsigned long long)seed, key,
                                text_of(f, second), text_of(f, object));
                }
                assert_true(said != NULL && json_equal(said, value));
            }
        }
        json_decref(object);
        json_decref(first);
        json_decref(second);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(fields_are_owned_as_kubernetes_writes_them),
        T(applying_again_changes_nothing),
        T(applying_again_what_is_folded_changes_nothing),
        T(leaving_out_removes_what_nobody_else_owns),
        T(conflicts_name_managers_and_fields),
        T(status_is_another_scope),
        T(clearing_and_replacing_managed_fields),
        T(updates_own_the_maps_that_they_bring_along),
        T(what_was_cleared_is_tracked_from_its_next_apply_on),
        T(the_control_plane_owns_nothing),
        T(what_the_control_plane_makes_gives_way),
        T(a_status_that_somebody_owns_is_taken_from_him),
        T(what_nobody_owns_in_metadata_stays),
        T(a_manager_has_one_entry),
        T(an_applier_is_the_same_through_every_version),
        T(bad_intents_are_refused),
        T(order_follows_the_intent_around_others_items),
        T(kinds_without_schema),
        T(random_histories_keep_the_books),
        T(applied_and_left_out_by_all_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
