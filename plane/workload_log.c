/* workload_log.c: the lines of containers that build, and of those that serve.
 *
 * A build says the steps of a Dockerfile, spread over the time that it takes, and at its end how it
 * went; a checkout what git says. What serves says that it does, once a second. */
#include "plane/workload_log.h"

#include "base/clock.h"
#include "plane/workload_internal.h"
#include "proto/object.h"

#define LINES "plane.choreo.dev/log-lines"
#define FAIL "plane.choreo.dev/fail"

/* Of the first two %: what the container is told to fetch, and from where. */
static const char *const checkout[] = {
    "Initialized empty Git repository in /workspace/source/.git/",
    "From %1",
    " * branch            %2 -> FETCH_HEAD",
    "HEAD is now at %2",
};
static const char *const build[] = {
    "#1 [internal] load build definition from Dockerfile",
    "#1 transferring dockerfile: 412B done",
    "#2 [internal] load metadata for docker.io/library/alpine:3.20",
    "#3 [internal] load .dockerignore",
    "#4 [1/4] FROM docker.io/library/alpine:3.20",
    "#5 [internal] load build context",
    "#6 [2/4] WORKDIR /src",
    "#7 [3/4] COPY . .",
    "#8 [4/4] RUN make",
};
static const char *const built[] = {
    "#8 DONE",
    "#9 exporting to image",
    "#9 pushing layers done",
    "#9 DONE",
};
static const char *const failed[] = {
    "#8 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 1",
    "error: failed to solve: %f",
};

enum { MORE_MAX = 1000 * 1000, END_LINES = 80, END_BYTES = 2048 };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct slice annotation(const struct workload_log *l, const char *key)
{
    return json_text(json_at(l->pod, "metadata", "annotations", key, NULL));
}

/* ---- which container ---- */

static const json_t *named(const json_t *list, struct slice name, size_t *at)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (slice_eq(json_text_at(item, "name"), name)) {
            *at = i;
            return item;
        }
    }
    return NULL;
}

static int find_container(struct workload_log *l, struct slice name, bool *first, struct err *err)
{
    const json_t *containers = json_at(l->pod, "spec", "containers", NULL);
    size_t at = 0;
    *first = false;
    if (name.len == 0 && json_array_size(containers) != 1) {
        return err_set(err, ERR_INVALID, "a container name must be specified for pod %.*s",
                       SLICE_ARG(object_name(l->pod)));
    }
    l->container = name.len == 0 ? json_array_get(containers, 0) : named(containers, name, &at);
    l->last = at + 1 == json_array_size(containers);
    if (l->container == NULL) {
        l->container = named(json_at(l->pod, "spec", "initContainers", NULL), name, &at);
        l->last = false;
        *first = true;
    }
    return l->container != NULL
               ? 0
               : err_set(err, ERR_INVALID, "container %.*s is not valid for pod %.*s",
                         SLICE_ARG(name), SLICE_ARG(object_name(l->pod)));
}

static uint64_t time_at(const json_t *state, const char *key)
{
    struct buf text = {0};
    uint64_t ms = 0;
    buf_add(&text, json_text_at(state, key));
    (void)clock_parse_rfc3339(buf_cstr(&text), &ms);
    buf_free(&text);
    return ms;
}

static int read_state(struct workload_log *l, bool first, struct err *err)
{
    size_t at;
    struct slice name = json_text_at(l->container, "name");
    const json_t *status = named(
        json_at(l->pod, "status", first ? "initContainerStatuses" : "containerStatuses", NULL),
        name, &at);
    const json_t *state = json_object_get(status, "state");
    const json_t *running = json_object_get(state, "running");
    const json_t *end = json_object_get(state, "terminated");
    if (running == NULL && end == NULL) {
        struct slice reason = json_text(json_at(state, "waiting", "reason", NULL));
        return err_set(err, ERR_INVALID,
                       "container \"%.*s\" in pod \"%.*s\" is waiting to start: %.*s",
                       SLICE_ARG(name), SLICE_ARG(object_name(l->pod)),
                       SLICE_ARG(reason.len > 0 ? reason : SLICE("ContainerCreating")));
    }
    l->from_ms = time_at(end != NULL ? end : running, "startedAt");
    l->to_ms = end != NULL ? time_at(end, "finishedAt") : 0;
    l->over = end != NULL;
    if (l->from_ms == 0) {
        l->from_ms = l->to_ms; /* an end that does not say when it began */
    }
    return 0;
}

/* ---- how much there is ---- */

static bool is_checkout(const struct workload_log *l)
{
    return slice_eq_cstr(json_text_at(l->container, "name"), "checkout");
}

static bool fails(const struct workload_log *l)
{
    return l->last && annotation(l, FAIL).len > 0;
}

/* Lines that are said while it runs; and at its end. */
static uint64_t steps_of(const struct workload_log *l)
{
    return (is_checkout(l) ? COUNT(checkout) : COUNT(build)) + l->more;
}

