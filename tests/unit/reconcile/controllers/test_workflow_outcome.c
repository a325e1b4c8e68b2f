/* A cluster may say anything of a run: what of it becomes a status is what a status can hold. */
#include "tests/lib/test.h"

#include "base/git_url.h"
#include "reconcile/controllers/workflow_outcome.h"

#define LONG 100000

static char *of_length(char c, size_t length)
{
    char *text = mem_alloc(length + 1);
    memset(text, c, length);
    text[length] = '\0';
    return text;
}

static json_t *outcome(json_t *seen)
{
    uint64_t again_ms;
    json_t *result = workflow_outcome(seen, 0, &again_ms);
    json_decref(seen);
    assert_non_null(result);
    return result;
}

static size_t bytes_of(const json_t *tree)
{
    struct buf text = {0};
    json_canonical(tree, &text);
    size_t bytes = text.len;
    buf_free(&text);
    return bytes;
}

static json_t *argo(json_t *status)
{
    return json_pack("[{s:s, s:s, s:o}]", "kind", "Workflow", "name", "w", "status", status);
}

static json_t *job(json_t *pod)
{
    return json_pack("[{s:s, s:s, s:{s:[{s:s, s:s}]}}, {s:s, s:s, s:o}]", "kind", "Job", "name",
                     "j", "status", "conditions", "type", "Complete", "status", "True", "kind",
                     "Pod", "name", "p", "status", pod);
}

/* A pod whose one container ended well, with these words. */
static json_t *said(const char *words)
{
    return json_pack("{s:s, s:[{s:s, s:{s:{s:i, s:s}}}]}", "phase", "Succeeded",
                     "containerStatuses", "name", "build", "state", "terminated", "exitCode", 0,
                     "message", words);
}

static void test_texts_are_cut(void **state)
{
    (void)state;
    char *text = of_length('x', LONG);
    json_t *r =
        outcome(argo(json_pack("{s:s, s:s, s:{s:{s:s, s:s, s:s, s:s, s:s}}}", "phase", "Failed",
                               "message", text, "nodes", "n", "type", "Pod", "displayName", text,
                               "phase", text, "message", text, "startedAt", text)));
    assert_true(bytes_of(r) < 4096);
    json_decref(r);
    r = outcome(argo(json_pack("{s:s, s:s}", "phase", "Running", "message", text)));
    assert_true(bytes_of(r) < 4096);
    json_decref(r);
    free(text);
}

static void test_so_many_steps(void **state)
{
    (void)state;
    json_t *nodes = json_object();
    for (int i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "n%d", i);
        json_object_set_new(nodes, id, json_pack("{s:s, s:s}", "type", "Pod", "phase", "Running"));
    }
    json_t *r = outcome(argo(json_pack("{s:s, s:o}", "phase", "Running", "nodes", nodes)));
    assert_int_equal(json_array_size(json_object_get(r, "tasks")), 200);
    json_decref(r);
}

/* A status tells steps apart by their names, and holds times. */
static void test_steps_can_be_told_apart(void **state)
{
    (void)state;
    json_t *r = outcome(argo(json_pack(
        "{s:s, s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}}", "phase", "Running",
        "nodes", "a", "type", "Pod", "displayName", "build", "startedAt", "yesterday", "b", "type",
        "Pod", "displayName", "build", "startedAt", "2026-01-01T00:00:00Z", "c", "type", "Pod",
        "displayName", "build", "startedAt", "2026-01-01T00:00:01Z")));
    const json_t *tasks = json_object_get(r, "tasks");
    assert_int_equal(json_array_size(tasks), 3);
    assert_slice(json_text_at(json_array_get(tasks, 0), "name"), "build");
    assert_null(json_object_get(json_array_get(tasks, 0), "startedAt"));
    assert_slice(json_text_at(json_array_get(tasks, 1), "name"), "build (2)");
    assert_slice(json_text_at(json_array_get(tasks, 1), "startedAt"), "2026-01-01T00:00:00Z");
    assert_slice(json_text_at(json_array_get(tasks, 2), "name"), "build (3)");
    json_decref(r);
}

