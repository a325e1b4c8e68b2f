/* Any object that a cluster may answer with: it is judged, remembered within the limits, and told
 * apart from what is wanted; and any statuses of a run come to an outcome that a status can hold.
 */
#include <string.h>

#include "base/git_url.h"
#include "proto/object.h"
#include "reconcile/controllers/workflow_outcome.h"
#include "reconcile/drivers/kubernetes/cluster.h"
#include "reconcile/drivers/kubernetes/live.h"
#include "tests/fuzz/fuzz.h"

static void remember(const json_t *live)
{
    struct driver_cluster c = {.config = {.objects_max = 4, .status_bytes_max = 64}};
    struct driver_object object = {0};
    struct buf key = {0};
    seen_put(&c, live, false, NULL, NULL);
    if (!json_is_object(live)) {
        PROPERTY(c.seen.count == 0);
        return;
    }
    seen_put(&c, live, false, &object, NULL);
    manifest_key(live, &key);
    const struct driver_seen *seen = seen_find(&c, buf_slice(&key));
    PROPERTY(seen != NULL && strlen(seen->message) <= 1024 && c.status_bytes <= 64);
    PROPERTY(slice_utf8(slice_of(seen->message)) == strlen(seen->message));
    json_decref(resource_new(live, object.fingerprint));
    seen_drop(&c, buf_slice(&key), false);
    PROPERTY(c.seen.count == 0 && c.status_bytes == 0);
    buf_free(&key);
    seen_free(&c);
}

static void check_outcome(const json_t *outcome)
{
    struct slice commit = json_text_at(outcome, "commit");
    PROPERTY(commit.len == 0 || git_commit_valid(commit));
    PROPERTY(json_text_at(outcome, "image").len <= 512);
    PROPERTY(json_text_at(outcome, "message").len < 1024);
    const json_t *tasks = json_object_get(outcome, "tasks");
    PROPERTY(json_array_size(tasks) <= 200);
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        PROPERTY(json_text_at(json_array_get(tasks, i), "name").len > 0);
        PROPERTY(json_text_at(json_array_get(tasks, i), "message").len <= 300);
    }
}

static void judge_run(json_t *status)
{
    static const char *const kinds[] = {"Workflow", "Job"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t again_ms;
        json_t *seen = json_pack("[{s:s, s:O}, {s:s, s:O}]", "kind", kinds[i], "status", status,
                                 "kind", "Pod", "status", status);
        json_t *outcome = workflow_outcome(seen, 1000, &again_ms);
        PROPERTY(outcome != NULL);
        check_outcome(outcome);
        json_decref(outcome);
        json_decref(seen);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *live;
    if (json_parse(slice_make(data, size), &live, NULL) != 0) {
        return 0;
    }
    PROPERTY(live_fingerprint(live) == live_fingerprint(live));
    PROPERTY(!json_is_object(live) || live_satisfies(live, live));
    remember(live);
    remember(json_object_get(live, "object"));
    json_t *status = json_object_get(live, "status");
    if (status != NULL) {
        judge_run(status);
    }
    json_decref(live);
    return 0;
}
