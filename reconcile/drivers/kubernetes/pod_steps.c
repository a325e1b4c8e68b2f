/* pod_steps.c: from a list of pods to the containers that have logs.
 *
 * A container is known by its pod's uid and its name. What it is like is taken anew from each list;
 * how far it has been read stays. One that was restarted after it was read to its end is read
 * again: that life of it is another log. */
#include "reconcile/drivers/kubernetes/pod_logs_internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"

void pod_steps_init(struct pod_steps *s, bool steps, struct slice cluster)
{
    *s = (struct pod_steps){.steps = steps, .cluster = cluster};
    list_init(&s->list);
}

static void step_free(struct pod_step *step)
{
    list_remove(&step->link);
    fetch_clear(&step->fetch);
    buf_free(&step->line);
    free(step->pod);
    free(step->uid);
    free(step->container);
    free(step->url);
    free(step);
}

void pod_steps_free(struct pod_steps *s)
{
    LIST_FOREACH(link, &s->list)
    {
        step_free(CONTAINER_OF(link, struct pod_step, link));
    }
    buf_free(&s->label);
}

static struct pod_step *find(struct pod_steps *s, struct slice uid, struct slice container)
{
    LIST_FOREACH(link, &s->list)
    {
        struct pod_step *step = CONTAINER_OF(link, struct pod_step, link);
        if (slice_eq_cstr(uid, step->uid) && slice_eq_cstr(container, step->container)) {
            return step;
        }
    }
    return NULL;
}

static const json_t *status_of(const json_t *pod, const char *list, struct slice container)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_at(pod, "status", list, NULL), i, row)
    {
        if (slice_eq(json_text_at(row, "name"), container)) {
            return row;
        }
    }
    return NULL;
}

/* "pod web-7d4b9: container main: ImagePullBackOff: no such image" */
static void explain(const json_t *pod, struct slice container, const json_t *status,
                    struct buf *why)
{
    const json_t *waiting = json_at(status, "state", "waiting", NULL);
    struct slice reason = json_text_at(waiting, "reason");
    struct slice message = json_text_at(waiting, "message");
    struct slice phase = json_text(json_at(pod, "status", "phase", NULL));
    if (why->len > 0) {
        return; /* one is enough */
    }
    buf_addf(why, "pod %.*s, container %.*s: %.*s%s%.*s", SLICE_ARG(object_name(pod)),
             SLICE_ARG(container),
             SLICE_ARG(reason.len > 0  ? reason
                       : phase.len > 0 ? phase
                                       : SLICE("Pending")),
             message.len > 0 ? ": " : "", SLICE_ARG(slice_sub(message, 0, 200)));
}

static void update_step(struct pod_steps *s, const json_t *pod, struct slice container,
                        const json_t *status, const struct log_options *options, struct buf *why)
{
    struct slice phase = json_text(json_at(pod, "status", "phase", NULL));
    struct pod_step *step = find(s, object_uid(pod), container);
    int64_t restarts = json_integer_value(json_object_get(status, "restartCount"));
    const json_t *state = json_object_get(status, "state");
    if (step == NULL) {
        step = mem_zero(sizeof *step);
        step->pod = slice_dup(object_name(pod));
        step->uid = slice_dup(object_uid(pod));
        step->container = slice_dup(container);
        list_push_back(&s->list, &step->link);
    }
    step->seen = true;
    step->over = slice_eq_cstr(phase, "Succeeded") || slice_eq_cstr(phase, "Failed");
    step->begun = options->previous
                      ? restarts > 0
                      : json_object_get(state, "running") != NULL ||
                            json_object_get(state, "terminated") != NULL || restarts > 0;
    if (step->state == STEP_READ && restarts > step->restarts && options->follow) {
        step->state = STEP_WAITING;
    }
    if (step->state == STEP_WAITING) {
        step->restarts = restarts;
    }
    if (!step->begun && !step->over) {
        explain(pod, container, status, why);
    }
}

/* What runs beside the steps, to their end and longer: to read it first would be to read them late.
 */
static bool is_beside(const struct pod_steps *s, const json_t *pod, const json_t *container)
{
    struct slice name = json_text_at(container, "name");
    bool argo = object_label(pod, "workflows.argoproj.io/workflow").len > 0;
    return s->steps && (slice_eq_cstr(json_text_at(container, "restartPolicy"), "Always") ||
                        (argo && (slice_eq_cstr(name, "wait") || slice_eq_cstr(name, "init"))));
}

