/* What choreod ships, in a control plane that has had it for a while: the engine as a leader of
 * this program, over objects as programs before and after it, and people, left them. */
#include "base/crypto.h"
#include "base/yaml.h"
#include "render/shipped.h"
#include "tests/unit/reconcile/engine_rig.h"

#include <stdio.h>

#define TYPES "clustercomponenttypes.choreo.dev"

/* ---- what is there ---- */

static const json_t *worker(struct fixture *f)
{
    return look(f, TYPES, "", "worker");
}

static int version(const char *name)
{
    struct shipped shipped;
    assert_true(shipped_find(SLICE("ClusterComponentType"), slice_of(name), &shipped));
    return shipped.version;
}

/* Is that what this program ships? */
static bool is_ours(struct fixture *f, const char *name)
{
    struct shipped shipped;
    assert_true(shipped_find(SLICE("ClusterComponentType"), slice_of(name), &shipped));
    json_t *ours = shipped_load(&shipped);
    const json_t *spec = json_object_get(look(f, TYPES, "", name), "spec");
    bool same = json_equal(json_object_get(ours, "spec"), spec);
    json_decref(ours);
    return same;
}

static bool worker_is_ours(struct fixture *f)
{
    return is_ours(f, "worker");
}

static void is_recorded(struct fixture *f, int version, int generation)
{
    const json_t *record = json_at(worker(f), "status", "builtIn", NULL);
    assert_int_equal(json_integer_value(json_object_get(record, "version")), version);
    assert_int_equal(json_integer_value(json_object_get(record, "generation")), generation);
    assert_int_equal(object_generation(worker(f)), generation);
}

/* status and reason of its condition, and that it speaks of what is there. */
static void is_told(struct fixture *f, const char *status, const char *reason)
{
    const json_t *object = worker(f);
    const json_t *condition = object_condition(object, "UpToDate");
    assert_slice(json_text_at(condition, "status"), status);
    assert_slice(json_text_at(condition, "reason"), reason);
    assert_int_equal(json_integer_value(json_at(object, "status", "observedGeneration", NULL)),
                     object_generation(object));
}

static size_t events(struct fixture *f, const char *reason)
{
    size_t cursor = 0;
    size_t count = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        const struct row *row = value;
        count += strcmp(row->resource, "events") == 0 && strstr(row->body, reason) != NULL;
    }
    return count;
}

/* ---- what others did ---- */

/* Writes what is stored anew, behind everybody's back: as another program would have left it. */
static void rewrite(struct fixture *f, const char *name, void (*edit)(json_t *object))
{
    struct buf body = {0};
    uint32_t splice;
    struct err err;
    json_t *object = json_deep_copy(look(f, TYPES, "", name));
    edit(object);
    assert_ok(object_canonical(object, &body, &splice, &err), &err);
    memory_write(&f->memory, SLICE(TYPES), SLICE(""), slice_of(name), buf_slice(&body), false);
    tell_written(f);
    json_decref(object);
    buf_free(&body);
}

/* Another text than ours: the last resource is missing. */
static void other_text(json_t *object)
{
    json_t *resources = json_at(object, "spec", "resources", NULL);
    assert_int_equal(json_array_remove(resources, json_array_size(resources) - 1), 0);
}

static void record(json_t *object, int by)
{
    json_t *builtin = json_at(object, "status", "builtIn", NULL);
    int now = (int)json_integer_value(json_object_get(builtin, "version"));
    json_object_set_new(builtin, "version", json_integer(now + by));
}

static void older(json_t *object)
{
    other_text(object);
    record(object, -1);
}

static void newer(json_t *object)
{
    other_text(object);
    record(object, 1);
}

static void before_records(json_t *object)
{
    other_text(object);
    assert_int_equal(json_object_del(object, "status"), 0);
}

/* When the control plane was a field manager. */
static void before_records_by_manager(json_t *object)
{
    before_records(object);
    json_object_set_new(json_object_get(object, "metadata"), "managedFields",
                        json_pack("[{s:s, s:s, s:s, s:s, s:{s:{}}}]", "apiVersion", "choreo.dev/v1",
                                  "fieldsType", "FieldsV1", "manager", "choreod", "operation",
                                  "Update", "fieldsV1", "f:spec"));
}