/* A Job's pods, the two in either order. */
static void test_the_newest_pod_tells(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        json_t *failed =
            json_pack("{s:s, s:s, s:{s:s, s:s, s:[{s:s, s:{s:{s:i}}}]}}", "kind", "Pod", "name",
                      "z", "status", "phase", "Failed", "startTime", "2026-01-01T00:00:00Z",
                      "containerStatuses", "name", "first", "state", "terminated", "exitCode", 1);
        json_t *running =
            json_pack("{s:s, s:s, s:{s:s, s:s, s:[{s:s, s:{s:{}}}]}}", "kind", "Pod", "name", "a",
                      "status", "phase", "Running", "startTime", "2026-01-01T00:00:09Z",
                      "containerStatuses", "name", "second", "state", "running");
        json_t *r =
            outcome(json_pack("[{s:s, s:s, s:{}}, o, o]", "kind", "Job", "name", "j", "status",
                              order == 0 ? failed : running, order == 0 ? running : failed));
        const json_t *task = json_array_get(json_object_get(r, "tasks"), 0);
        assert_slice(json_text_at(task, "name"), "second");
        json_decref(r);
    }
}

/* An Argo node that put out one parameter, its value a digest of that character. */
static json_t *put_out(const char *started, const char *parameter, char digit)
{
    char digest[72] = "sha256:";
    memset(digest + 7, digit, 64);
    return json_pack("{s:s, s:s, s:{s:[{s:s, s:s}]}}", "type", "Pod", "startedAt", started,
                     "outputs", "parameters", "name", parameter, "value", digest);
}

/* Nodes come in the order of their ids, which are hashes. */
static void test_the_digest_is_the_images(void **state)
{
    static const char *const ids[][2] = {{"a", "b"}, {"b", "a"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *nodes = json_object();
        json_object_set_new(nodes, ids[i][0],
                            put_out("2026-01-01T00:00:09Z", "base-image-digest", '1'));
        json_object_set_new(nodes, ids[i][1], put_out("2026-01-01T00:00:01Z", "digest", '2'));
        json_t *r = outcome(argo(json_pack("{s:s, s:O}", "phase", "Succeeded", "nodes", nodes)));
        assert_true(slice_starts_with(json_text_at(r, "digest"), SLICE("sha256:2222")));
        json_decref(r);
        /* where none is called so, the last step's */
        json_object_set_new(nodes, ids[i][1],
                            put_out("2026-01-01T00:00:01Z", "builder-digest", '3'));
        r = outcome(argo(json_pack("{s:s, s:o}", "phase", "Succeeded", "nodes", nodes)));
        assert_true(slice_starts_with(json_text_at(r, "digest"), SLICE("sha256:1111")));
        json_decref(r);
    }
}

static void test_a_workload_is_put_out(void **state)
{
    (void)state;
    json_t *r = outcome(job(said("{\"image\":\"r/web:1\",\"workload\":{\"spec\":{}}}")));
    assert_slice(json_text_at(r, "workload"), "{\"spec\":{}}");
    assert_slice(json_text_at(r, "image"), "r/web:1");
    json_decref(r);
    char *text = of_length('x', LONG);
    r = outcome(argo(json_pack("{s:s, s:{s:[{s:s, s:s}]}}", "phase", "Succeeded", "outputs",
                               "parameters", "name", "workload", "value", text)));
    assert_int_equal(json_text_at(r, "workload").len, 64 * 1024);
    json_decref(r);
    free(text);
}

static void test_what_was_made_has_a_form(void **state)
{
    static const char *const bad[] = {"{\"image\":\"r/web:1 --privileged\"}",
                                      "{\"image\":\"r/web\\n:1\"}", "{\"commit\":\"HEAD\"}",
                                      "{\"commit\":\"0123456789abcdef0123456789abcdef0123456Z\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        json_t *r = outcome(job(said(bad[i])));
        assert_null(json_object_get(r, "image"));
        assert_null(json_object_get(r, "commit"));
        json_decref(r);
    }
    struct buf words = {0};
    char *name = of_length('i', LONG);
    buf_addf(&words, "{\"image\":\"%s\"}", name);
    json_t *r = outcome(job(said(buf_cstr(&words))));
    assert_null(json_object_get(r, "image"));
    json_decref(r);
    r = outcome(job(said("{\"image\":\"r.example.com:5000/a/web:1\",\"commit\":"
                         "\"0123456789abcdef0123456789abcdef01234567\"}")));
    assert_slice(json_text_at(r, "image"), "r.example.com:5000/a/web:1");
    assert_true(git_commit_valid(json_text_at(r, "commit")));
    json_decref(r);
    buf_free(&words);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_cut),
        cmocka_unit_test(test_so_many_steps),
        cmocka_unit_test(test_steps_can_be_told_apart),
        cmocka_unit_test(test_the_newest_pod_tells),
        cmocka_unit_test(test_the_digest_is_the_images),
        cmocka_unit_test(test_a_workload_is_put_out),
        cmocka_unit_test(test_what_was_made_has_a_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