static uint64_t ending_of(const struct workload_log *l)
{
    return is_checkout(l) ? 0 : fails(l) ? COUNT(failed) : COUNT(built);
}

static uint64_t step_at_ms(const struct workload_log *l, uint64_t i)
{
    uint64_t at_ms = l->from_ms + l->run_ms * i / (steps_of(l) + 1);
    return l->over && at_ms > l->to_ms ? l->to_ms : at_ms;
}

static void count_lines(struct workload_log *l, uint64_t now_ms)
{
    if (!l->ends) {
        l->count = now_ms >= l->from_ms ? 1 + (now_ms - l->from_ms) / WORKLOAD_LOG_EVERY_MS : 1;
        l->count += l->more;
        l->first = l->count > WORKLOAD_LOG_KEPT + l->more ? l->count - WORKLOAD_LOG_KEPT : 0;
        return;
    }
    l->count = steps_of(l) + ending_of(l);
    while (!l->over && l->count > 0 &&
           (l->count > steps_of(l) || step_at_ms(l, l->count - 1) > now_ms)) {
        l->count--;
    }
}

int workload_log_open(struct workload_log *l, const json_t *pod, struct slice container,
                      uint64_t now_ms, uint64_t delay_ms, struct err *err)
{
    bool first;
    *l = (struct workload_log){.pod = pod, .ends = workload__runs_to_its_end(pod)};
    int rc = find_container(l, container, &first, err);
    rc = rc != 0 ? rc : read_state(l, first, err);
    if (rc != 0) {
        return rc;
    }
    bool halves = json_array_size(json_at(pod, "spec", "initContainers", NULL)) > 0;
    l->run_ms = workload__run_ms(json_at(pod, "metadata", "annotations", NULL), delay_ms) /
                (halves ? 2 : 1);
    if (l->last) {
        (void)slice_u64(annotation(l, LINES), &l->more);
        l->more = l->more < MORE_MAX ? l->more : MORE_MAX;
    }
    count_lines(l, now_ms);
    return 0;
}

/* ---- lines ---- */

static struct slice env_of(const struct workload_log *l, const char *name)
{
    size_t at;
    return json_text_at(named(json_object_get(l->container, "env"), slice_of(name), &at), "value");
}

static void fill(const struct workload_log *l, const char *format, struct buf *out)
{
    for (const char *c = format; *c != '\0'; c++) {
        if (c[0] != '%') {
            buf_add_char(out, *c);
            continue;
        }
        c++;
        buf_add(out, *c == '1'   ? env_of(l, "GIT_URL")
                     : *c == '2' ? slice_sub(env_of(l, "GIT_REF"), 0, 40)
                                 : annotation(l, FAIL));
    }
}

static void served_line(const struct workload_log *l, uint64_t i, struct buf *out)
{
    if (i == 0) {
        buf_addf(out, "%.*s: ready to serve", SLICE_ARG(json_text_at(l->container, "name")));
    } else {
        buf_addf(out, "request %llu: GET / 200 in %llu ms", (unsigned long long)i,
                 1 + (unsigned long long)(i * 7919 % 40));
    }
}

void workload_log_line(const struct workload_log *l, uint64_t i, struct buf *out, uint64_t *at_ms)
{
    uint64_t steps = steps_of(l);
    if (!l->ends) {
        uint64_t beyond = i > l->more ? i - l->more : 0;
        *at_ms = l->from_ms + beyond * WORKLOAD_LOG_EVERY_MS;
        served_line(l, i, out);
        return;
    }
    *at_ms = i < steps ? step_at_ms(l, i) : l->to_ms;
    if (is_checkout(l)) {
        fill(l, checkout[i < COUNT(checkout) ? i : COUNT(checkout) - 1], out);
    } else if (i >= steps) {
        fill(l, fails(l) ? failed[i - steps] : built[i - steps], out);
    } else if (i >= COUNT(build)) {
        buf_addf(out, "#8 %llu.%02llu cc -O2 -c source%llu.c -o source%llu.o",
                 (unsigned long long)i / 100, (unsigned long long)i % 100, (unsigned long long)i,
                 (unsigned long long)i);
    } else {
        fill(l, build[i], out);
    }
}

void workload_log_end(const json_t *pod, const json_t *container, struct buf *out)
{
    struct workload_log l = {
        .pod = pod, .container = container, .ends = true, .last = true, .over = true};
    struct buf text = {0};
    uint64_t at_ms;
    l.count = steps_of(&l) + ending_of(&l);
    for (uint64_t i = l.count > END_LINES ? l.count - END_LINES : 0; i < l.count; i++) {
        workload_log_line(&l, i, &text, &at_ms);
        buf_add_char(&text, '\n');
    }
    buf_add(out,
            slice_sub(buf_slice(&text), text.len > END_BYTES ? text.len - END_BYTES : 0, SIZE_MAX));
    buf_free(&text);
}