/* A control plane that an earlier leader began, between two leaders. */
static void begin(struct fixture *f, void (*edit)(json_t *object))
{
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    settle(f);
    unlead(f);
    rewrite(f, "worker", edit);
}

static void edit_spec(struct fixture *f)
{
    change(f, ADMIT_PATCH_MERGE, TYPES, "", "worker", "{\"spec\": {\"allowedTraits\": []}}");
}

static void wish(struct fixture *f, const char *what)
{
    char patch[128];
    snprintf(patch, sizeof patch, "{\"metadata\": {\"annotations\": {\"choreo.dev/builtin\": %s}}}",
             what);
    change(f, ADMIT_PATCH_MERGE, TYPES, "", "worker", patch);
}

/* Another leader has nothing to say to what is there. */
static void is_quiet(struct fixture *f)
{
    settle(f);
    size_t writes = f->memory.writes;
    unlead(f);
    lead(f);
    wait_ms(f, 300);
    settle(f);
    assert_int_equal(f->memory.writes, writes);
}

/* ---- nobody changed it ---- */

static void test_what_is_missing_is_made(void **state)
{
    struct fixture *f = *state;
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    is_recorded(f, version("worker"), 1);
    is_told(f, "True", "BuiltIn");
    struct slice since =
        json_text_at(object_condition(worker(f), "UpToDate"), "lastTransitionTime");
    assert_true(slice_cmp(since, SLICE("2020")) > 0); /* today's, by whatever clock */
    is_quiet(f);
}

static void test_what_nobody_changed_follows(void **state)
{
    struct fixture *f = *state;
    begin(f, older);
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    settle(f);
    is_recorded(f, version("worker"), 2);
    is_told(f, "True", "BuiltIn");
    assert_int_equal(events(f, "BuiltInTaken"), 1);
    is_quiet(f);
}

static void test_what_is_of_before_there_were_records_follows(void **state)
{
    struct fixture *f = *state;
    begin(f, before_records);
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    settle(f);
    is_recorded(f, version("worker"), 2);
    is_quiet(f);
}

static void test_what_was_our_own_field_is_nobodys(void **state)
{
    struct fixture *f = *state;
    begin(f, before_records_by_manager);
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    settle(f);
    is_recorded(f, version("worker"), 2);
    is_quiet(f);
}

/* What people note on it is not what it says. */
static void test_what_has_labels_follows_and_keeps_them(void **state)
{
    struct fixture *f = *state;
    begin(f, older);
    change(f, ADMIT_PATCH_MERGE, TYPES, "", "worker",
           "{\"metadata\": {\"labels\": {\"a\": \"b\"}}}");
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    assert_slice(object_label(worker(f), "a"), "b");
}

/* ---- somebody changed it ---- */

static void test_what_somebody_changed_stays_until_it_is_to_be_taken(void **state)
{
    struct fixture *f = *state;
    begin(f, older);
    edit_spec(f);
    lead(f);
    settle(f);
    assert_false(worker_is_ours(f));
    is_told(f, "False", "NewerBuiltIn");
    const json_t *condition = object_condition(worker(f), "UpToDate");
    assert_true(slice_find(json_text_at(condition, "message"),
                           SLICE("choreo annotate " TYPES " worker choreo.dev/builtin=take")) !=
                SIZE_MAX);
    assert_int_equal(events(f, "NewerBuiltIn"), 1);
    is_quiet(f);
    wish(f, "\"take\"");
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    settle(f);
    is_recorded(f, version("worker"), 3);
    is_told(f, "True", "BuiltIn");
    assert_slice(object_annotation(worker(f), "choreo.dev/builtin"), "");
    is_quiet(f);
}

/* Nobody owns what is not there any more. */
static void test_what_somebody_took_something_out_of_stays(void **state)
{
    struct fixture *f = *state;
    begin(f, older);
    change(f, ADMIT_PATCH_JSON, TYPES, "", "worker",
           "[{\"op\": \"remove\", \"path\": \"/spec/allowedTraits\"}]");
    lead(f);
    settle(f);
    assert_false(worker_is_ours(f));
    is_told(f, "False", "NewerBuiltIn");
}

