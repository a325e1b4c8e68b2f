/* workflow_outcome.c: from the statuses of a Job and its pods, or of Argo's Workflow, to the
 * outcome.
 *
 * A container says what it made in its termination message, Argo's steps in outputs.parameters. A
 * message may be a digest, a commit, a JSON object of both, or any text with a digest in it; of a
 * step that failed it is the end of its log (terminationMessagePolicy: FallbackToLogsOnError),
 * which is kept. All of it is a cluster's word: what has not the form that a status has for it is
 * not taken, and what is too long or too much is cut. */
#include "reconcile/controllers/workflow_outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/git_url.h"
#include "base/str.h"
#include "proto/object.h"

enum {
    DIGEST_HEX = 64,
    MESSAGE_SHOWN = 300,
    NAME_SHOWN = 200,
    PHASE_SHOWN = 32,
    IMAGE_BYTES_MAX = 512,
    LOG_TAIL_MAX = 4096,
    TASKS_MAX = 200,
    WORKLOAD_BYTES_MAX = 64 * 1024,
};

#define SHA256 "sha256:"

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return text.len > 0;
}

static struct slice digest_in(struct slice text)
{
    size_t at = slice_find(text, SLICE(SHA256));
    while (at != SIZE_MAX) {
        struct slice digest = slice_sub(text, at, strlen(SHA256) + DIGEST_HEX);
        struct slice hex = slice_sub(digest, strlen(SHA256), SIZE_MAX);
        if (hex.len == DIGEST_HEX && is_hex(hex)) {
            return digest;
        }
        text = slice_sub(text, at + strlen(SHA256), SIZE_MAX);
        at = slice_find(text, SLICE(SHA256));
    }
    return (struct slice){0};
}

static void set_once(json_t *outcome, const char *key, struct slice text)
{
    if (text.len > 0 && json_object_get(outcome, key) == NULL) {
        json_object_set_new(outcome, key, json_str(text));
    }
}

/* "registry/name:tag", as far as can be told: one word of plain characters. */
static struct slice image_in(struct slice text)
{
    bool fits = text.len <= IMAGE_BYTES_MAX;
    for (size_t i = 0; fits && i < text.len; i++) {
        fits = text.data[i] > ' ' && text.data[i] < 0x7f;
    }
    return fits ? text : (struct slice){0};
}

static struct slice commit_in(struct slice text)
{
    return git_commit_valid(text) ? text : (struct slice){0};
}

/* So many bytes of it at most, and no half of a character. */
static struct slice shown(struct slice text, size_t bytes)
{
    return text.len <= bytes ? text : slice_sub(text, 0, slice_utf8(slice_sub(text, 0, bytes)));
}

/* A descriptor as the source has it; cut, it is no JSON any more, and whoever reads it says so. */
static void hear_workload(json_t *outcome, struct slice text)
{
    set_once(outcome, "workload", shown(text, WORKLOAD_BYTES_MAX));
}

static void hear_tree(json_t *outcome, const json_t *tree)
{
    struct buf text = {0};
    set_once(outcome, "image", image_in(json_text_at(tree, "image")));
    set_once(outcome, "digest", digest_in(json_text_at(tree, "digest")));
    set_once(outcome, "commit", commit_in(json_text_at(tree, "commit")));
    if (json_is_object(json_object_get(tree, "workload"))) {
        json_canonical(json_object_get(tree, "workload"), &text);
        hear_workload(outcome, buf_slice(&text));
    }
    buf_free(&text);
}

/* What a step that ended well said. */
static void hear(json_t *outcome, struct slice said)
{
    json_t *tree = NULL;
    said = slice_trim(said);
    if (said.len > 0 && said.data[0] == '{' && json_parse(said, &tree, NULL) == 0) {
        hear_tree(outcome, tree);
        json_decref(tree);
        return;
    }
    set_once(outcome, "digest", digest_in(said));
    set_once(outcome, "commit", commit_in(said));
}

static void set_text(json_t *row, const char *key, struct slice text)
{
    if (text.len > 0) {
        json_object_set_new(row, key, json_str(text));
    }
}

static struct slice time_in(struct slice text)
{
    uint64_t ignored_ms;
    char copy[40];
    snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(slice_sub(text, 0, sizeof(copy) - 1)));
    bool is = text.len < sizeof(copy) && clock_parse_rfc3339(copy, &ignored_ms) == 0;
    return is ? text : (struct slice){0};
}

/* The end of a text, at most max bytes, and no half of a character. */
static struct slice tail_of(struct slice text, size_t max)
{
    size_t from = text.len > max ? text.len - max : 0;
    while (from > 0 && from < text.len && ((unsigned char)text.data[from] & 0xC0) == 0x80) {
        from++;
    }
    return slice_sub(text, from, SIZE_MAX);
}

