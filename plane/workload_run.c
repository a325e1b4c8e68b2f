/* workload_run.c: what runs for a while and ends: Jobs, their pods, and Argo's Workflows.
 *
 * How it ends, annotations of its pods (of Argo's Workflow: its own) say; without them it ends well
 * when anything else would be ready:
 *
 *     plane.choreo.dev/seconds   it takes so long
 *     plane.choreo.dev/message   what its last step says: its termination message, its output
 *     plane.choreo.dev/fail      it fails, and this is why (which its log ends with, if the
 *                                container falls back to that)
 *
 * A first container (of initContainers) says the commit that it was told to fetch; the last one
 * makes up a digest from what it is: the same container says the same. */
#include "plane/workload.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "plane/workload_internal.h"
#include "plane/workload_log.h"
#include "proto/object.h"

#define PREFIX "plane.choreo.dev/"

enum { SECONDS_MAX = 24 * 60 * 60, COMMIT_HEX = 40, TIME_ROOM = 21 };

/* ---- what is said beforehand ---- */

static struct slice said(const json_t *annotations, const char *key)
{
    return json_text_at(annotations, key);
}

bool workload__fails(const json_t *annotations)
{
    return said(annotations, PREFIX "fail").len > 0;
}

uint64_t workload__run_ms(const json_t *annotations, uint64_t otherwise_ms)
{
    struct slice text = said(annotations, PREFIX "seconds");
    uint64_t seconds = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        seconds = seconds * 10 + (uint64_t)(text.data[i] - '0');
        seconds = seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
    }
    return text.len > 0 ? seconds * 1000 : otherwise_ms;
}

static json_t *time_text(uint64_t wall_ms)
{
    char text[TIME_ROOM];
    clock_rfc3339(wall_ms, text);
    return json_string(text);
}

/* "sha256:" of a container as it is written. */
static void make_digest(const json_t *container, struct buf *out)
{
    struct buf text = {0};
    uint8_t digest[SHA256_BYTES];
    json_canonical(container, &text);
    crypto_sha256(buf_slice(&text), digest);
    buf_add_cstr(out, "sha256:");
    hex_encode(out, slice_make(digest, sizeof digest));
    buf_free(&text);
}

static struct slice env_of(const json_t *container, const char *name)
{
    const json_t *env = json_object_get(container, "env");
    for (size_t i = 0; i < json_array_size(env); i++) {
        const json_t *one = json_array_get(env, i);
        if (slice_eq_cstr(json_text_at(one, "name"), name)) {
            return json_text_at(one, "value");
        }
    }
    return (struct slice){0};
}

/* ---- a Job's pod ---- */

static json_t *terminated(uint64_t from_ms, uint64_t to_ms, bool fails, struct slice message)
{
    json_t *end = json_pack("{s:i, s:s, s:o, s:o}", "exitCode", fails ? 1 : 0, "reason",
                            fails ? "Error" : "Completed", "startedAt", time_text(from_ms),
                            "finishedAt", time_text(to_ms));
    if (message.len > 0) {
        json_object_set_new(end, "message", json_str(message));
    }
    return json_pack("{s:o}", "terminated", end);
}

/* The state of a container that runs from..to. */
static json_t *state_of(const struct workload_view *view, uint64_t from_ms, uint64_t to_ms,
                        bool fails, struct slice message)
{
    if (view->now_ms >= to_ms) {
        return terminated(from_ms, to_ms, fails, message);
    }
    if (view->now_ms >= from_ms) {
        return json_pack("{s:{s:o}}", "running", "startedAt", time_text(from_ms));
    }
    return json_pack("{s:{s:s}}", "waiting", "reason", "PodInitializing");
}

static json_t *row_of(const json_t *container, json_t *state)
{
    json_t *running = json_object_get(state, "running");
    return json_pack("{s:o, s:o, s:b, s:b, s:i, s:o, s:s}", "name",
                     json_str(json_text_at(container, "name")), "image",
                     json_str(json_text_at(container, "image")), "ready", running != NULL,
                     "started", running != NULL, "restartCount", 0, "state", state, "imageID", "");
}

static json_t *first_rows(const json_t *pod, const struct workload_view *view, uint64_t from_ms,
                          uint64_t to_ms)
{
    const json_t *containers = json_at(pod, "spec", "initContainers", NULL);
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *c = json_array_get(containers, i);
        struct slice ref = env_of(c, "GIT_REF");
        struct slice message = ref.len == COMMIT_HEX ? ref : SLICE("");
        json_array_append_new(rows, row_of(c, state_of(view, from_ms, to_ms, false, message)));
    }
    return rows;
}

static bool falls_back(const json_t *container)
{
    return slice_eq_cstr(json_text_at(container, "terminationMessagePolicy"),
                         "FallbackToLogsOnError");
}

