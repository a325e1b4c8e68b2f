/* run_test.c: the addresses of what is tested, and the way there.
 *
 * A test runs in the cell of the namespace's runs. Into the tested cell its pods are let by the
 * policy of the component, by their label; out of their own, where everything is denied, by one
 * that is made here, to that component alone. */
#include "render/run_test.h"

#include "render/context.h"
#include "render/members.h"
#include "render/name.h"
#include "render/run.h"

#define LABEL "openchoreo.dev/"

static const json_t *test_of(const json_t *run)
{
    return json_at(run, "spec", "test", NULL);
}

struct slice run_test_of(const json_t *run)
{
    bool test = json_is_object(test_of(run));
    return test ? json_text(json_at(run, "spec", "owner", "componentName", NULL)) : SLICE("");
}

static struct slice project_of(const json_t *run)
{
    return json_text(json_at(run, "spec", "owner", "projectName", NULL));
}

static const json_t *endpoints_of(const struct platform *p, const json_t *run)
{
    struct slice name = json_text_at(test_of(run), "releaseName");
    const json_t *release = name.len > 0 ? p->get(p->user, "Release", object_ns(run), name) : NULL;
    return json_at(release, "spec", "workload", "endpoints", NULL);
}

static json_t *endpoint_seen(const json_t *endpoint, const char *host, struct arena *arena)
{
    struct slice type = json_text_at(endpoint, "type");
    struct slice path = json_text_at(endpoint, "basePath");
    long long port = json_integer_value(json_object_get(endpoint, "port"));
    bool http = type.len == 0 || slice_eq_cstr(type, "HTTP") || slice_eq_cstr(type, "GraphQL");
    const char *url =
        http ? arena_printf(arena, "http://%s:%lld%.*s", host, port, SLICE_ARG(path)) : "";
    return json_pack("{s:s, s:I, s:o, s:o, s:s}", "host", host, "port", (json_int_t)port,
                     "basePath", json_str(path), "type", json_str(type), "url", url);
}

json_t *run_test_seen(const struct platform *p, const json_t *run, struct arena *arena)
{
    const json_t *test = test_of(run);
    struct slice environment = json_text_at(test, "environment");
    struct slice cell = name_cell(arena, object_ns(run), project_of(run), environment);
    const char *host = arena_printf(arena, "%.*s.%.*s.svc.cluster.local",
                                    SLICE_ARG(run_test_of(run)), SLICE_ARG(cell));
    struct member *members;
    size_t count = members_sorted(arena, endpoints_of(p, run), &members);
    json_t *endpoints = json_object();
    for (size_t i = 0; i < count; i++) {
        json_object_setn_new(endpoints, members[i].key.data, members[i].key.len,
                             endpoint_seen(members[i].value, host, arena));
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "name", json_str(json_text_at(test, "name")),
                     "environment", json_str(environment), "releaseName",
                     json_str(json_text_at(test, "releaseName")), "endpoints", endpoints);
}

static json_t *ports_of(const json_t *endpoints, struct arena *arena)
{
    struct member *members;
    size_t count = members_sorted(arena, endpoints, &members);
    json_t *ports = json_array();
    for (size_t i = 0; i < count; i++) {
        const json_t *endpoint = members[i].value;
        const json_t *target = json_object_get(endpoint, "targetPort");
        target = target != NULL ? target : json_object_get(endpoint, "port");
        bool udp = slice_eq_cstr(json_text_at(endpoint, "type"), "UDP");
        json_array_append_new(ports, json_pack("{s:s, s:I}", "protocol", udp ? "UDP" : "TCP",
                                               "port", json_integer_value(target)));
    }
    return ports;
}

json_t *run_test_policy(const struct platform *p, const json_t *run, struct slice name,
                        struct arena *arena)
{
    const json_t *endpoints = endpoints_of(p, run);
    const json_t *org = p->get(p->user, "Organization", SLICE(""), object_ns(run));
    json_t *rules = context_organization(json_object_get(org, "spec"), NULL);
    bool denied = json_is_true(json_object_get(rules, "defaultDeny"));
    json_decref(rules);
    if (run_test_of(run).len == 0 || json_object_size(endpoints) == 0 || !denied) {
        return NULL;
    }
    json_t *cell = json_pack("{s:o, s:o, s:o}", LABEL "namespace", json_str(object_ns(run)),
                             LABEL "project", json_str(project_of(run)), LABEL "environment",
                             json_str(json_text_at(test_of(run), "environment")));
    json_t *tested =
        json_pack("{s:{s:o}, s:{s:{s:o}}}", "namespaceSelector", "matchLabels", cell, "podSelector",
                  "matchLabels", LABEL "component", json_str(run_test_of(run)));
    return json_pack("{s:s, s:s, s:{s:s}, s:{s:{s:{s:o}}, s:[s], s:[{s:[o], s:o}]}}", "apiVersion",
                     "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata", "name",
                     arena_printf(arena, "%.*s-test", SLICE_ARG(name)), "spec", "podSelector",
                     "matchLabels", RUN_LABEL, json_str(name), "policyTypes", "Egress", "egress",
                     "to", tested, "ports", ports_of(endpoints, arena));
}