/* Where there are several, the last says what went wrong. */
static struct slice last_line(struct slice text)
{
    text = slice_trim(text);
    size_t from = text.len;
    while (from > 0 && text.data[from - 1] != '\n') {
        from--;
    }
    return slice_sub(text, from, SIZE_MAX);
}

static json_t *task_new(struct slice name, struct slice phase, struct slice started,
                        struct slice ended, struct slice message)
{
    name = shown(name, NAME_SHOWN);
    json_t *row = json_pack("{s:o, s:o}", "name", json_str(name.len > 0 ? name : SLICE("step")),
                            "phase", json_str(shown(phase, PHASE_SHOWN)));
    set_text(row, "startedAt", time_in(started));
    set_text(row, "completedAt", time_in(ended));
    set_text(row, "message", shown(slice_trim(message), MESSAGE_SHOWN));
    return row;
}

/* Steps are told apart by their names. */
static void name_tasks(json_t *tasks)
{
    for (size_t i = json_array_size(tasks); i-- > 1;) {
        json_t *task = json_array_get(tasks, i);
        struct slice name = json_text_at(task, "name");
        size_t before = 0;
        for (size_t k = 0; k < i; k++) {
            before += slice_eq(json_text_at(json_array_get(tasks, k), "name"), name) ? 1 : 0;
        }
        if (before > 0) {
            struct buf text = {0};
            buf_addf(&text, "%.*s (%zu)", SLICE_ARG(name), before + 1);
            json_object_set_new(task, "name", json_str(buf_slice(&text)));
            buf_free(&text);
        }
    }
}

/* Takes tasks. */
static void set_tasks(json_t *outcome, json_t *tasks)
{
    name_tasks(tasks);
    if (json_array_size(tasks) > 0) {
        json_object_set(outcome, "tasks", tasks);
    }
    json_decref(tasks);
}

/* ---- a Job ---- */

static json_t *ended_task(struct slice name, const json_t *end, json_t *outcome)
{
    json_int_t code = json_integer_value(json_object_get(end, "exitCode"));
    struct slice said = json_text_at(end, "message");
    struct buf why = {0};
    if (code == 0) {
        hear(outcome, said);
    } else {
        set_once(outcome, "logTail", tail_of(said, LOG_TAIL_MAX));
        said = last_line(said);
        buf_addf(&why, "exit code %lld (%.*s)%s%.*s", (long long)code,
                 SLICE_ARG(json_text_at(end, "reason")), said.len > 0 ? ": " : "", SLICE_ARG(said));
    }
    json_t *task =
        task_new(name, code == 0 ? SLICE("Succeeded") : SLICE("Failed"),
                 json_text_at(end, "startedAt"), json_text_at(end, "finishedAt"), buf_slice(&why));
    buf_free(&why);
    return task;
}

/* Reasons that a container waits for and that pass by themselves. */
static bool passes(struct slice reason)
{
    return reason.len == 0 || slice_eq_cstr(reason, "PodInitializing") ||
           slice_eq_cstr(reason, "ContainerCreating");
}

static json_t *container_task(const json_t *container, json_t *outcome)
{
    struct slice name = json_text_at(container, "name");
    const json_t *state = json_object_get(container, "state");
    const json_t *end = json_object_get(state, "terminated");
    const json_t *running = json_object_get(state, "running");
    const json_t *waiting = json_object_get(state, "waiting");
    struct slice none = {0};
    if (end != NULL) {
        return ended_task(name, end, outcome);
    }
    if (running != NULL) {
        return task_new(name, SLICE("Running"), json_text_at(running, "startedAt"), none, none);
    }
    struct slice reason = json_text_at(waiting, "reason");
    struct buf why = {0};
    if (!passes(reason)) {
        buf_addf(&why, "%.*s: %.*s", SLICE_ARG(reason),
                 SLICE_ARG(json_text_at(waiting, "message")));
    }
    json_t *task = task_new(name, SLICE("Pending"), none, none, buf_slice(&why));
    buf_free(&why);
    return task;
}

static void pod_tasks(const json_t *pod, json_t *outcome)
{
    static const char *const lists[] = {"initContainerStatuses", "containerStatuses"};
    json_t *tasks = json_array();
    for (size_t i = 0; i < 2; i++) {
        size_t k;
        json_t *container;
        json_array_foreach(json_object_get(pod, lists[i]), k, container)
        {
            if (json_array_size(tasks) < TASKS_MAX) {
                json_array_append_new(tasks, container_task(container, outcome));
            }
        }
    }
    set_tasks(outcome, tasks);
}

