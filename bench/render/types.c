/* types.c: how fast the built-in types render; one thread.
 *
 *   bench_render_types [SECONDS]      (default 1, for each line)
 *
 * Prints a line per built-in type and one for the cell: name and renderings a second of CPU time,
 * of a component that says no more than it must; `full` is a service that uses what a Component can
 * say. Expressions are compiled once and kept, as a shard's leader does; `cold` is a service
 * without that. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "render/builtin.h"
#include "render/cel/cache.h"
#include "render/convert.h"
#include "render/pipeline.h"

static const char least[] = "{\"type\":\"service\",\"image\":\"example.com/user-service:1.4.2\","
                            "\"endpoints\":[{\"name\":\"api\",\"port\":8080}]}";
static const char no_endpoint[] = "{\"image\":\"example.com/ledger:1.4.2\"}";
static const char full[] =
    "{\"type\":\"service\",\"image\":\"example.com/user-service:1.4.2\",\"replicas\":3,"
    "\"endpoints\":[{\"name\":\"http\",\"port\":8080,\"path\":\"/api/"
    "v1\",\"visibility\":\"public\"},"
    "{\"name\":\"grpc\",\"type\":\"gRPC\",\"port\":9090,\"visibility\":\"organization\"}],"
    "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}],"
    "\"files\":[{\"mountPath\":\"/etc/app\",\"key\":\"app.yaml\",\"value\":\"level: info\"}],"
    "\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}}";

static const struct render_identity identity = {
    .ns = {"default", 7},
    .project = {"shop", 4},
    .component = {"user-service", 12},
    .environment = {"development", 11},
};

static _Noreturn void die(const struct err *err)
{
    (void)fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static json_t *parsed(const char *text)
{
    json_t *tree;
    struct err err;
    if (json_parse(slice_of(text), &tree, &err) != 0) {
        die(&err);
    }
    return tree;
}

/* A Release's spec of a component of that built-in type. */
static json_t *release_of(struct slice type, const char *component)
{
    json_t *object;
    json_t *workload = NULL;
    json_t *profile = NULL;
    json_t *spec = parsed(component);
    struct err err;
    int rc = builtin_load(type, &object, &err);
    rc = rc != 0
             ? rc
             : convert_workload(spec, SLICE("shop"), json_text_at(spec, "image"), &workload, &err);
    rc = rc != 0 ? rc : convert_profile(spec, &profile, &err);
    if (rc != 0) {
        die(&err);
    }
    json_t *release = json_pack("{s:{s:s, s:O}, s:o, s:o}", "componentType", "kind",
                                "ClusterComponentType", "spec", json_object_get(object, "spec"),
                                "workload", workload, "componentProfile", profile);
    json_decref(object);
    json_decref(spec);
    return release;
}

static void render_once(const json_t *release, const json_t *plane, struct cel_cache *programs)
{
    json_t *manifests;
    struct err err;
    const struct render_component in = {
        .id = identity, .release = release, .dataplane = plane, .programs = programs};
    const struct render_cell cell = {.id = identity};
    int rc = release != NULL ? render_component(&in, &manifests, &err)
                             : render_cell(&cell, &manifests, &err);
    if (rc != 0) {
        die(&err);
    }
    json_decref(manifests);
}

/* release: NULL for the cell. */
static void measure(const char *name, const json_t *release, bool keep, double seconds)
{
    struct cel_cache programs = {0};
    json_t *plane =
        parsed("{\"gateway\":{\"name\":\"gw\",\"namespace\":\"gw\",\"domain\":\"example.com\"}}");
    long count = 0;
    double began = cpu_seconds();
    double spent;
    do {
        render_once(release, plane, keep ? &programs : NULL);
        count++;
        spent = cpu_seconds() - began;
    } while (spent < seconds);
    (void)printf("%-16s %10.0f\n", name, (double)count / spent);
    cel_cache_free(&programs);
    json_decref(plane);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    char name[64];
    for (size_t i = 0; i < builtin_count(); i++) {
        struct slice type = builtin_name(i);
        bool serves = slice_eq_cstr(type, "service") || slice_eq_cstr(type, "web-application");
        json_t *release = release_of(type, serves ? least : no_endpoint);
        (void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(type));
        measure(name, release, true, seconds);
        json_decref(release);
    }
    json_t *service = release_of(SLICE("service"), full);
    measure("full", service, true, seconds);
    measure("cold", service, false, seconds);
    json_decref(service);
    measure("cell", NULL, true, seconds);
    return 0;
}