static void test_what_was_changed_since_the_newest_is_up_to_date(void **state)
{
    struct fixture *f = *state;
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    edit_spec(f);
    settle(f);
    assert_false(worker_is_ours(f));
    is_told(f, "True", "Changed");
    assert_int_equal(events(f, "NewerBuiltIn"), 0);
    is_quiet(f);
}

/* Whoever puts it back as it was has it back as it was. */
static void test_what_was_put_back_is_ours(void **state)
{
    struct fixture *f = *state;
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    edit_spec(f);
    settle(f);
    change(f, ADMIT_PATCH_MERGE, TYPES, "", "worker",
           "{\"spec\": {\"allowedTraits\": [{\"kind\": \"ClusterTrait\", \"name\": \"*\"}]}}");
    settle(f);
    assert_true(worker_is_ours(f));
    is_recorded(f, version("worker"), 3);
    is_told(f, "True", "BuiltIn");
}

static const char own_worker[] =
    "apiVersion: choreo.dev/v1\nkind: ClusterComponentType\nmetadata: {name: worker}\n"
    "spec:\n  workloadType: deployment\n  resources: [{id: deployment, template: {}}]\n";

/* Somebody's from its first generation, and without a record. */
static void test_what_somebody_made_stays(void **state)
{
    struct fixture *f = *state;
    put(f, own_worker);
    lead(f);
    settle(f);
    assert_int_equal(object_generation(worker(f)), 1);
    assert_false(worker_is_ours(f));
    is_told(f, "False", "NewerBuiltIn");
    is_quiet(f);
    assert_int_equal(events(f, "NewerBuiltIn"), 1);
}

static void test_what_is_to_be_kept_is_kept_without_a_word(void **state)
{
    struct fixture *f = *state;
    begin(f, older);
    wish(f, "\"keep\"");
    lead(f);
    settle(f);
    assert_false(worker_is_ours(f));
    is_told(f, "False", "Kept");
    assert_int_equal(events(f, "BuiltIn"), 0);
    is_quiet(f);
    wish(f, "null"); /* nobody changed it, though */
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
}

/* ---- programs of several versions ---- */

static void test_what_a_newer_program_wrote_is_not_touched(void **state)
{
    struct fixture *f = *state;
    begin(f, newer);
    edit_spec(f);
    is_quiet(f);
    assert_false(worker_is_ours(f));
    assert_int_equal(json_integer_value(json_at(worker(f), "status", "observedGeneration", NULL)),
                     1); /* it is not for us to say what became of it */
}

static void test_what_was_deleted_comes_with_the_next_leader(void **state)
{
    struct fixture *f = *state;
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    change(f, ADMIT_DELETE, TYPES, "", "worker", NULL);
    settle(f);
    assert_null(worker(f));
    unlead(f);
    lead(f);
    assert_true(happens(f, worker_is_ours, LIMIT_MS));
    is_recorded(f, version("worker"), 1);
}

/* ---- what becomes of components ---- */

/* Another text for whatever is made of it. */
static void set_class(json_t *object, const char *class)
{
    json_t *resources = json_at(object, "spec", "resources", NULL);
    json_t *pod =
        json_at(json_array_get(resources, 0), "template", "spec", "template", "spec", NULL);
    assert_non_null(pod);
    json_object_set_new(pod, "priorityClassName", json_string(class));
}

static void newer_service(json_t *object)
{
    set_class(object, "low");
    record(object, 1);
}

static void older_service(json_t *object)
{
    record(object, -2);
}

static size_t releases(struct fixture *f, const char *component)
{
    char begin[96];
    snprintf(begin, sizeof begin, "releases.choreo.dev|acme|%s-", component);
    size_t cursor = 0;
    size_t count = 0;
    struct slice key;
    void *value;
    while (map_next(&f->memory.live, &cursor, &key, &value)) {
        count += slice_starts_with(key, slice_of(begin));
    }
    return count;
}

static bool has_another_release(struct fixture *f)
{
    return releases(f, "web") == 2;
}