static const json_t *condition(const json_t *status, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(status, "conditions"), i, c)
    {
        if (slice_eq_cstr(json_text_at(c, "type"), type) &&
            slice_eq_cstr(json_text_at(c, "status"), "True")) {
            return c;
        }
    }
    return NULL;
}

static void set_phase(json_t *outcome, const char *phase)
{
    json_object_set_new(outcome, "phase", json_string(phase));
}

/* The first task that failed says why, else the cluster does. */
static void explain(json_t *outcome, struct slice otherwise)
{
    size_t i;
    json_t *task;
    json_array_foreach(json_object_get(outcome, "tasks"), i, task)
    {
        struct slice phase = json_text_at(task, "phase");
        if (slice_eq_cstr(phase, "Failed") || slice_eq_cstr(phase, "Error")) {
            struct buf text = {0};
            buf_addf(&text, "step \"%.*s\" failed: %.*s", SLICE_ARG(json_text_at(task, "name")),
                     SLICE_ARG(json_text_at(task, "message")));
            json_object_set_new(outcome, "message", json_str(buf_slice(&text)));
            buf_free(&text);
            return;
        }
    }
    set_text(outcome, "message", shown(otherwise, MESSAGE_SHOWN));
}

static bool ended(const json_t *pod)
{
    struct slice phase = json_text_at(pod, "phase");
    return slice_eq_cstr(phase, "Succeeded") || slice_eq_cstr(phase, "Failed");
}

/* A Job's end and its pod's come in any order, and the pod alone says what was made, or what went
 * wrong. Milliseconds until that is given up, by the Job's condition; 0: now. */
static uint64_t patience_ms(const json_t *end, const json_t *pod, uint64_t now_ms)
{
    uint64_t since_ms = 0;
    struct buf text = {0};
    buf_add(&text, json_text_at(end, "lastTransitionTime"));
    bool known = !ended(pod) && clock_parse_rfc3339(buf_cstr(&text), &since_ms) == 0;
    buf_free(&text);
    return known && now_ms < since_ms + OUTCOME_PATIENCE_MS
               ? since_ms + OUTCOME_PATIENCE_MS - now_ms
               : 0;
}

static void job_outcome(const json_t *job, const json_t *pod, uint64_t now_ms, json_t *outcome,
                        uint64_t *again_ms)
{
    const json_t *failed = condition(job, "Failed");
    const json_t *complete = condition(job, "Complete");
    bool late = slice_eq_cstr(json_text_at(failed, "reason"), "DeadlineExceeded");
    pod_tasks(pod, outcome);
    if (failed != NULL || complete != NULL) {
        *again_ms = late ? 0 : patience_ms(failed != NULL ? failed : complete, pod, now_ms);
    }
    if (*again_ms > 0) {
        set_phase(outcome, "Running");
    } else if (failed != NULL) {
        set_phase(outcome, "Failed");
        explain(outcome, late ? SLICE("it took longer than its time limit")
                              : json_text_at(failed, "message"));
    } else if (complete != NULL) {
        set_phase(outcome, "Succeeded");
    } else if (pod != NULL) {
        bool pending = slice_eq_cstr(json_text_at(pod, "phase"), "Pending") &&
                       json_array_size(json_object_get(pod, "initContainerStatuses")) == 0;
        set_phase(outcome, pending ? "Pending" : "Running");
        size_t i;
        json_t *task; /* what keeps it from going on */
        json_array_foreach(json_object_get(outcome, "tasks"), i, task)
        {
            if (slice_eq_cstr(json_text_at(task, "phase"), "Pending")) {
                set_once(outcome, "message", json_text_at(task, "message"));
            }
        }
    } else {
        set_phase(outcome, "Pending");
    }
}

/* ---- Argo ---- */

/* What is called "digest" is the image's; where nothing is, what ends so. */
static void hear_outputs(const json_t *holder, bool exact, json_t *outcome)
{
    size_t i;
    json_t *parameter;
    json_array_foreach(json_at(holder, "outputs", "parameters", NULL), i, parameter)
    {
        struct slice name = json_text_at(parameter, "name");
        struct slice value = slice_trim(json_text_at(parameter, "value"));
        if (exact ? slice_eq_cstr(name, "digest") : slice_ends_with(name, SLICE("digest"))) {
            set_once(outcome, "digest", digest_in(value));
        } else if (slice_eq_cstr(name, "image")) {
            set_once(outcome, "image", image_in(value));
        } else if (slice_eq_cstr(name, "workload")) {
            hear_workload(outcome, value);
        } else if (slice_eq_cstr(name, "commit") || slice_eq_cstr(name, "git-revision")) {
            set_once(outcome, "commit", commit_in(value));
        }
    }
}