static json_t *last_rows(const json_t *pod, const struct workload_view *view, uint64_t from_ms,
                         uint64_t to_ms)
{
    const json_t *annotations = json_at(pod, "metadata", "annotations", NULL);
    const json_t *containers = json_at(pod, "spec", "containers", NULL);
    struct slice fail = said(annotations, PREFIX "fail");
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *c = json_array_get(containers, i);
        struct buf text = {0};
        struct slice message = fail;
        if (fail.len > 0 && falls_back(c)) {
            workload_log_end(pod, c, &text);
            message = buf_slice(&text);
        } else if (fail.len == 0 && json_object_get(annotations, PREFIX "message") != NULL) {
            message = said(annotations, PREFIX "message");
        } else if (fail.len == 0) {
            make_digest(c, &text);
            message = buf_slice(&text);
        }
        json_array_append_new(rows,
                              row_of(c, state_of(view, from_ms, to_ms, fail.len > 0, message)));
        buf_free(&text);
    }
    return rows;
}

void workload__look_run_pod(const json_t *pod, json_t *status, const struct workload_view *view,
                            uint64_t *next_ms)
{
    const json_t *annotations = json_at(pod, "metadata", "annotations", NULL);
    uint64_t end_ms = view->since_ms + workload__run_ms(annotations, view->delay_ms);
    uint64_t half_ms = view->since_ms + (end_ms - view->since_ms) / 2;
    json_t *first = first_rows(pod, view, view->since_ms, half_ms);
    uint64_t begun_ms = json_array_size(first) > 0 ? half_ms : view->since_ms;
    bool ended = view->now_ms >= end_ms;
    json_object_set_new(status, "phase",
                        json_string(!ended                         ? "Running"
                                    : workload__fails(annotations) ? "Failed"
                                                                   : "Succeeded"));
    json_object_set_new(status, "containerStatuses", last_rows(pod, view, begun_ms, end_ms));
    if (json_array_size(first) > 0) {
        json_object_set(status, "initContainerStatuses", first);
    }
    json_decref(first);
    *next_ms = ended ? 0 : view->now_ms < half_ms ? half_ms : end_ms;
}

/* ---- Argo ---- */

/* What a template says that it puts out: a digest if its name says so, else the message. */
static json_t *outputs_of(const json_t *workflow, const json_t *template)
{
    const json_t *annotations = json_at(workflow, "metadata", "annotations", NULL);
    const json_t *wanted = json_at(template, "outputs", "parameters", NULL);
    json_t *parameters = json_array();
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        struct slice name = json_text_at(json_array_get(wanted, i), "name");
        struct buf value = {0};
        if (json_object_get(annotations, PREFIX "message") != NULL) {
            buf_add(&value, said(annotations, PREFIX "message"));
        } else if (slice_ends_with(name, SLICE("digest"))) {
            make_digest(template, &value);
        }
        json_array_append_new(parameters, json_pack("{s:o, s:o}", "name", json_str(name), "value",
                                                    json_str(buf_slice(&value))));
        buf_free(&value);
    }
    return json_pack("{s:o}", "parameters", parameters);
}

static json_t *node_of(const json_t *workflow, const json_t *template,
                       const struct workload_view *view, uint64_t end_ms)
{
    const json_t *annotations = json_at(workflow, "metadata", "annotations", NULL);
    bool ended = view->now_ms >= end_ms;
    bool fails = workload__fails(annotations);
    json_t *node = json_pack("{s:s, s:o, s:s, s:o}", "type", "Pod", "displayName",
                             json_str(json_text_at(template, "name")), "phase",
                             !ended  ? "Running"
                             : fails ? "Failed"
                                     : "Succeeded",
                             "startedAt", time_text(view->since_ms));
    if (ended) {
        json_object_set_new(node, "finishedAt", time_text(end_ms));
    }
    if (ended && fails) {
        json_object_set_new(node, "message", json_str(said(annotations, PREFIX "fail")));
    } else if (ended && json_object_get(template, "outputs") != NULL) {
        json_object_set_new(node, "outputs", outputs_of(workflow, template));
    }
    return node;
}

static bool makes_a_pod(const json_t *template)
{
    static const char *const ways[] = {"container", "script", "containerSet"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (json_object_get(template, ways[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void workload__look_argo(json_t *workflow, const struct workload_view *view, uint64_t *next_ms)
{
    json_t *status = json_child(workflow, "status");
    if (workload_settled(WORKLOAD_ARGO, workflow)) {
        return;
    }
    const json_t *annotations = json_at(workflow, "metadata", "annotations", NULL);
    const json_t *templates = json_at(workflow, "spec", "templates", NULL);
    uint64_t end_ms = view->since_ms + workload__run_ms(annotations, view->delay_ms);
    bool ended = view->now_ms >= end_ms;
    json_t *nodes = json_object();
    for (size_t i = 0; i < json_array_size(templates); i++) {
        const json_t *template = json_array_get(templates, i);
        char *name = slice_dup(json_text_at(template, "name"));
        if (makes_a_pod(template)) {
            json_object_set_new(nodes, name, node_of(workflow, template, view, end_ms));
        }
        free(name);
    }
    json_object_set_new(status, "nodes", nodes);
    json_object_set_new(status, "startedAt", time_text(view->since_ms));
    json_object_set_new(status, "phase",
                        json_string(!ended                         ? "Running"
                                    : workload__fails(annotations) ? "Failed"
                                                                   : "Succeeded"));
    if (ended) {
        json_object_set_new(status, "finishedAt", time_text(end_ms));
    }
    *next_ms = ended ? 0 : end_ms;
}