static struct slice release_in(struct fixture *f, const char *binding)
{
    const json_t *b = look(f, "releasebindings.choreo.dev", "acme", binding);
    return json_text(json_at(b, "spec", "releaseName", NULL));
}

static bool service_is_ours(struct fixture *f)
{
    return is_ours(f, "service");
}

static bool class_is(struct fixture *f, const char *class)
{
    const json_t *pod =
        json_at(on_cluster(&f->kube, "Deployment"), "spec", "template", "spec", NULL);
    return slice_eq_cstr(json_text_at(pod, "priorityClassName"), class);
}

static bool class_is_low(struct fixture *f)
{
    return class_is(f, "low");
}

static bool class_is_high(struct fixture *f)
{
    return class_is(f, "high");
}

static void put_production(struct fixture *f, const char *release)
{
    struct buf yaml = {0};
    buf_addf(&yaml,
             "apiVersion: choreo.dev/v1\nkind: Environment\n"
             "metadata: {name: production, namespace: acme}\nspec: {dataPlane: development}\n"
             "---\napiVersion: choreo.dev/v1\nkind: ReleaseBinding\n"
             "metadata: {name: web-production, namespace: acme}\n"
             "spec: {owner: {projectName: default, componentName: web}, environment: production,"
             " releaseName: %s}\n",
             release);
    put(f, buf_cstr(&yaml));
    buf_free(&yaml);
}

/* A component of a built-in type gets a release of what that becomes, which is where releases
 * begin, whether a program or a person changed it. One that is not deployed by itself still is not,
 * and what runs elsewhere goes on as it is. */
static void test_releases_come_of_it_as_of_an_edit(void **state)
{
    struct fixture *f = *state;
    char first[64];
    lead(f);
    assert_true(happens(f, service_is_ours, LIMIT_MS));
    settle(f);
    rewrite(f, "service", newer_service); /* which this program leaves alone */
    start_web(f);
    put(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata: {name: still, namespace: acme}\n"
           "spec: {image: \"nginx:1\", autoDeploy: false, endpoints: [{name: http, port: 80}]}\n");
    settle(f);
    assert_true(class_is_low(f));
    assert_int_equal(releases(f, "web"), 1);
    struct slice running = release_in(f, "web-development");
    snprintf(first, sizeof first, "%.*s", SLICE_ARG(running));
    put_production(f, first);
    unlead(f);
    rewrite(f, "service", older_service);
    lead(f);
    assert_true(happens(f, has_another_release, LIMIT_MS));
    settle(f);
    assert_true(service_is_ours(f));
    assert_int_equal(releases(f, "web"), 2);
    assert_false(slice_eq_cstr(release_in(f, "web-development"), first));
    assert_slice(release_in(f, "web-production"), first);
    change(f, ADMIT_PATCH_JSON, TYPES, "", "service",
           "[{\"op\": \"add\", \"value\": \"high\","
           " \"path\": \"/spec/resources/0/template/spec/template/spec/priorityClassName\"}]");
    assert_true(happens(f, class_is_high, LIMIT_MS));
    settle(f);
    assert_int_equal(releases(f, "web"), 3);
    assert_slice(release_in(f, "web-production"), first);
    assert_int_equal(releases(f, "still"), 3);
    assert_null(look(f, "releasebindings.choreo.dev", "acme", "still-development"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_missing_is_made),
        TEST(test_what_nobody_changed_follows),
        TEST(test_what_is_of_before_there_were_records_follows),
        TEST(test_what_was_our_own_field_is_nobodys),
        TEST(test_what_has_labels_follows_and_keeps_them),
        TEST(test_what_somebody_changed_stays_until_it_is_to_be_taken),
        TEST(test_what_somebody_took_something_out_of_stays),
        TEST(test_what_was_changed_since_the_newest_is_up_to_date),
        TEST(test_what_was_put_back_is_ours),
        TEST(test_what_somebody_made_stays),
        TEST(test_what_is_to_be_kept_is_kept_without_a_word),
        TEST(test_what_a_newer_program_wrote_is_not_touched),
        TEST(test_what_was_deleted_comes_with_the_next_leader),
        TEST(test_releases_come_of_it_as_of_an_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