static int node_order(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a;
    const json_t *y = *(const json_t *const *)b;
    int c = slice_cmp(time_in(json_text_at(x, "startedAt")), time_in(json_text_at(y, "startedAt")));
    return c != 0 ? c : slice_cmp(json_text_at(x, "name"), json_text_at(y, "name"));
}

/* status.nodes, what started first is first. The caller frees it. */
static const json_t **nodes_of(const json_t *status, size_t *count)
{
    json_t *nodes = json_object_get(status, "nodes");
    const json_t **sorted = mem_alloc((json_object_size(nodes) + 1) * sizeof(json_t *));
    const char *id;
    json_t *node;
    *count = 0;
    json_object_foreach(nodes, id, node)
    {
        sorted[(*count)++] = node;
    }
    qsort(sorted, *count, sizeof(json_t *), node_order);
    return sorted;
}

/* What the workflow puts out, then what its last steps do: the image is pushed after all that it is
 * made of, and Argo repeats a step's outputs in what holds the step. */
static void hear_nodes(const json_t *status, const json_t **nodes, size_t count, json_t *outcome)
{
    for (int exact = 1; exact >= 0; exact--) {
        hear_outputs(status, exact != 0, outcome);
        for (size_t i = count; i-- > 0;) {
            hear_outputs(nodes[i], exact != 0, outcome);
        }
    }
}

static void argo_outcome(const json_t *status, json_t *outcome)
{
    struct slice phase = json_text_at(status, "phase");
    json_t *tasks = json_array();
    size_t count;
    const json_t **nodes = nodes_of(status, &count);
    hear_nodes(status, nodes, count, outcome);
    for (size_t i = 0; i < count; i++) {
        const json_t *node = nodes[i];
        struct slice shown_as = json_text_at(node, "displayName");
        if (slice_eq_cstr(json_text_at(node, "type"), "Pod") &&
            json_array_size(tasks) < TASKS_MAX) {
            json_array_append_new(
                tasks, task_new(shown_as.len > 0 ? shown_as : json_text_at(node, "id"),
                                json_text_at(node, "phase"), json_text_at(node, "startedAt"),
                                json_text_at(node, "finishedAt"), json_text_at(node, "message")));
        }
    }
    free(nodes);
    set_tasks(outcome, tasks);
    bool failed = slice_eq_cstr(phase, "Failed") || slice_eq_cstr(phase, "Error");
    set_phase(outcome, failed                              ? "Failed"
                       : slice_eq_cstr(phase, "Succeeded") ? "Succeeded"
                       : slice_eq_cstr(phase, "Running")   ? "Running"
                                                           : "Pending");
    if (failed) {
        explain(outcome, json_text_at(status, "message"));
    } else {
        set_text(outcome, "message", shown(json_text_at(status, "message"), MESSAGE_SHOWN));
    }
}

static bool succeeded(const json_t *pod)
{
    return slice_eq_cstr(json_text(json_at(pod, "status", "phase", NULL)), "Succeeded");
}

/* Of the pods of a Job that tries again: the one that did it, else the newest. One that no node has
 * taken yet has not started. */
static bool tells_more(const json_t *pod, const json_t *than)
{
    struct slice a = json_text(json_at(pod, "status", "startTime", NULL));
    struct slice b = json_text(json_at(than, "status", "startTime", NULL));
    if (than == NULL || succeeded(pod) != succeeded(than)) {
        return than == NULL || succeeded(pod);
    }
    if ((a.len == 0) != (b.len == 0)) {
        return a.len == 0;
    }
    int c = slice_cmp(a, b);
    return c > 0 ||
           (c == 0 && slice_cmp(json_text_at(pod, "name"), json_text_at(than, "name")) > 0);
}

json_t *workflow_outcome(const json_t *seen, uint64_t now_ms, uint64_t *again_ms)
{
    const json_t *job = NULL;
    const json_t *pod = NULL;
    const json_t *argo = NULL;
    size_t i;
    json_t *object;
    *again_ms = 0;
    json_array_foreach((json_t *)(uintptr_t)seen, i, object)
    {
        const json_t *status = json_object_get(object, "status");
        struct slice kind = json_text_at(object, "kind");
        if (slice_eq_cstr(kind, "Job")) {
            job = status;
        } else if (slice_eq_cstr(kind, "Workflow")) {
            argo = status;
        } else if (tells_more(object, pod)) {
            pod = object;
        }
    }
    if (job == NULL && argo == NULL) {
        return NULL;
    }
    json_t *outcome = json_object();
    if (argo != NULL) {
        argo_outcome(argo, outcome);
    } else {
        job_outcome(job, json_object_get(pod, "status"), now_ms, outcome, again_ms);
    }
    return outcome;
}