static void update_pod(struct pod_steps *s, const json_t *pod, const struct log_options *options,
                       struct buf *why)
{
    static const char *const specs[] = {"initContainers", "containers"};
    static const char *const statuses[] = {"initContainerStatuses", "containerStatuses"};
    size_t count = 0;
    for (size_t list = s->steps || options->container.len > 0 ? 0 : 1; list < 2; list++) {
        size_t i;
        json_t *container;
        json_array_foreach(json_at(pod, "spec", specs[list], NULL), i, container)
        {
            struct slice name = json_text_at(container, "name");
            bool wanted = options->container.len > 0 ? slice_eq(options->container, name)
                                                     : !is_beside(s, pod, container);
            if (wanted) {
                update_step(s, pod, name, status_of(pod, statuses[list], name), options, why);
                count++;
            }
        }
    }
    s->many_containers |= count > 1;
}

static bool is_known(struct pod_steps *s, struct slice uid)
{
    LIST_FOREACH(link, &s->list)
    {
        if (slice_eq_cstr(uid, CONTAINER_OF(link, struct pod_step, link)->uid)) {
            return true;
        }
    }
    return false;
}

static int age_order(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a;
    const json_t *y = *(json_t *const *)b;
    int c = slice_cmp(json_text(json_at(x, "metadata", "creationTimestamp", NULL)),
                      json_text(json_at(y, "metadata", "creationTimestamp", NULL)));
    return c != 0 ? c : slice_cmp(object_name(x), object_name(y));
}

void pod_steps_update(struct pod_steps *s, const json_t *pods, const struct log_options *options,
                      struct buf *why)
{
    size_t count = json_array_size(pods);
    json_t **sorted = mem_alloc((count + 1) * sizeof *sorted);
    LIST_FOREACH(link, &s->list)
    {
        CONTAINER_OF(link, struct pod_step, link)->seen = false;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = json_array_get(pods, i);
    }
    qsort(sorted, count, sizeof *sorted, age_order);
    s->pods = count;
    for (size_t i = 0; i < count; i++) {
        s->pods_ever += is_known(s, object_uid(sorted[i])) ? 0 : 1;
        update_pod(s, sorted[i], options, why);
    }
    free(sorted);
    LIST_FOREACH(link, &s->list)
    {
        struct pod_step *step = CONTAINER_OF(link, struct pod_step, link);
        if (!step->seen && step->state != STEP_READING) {
            step_free(step); /* its pod is gone */
        }
    }
}

struct slice pod_step_label(struct pod_steps *s, const struct pod_step *step)
{
    bool pods = s->pods_ever > 1;
    const char *parts[3];
    size_t count = 0;
    char *cluster = slice_dup(s->cluster);
    buf_clear(&s->label);
    if (s->cluster.len > 0) {
        parts[count++] = cluster;
    }
    if (pods || s->cluster.len > 0) {
        parts[count++] = step->pod;
    }
    if (s->many_containers) {
        parts[count++] = step->container;
    }
    for (size_t i = 0; i < count; i++) {
        buf_addf(&s->label, "%s%s", i > 0 ? "/" : "", parts[i]);
    }
    free(cluster);
    return buf_slice(&s->label);
}

static void add_flag(struct buf *out, bool wanted, const char *name)
{
    if (wanted) {
        buf_addf(out, "&%s=true", name);
    }
}

void pod_step_path(struct buf *out, const struct pod_step *step, struct slice ns,
                   const struct log_options *o)
{
    buf_add_cstr(out, "/api/v1/namespaces/");
    url_encode(out, ns);
    buf_add_cstr(out, "/pods/");
    url_encode(out, slice_of(step->pod));
    buf_add_cstr(out, "/log?container=");
    url_encode(out, slice_of(step->container));
    add_flag(out, o->follow, "follow");
    add_flag(out, o->previous, "previous");
    add_flag(out, o->timestamps, "timestamps");
    if (o->limit_bytes > 0) {
        buf_addf(out, "&limitBytes=%llu", (unsigned long long)o->limit_bytes);
    }
    if (step->times > 0) {
        return; /* what it says since it was restarted is all new */
    }
    if (o->has_tail) {
        buf_addf(out, "&tailLines=%llu", (unsigned long long)o->tail_lines);
    }
    if (o->since_s > 0) {
        buf_addf(out, "&sinceSeconds=%llu", (unsigned long long)o->since_s);
    }
    if (o->since_time.len > 0) {
        buf_add_cstr(out, "&sinceTime=");
        url_encode(out, o->since_time);
    }
}
