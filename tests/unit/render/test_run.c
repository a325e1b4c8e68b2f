/* Runs of workflows as objects, in both forms: what is built in, and what may not leave. */
#include "tests/lib/test.h"

#include <string.h>

#include "base/yaml.h"
#include "proto/object.h"
#include "render/check.h"
#include "render/name.h"
#include "render/run.h"
#include "render/run_builtin.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

struct world {
    json_t *objects;
    struct platform platform;
    struct arena arena;
};

static const json_t *get(void *user, const char *kind, struct slice ns, struct slice name)
{
    struct world *w = user;
    size_t i;
    json_t *o;
    json_array_foreach(w->objects, i, o)
    {
        if (slice_eq_cstr(object_kind(o), kind) && slice_eq(object_ns(o), ns) &&
            slice_eq(object_name(o), name)) {
            return o;
        }
    }
    return NULL;
}

static json_t *parse(const char *yaml)
{
    json_t *tree = NULL;
    struct err err;
    assert_ok(yaml_parse(slice_of(yaml), "test", &tree, &err), &err);
    return tree;
}

static int setup(void **state)
{
    struct world *w = mem_zero(sizeof(*w));
    struct err err;
    w->objects = json_array();
    w->platform = (struct platform){.user = w, .get = get};
    arena_init(&w->arena);
    for (size_t i = 0; i < run_builtin_count(); i++) {
        json_t *workflow;
        assert_ok(run_builtin_load(run_builtin_name(i), &workflow, &err), &err);
        json_array_append_new(w->objects, workflow);
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    json_decref(w->objects);
    arena_free(&w->arena);
    free(w);
    return 0;
}

static void add(struct world *w, const char *yaml)
{
    json_array_append_new(w->objects, parse(yaml));
}

static json_t *run_of(const char *workflow, const char *rest)
{
    struct buf yaml = {0};
    buf_addf(&yaml,
             "kind: WorkflowRun\n"
             "metadata: {name: web-build-0123456789ab, namespace: acme}\n"
             "spec:\n"
             "  owner: {projectName: shop, componentName: web}\n"
             "  source: {git: {repository: git.example.com/web, commit: " COMMIT
             ", path: src, secretRef: git}}\n"
             "  workflow: {%s}\n%s",
             workflow, rest);
    json_t *run = parse(buf_cstr(&yaml));
    buf_free(&yaml);
    return run;
}

static json_t *find(const json_t *manifests, const char *kind)
{
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)(uintptr_t)manifests, i, m)
    {
        if (slice_eq_cstr(object_kind(m), kind)) {
            return m;
        }
    }
    fail_msg("no %s", kind);
    return NULL;
}

static const char *const plane = "kind: DataPlane\nmetadata: {name: dev, annotations: "
                                 "{choreo.dev/registry: registry.example.com/images}}\n";
static const char *const argo_plane =
    "kind: DataPlane\nmetadata: {name: dev, annotations: {choreo.dev/registry: "
    "registry.example.com/images, choreo.dev/argo-workflows: 'true'}}\n";
static const char *const secret =
    "kind: Secret\nmetadata: {name: git, namespace: acme}\ndata: {password: c2VjcmV0}\n";

static int render(struct world *w, json_t *run, json_t **manifests, struct slice *image,
                  const char **reason, struct err *err)
{
    const json_t *dev = w->platform.get(w->platform.user, "DataPlane", SLICE(""), SLICE("dev"));
    const struct run_place place = {SLICE("dev"), run_uses_argo(dev, SLICE("dev"))};
    return run_render(&w->platform, run, &place, &w->arena, NULL, manifests, image, reason, err);
}

static bool has_argument(const json_t *container, const char *argument)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(container, "args"), i, a)
    {
        if (slice_eq_cstr(json_text(a), argument)) {
            return true;
        }
    }
    return false;
}

static void test_dockerfile_as_a_job(void **state)
{
    struct world *w = *state;
    struct err err;
    json_t *manifests;
    struct slice image;
    const char *reason;
    add(w, plane);
    add(w, secret);
    json_t *run =
        run_of("name: dockerfile-builder, parameters: {docker: {filePath: '$(rm -rf /)'}, "
               "buildArgs: [{name: A, value: '\"; exit'}]}",
               "");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    assert_slice(image, "registry.example.com/images/acme-shop-web:0123456789ab");
    json_t *job = find(manifests, "Job");
    json_t *pods = json_at(job, "spec", "template", NULL);
    json_t *build = json_array_get(json_at(pods, "spec", "containers", NULL), 0);
    /* What developers say is an argument of its own, and in no script. */
    assert_true(has_argument(build, "--opt=filename=$(rm -rf /)"));
    assert_true(has_argument(build, "--opt=build-arg:A=\"; exit"));
    struct slice script = json_text(json_array_get(json_object_get(build, "command"), 2));
    assert_int_equal(slice_find(script, SLICE("rm -rf")), SIZE_MAX);
    assert_slice(json_text(json_at(pods, "metadata", "labels", RUN_LABEL, NULL)),
                 "web-build-0123456789ab");
    assert_int_equal(json_integer_value(json_at(job, "spec", "activeDeadlineSeconds", NULL)), 3600);
    json_t *credentials = find(manifests, "Secret");
    assert_slice(json_text(json_at(credentials, "data", "password", NULL)), "c2VjcmV0");
    assert_slice(object_ns(job), arena_cstr(&w->arena, run_cell(&w->arena, SLICE("acme"))));
    json_decref(manifests);
    json_decref(run);
}

static void test_both_builders_in_both_forms(void **state)
{
    static const char *const builders[] = {"dockerfile-builder", "buildpacks-builder"};
    struct world *w = *state;
    add(w, secret);
    for (size_t form = 0; form < 2; form++) {
        add(w, form == 0 ? plane : argo_plane);
        for (size_t i = 0; i < 2; i++) {
            struct err err;
            json_t *manifests;
            struct slice image;
            const char *reason;
            char workflow[64];
            snprintf(workflow, sizeof(workflow), "name: %s", builders[i]);
            json_t *run = run_of(workflow, "");
            assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
            json_t *made = find(manifests, form == 0 ? "Job" : "Workflow");
            json_t *template = form == 0
                                   ? json_at(made, "spec", "template", "spec", NULL)
                                   : json_array_get(json_at(made, "spec", "templates", NULL), 0);
            json_t *build = form == 0 ? json_array_get(json_object_get(template, "containers"), 0)
                                      : json_object_get(template, "container");
            assert_slice(json_text_at(build, "name"), "build");
            assert_int_equal(json_array_size(json_object_get(template, "initContainers")), 1);
            json_t *checkout = json_array_get(json_object_get(template, "initContainers"), 0);
            assert_slice(json_text_at(json_array_get(json_object_get(checkout, "env"), 2), "value"),
                         COMMIT);
            json_decref(manifests);
            json_decref(run);
        }
        json_array_remove(w->objects, json_array_size(w->objects) - 1);
    }
}

static void test_what_runs_it_is_found_unless_it_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *said; /* the annotation */
        const char *cluster;
        bool argo;
    } cases[] = {{"", "a", true},         {"", "b", false},      {"", "none", false},
                 {"'false'", "a", false}, {"'true'", "b", true}, {"'perhaps'", "a", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf yaml = {0};
        buf_addf(&yaml,
                 "kind: DataPlane\nmetadata: {name: p, annotations: {%s%s}}\n"
                 "status: {clusters: [{name: a, argoWorkflows: true}, {name: b}]}\n",
                 cases[i].said[0] != '\0' ? RUN_ARGO_ANNOTATION ": " : "", cases[i].said);
        json_t *p = parse(buf_cstr(&yaml));
        assert_int_equal(run_uses_argo(p, slice_of(cases[i].cluster)), cases[i].argo);
        json_decref(p);
        buf_free(&yaml);
    }
}

static void test_a_command(void **state)
{
    struct world *w = *state;
    struct err err;
    json_t *manifests;
    struct slice image;
    const char *reason;
    add(w, secret);
    json_t *run = run_of("name: run-command, parameters: {image: golang, command: [go, test]}",
                         "  timeLimit: 1d2m\n");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    assert_int_equal(image.len, 0);
    json_t *job = find(manifests, "Job");
    assert_int_equal(json_integer_value(json_at(job, "spec", "activeDeadlineSeconds", NULL)),
                     24 * 3600 + 120);
    json_decref(manifests);
    json_decref(run);
}

/* A test's workflow is told what to test; every other run's sees empty texts. */
static void test_a_test(void **state)
{
    static const char *const rests[] = {
        "", "  test: {name: smoke, environment: qa, releaseName: web-1}\n"};
    static const char *const expected[] = {"//", "smoke/qa/web-1"};
    struct world *w = *state;
    add(w, secret);
    add(w, "kind: ClusterWorkflow\nmetadata: {name: t}\nspec: {runTemplate: {apiVersion: v1, kind: "
           "ConfigMap, metadata: {name: a}, data: {t: '${run.test.name}/${run.test.environment}/"
           "${run.test.releaseName}'}}}\n");
    for (size_t i = 0; i < 2; i++) {
        json_t *manifests;
        struct slice image;
        const char *reason = NULL;
        struct err err;
        json_t *run = run_of("name: t", rests[i]);
        assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
        const json_t *data = json_object_get(find(manifests, "ConfigMap"), "data");
        assert_true(slice_eq_cstr(json_text_at(data, "t"), expected[i]));
        json_decref(manifests);
        json_decref(run);
    }
}

/* Where everything is denied, a test is let out to what it tests, by a label that lets it in there;
 * and it is told where that is. */
static void test_the_way_to_what_is_tested(void **state)
{
    static const char *const organizations[] = {"{}", "{isolation: strict}"};
    struct world *w = *state;
    struct slice cell = name_cell(&w->arena, SLICE("acme"), SLICE("shop"), SLICE("qa"));
    const char *host = arena_printf(&w->arena, "web.%.*s.svc.cluster.local", SLICE_ARG(cell));
    add(w, secret);
    add(w, "kind: Release\nmetadata: {name: web-1, namespace: acme}\nspec: {workload: {endpoints: {"
           "api: {type: HTTP, port: 80, targetPort: 8080, basePath: /v1}, "
           "feed: {type: UDP, port: 53, targetPort: 5353}}}}\n");
    add(w, "kind: ClusterWorkflow\nmetadata: {name: t}\nspec: {runTemplate: {apiVersion: batch/v1, "
           "kind: Job, metadata: {name: a}, spec: {template: {spec: {restartPolicy: Never, "
           "containers: "
           "[{name: t, image: t, "
           "args: ['${run.test.endpoints.api.url}', '${run.test.endpoints.feed.host}', "
           "'${string(run.test.endpoints.feed.port)}']}]}}}}}\n");
    for (size_t i = 0; i < 2; i++) {
        json_t *manifests;
        struct slice image;
        const char *reason = NULL;
        struct err err;
        json_t *organization = parse("kind: Organization\nmetadata: {name: acme}\n");
        json_object_set_new(organization, "spec", parse(organizations[i]));
        json_array_insert_new(w->objects, 0, organization);
        json_t *run =
            run_of("name: t", "  test: {name: smoke, environment: qa, releaseName: web-1}\n");
        assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
        json_t *job = find(manifests, "Job");
        json_t *pods = json_at(job, "spec", "template", NULL);
        json_t *container = json_array_get(json_at(pods, "spec", "containers", NULL), 0);
        struct slice name = json_text(json_at(pods, "metadata", "labels", RUN_LABEL, NULL));
        assert_slice(json_text(json_at(pods, "metadata", "labels", "choreo.dev/tests", NULL)),
                     "web");
        assert_true(has_argument(container, arena_printf(&w->arena, "http://%s:80/v1", host)));
        assert_true(has_argument(container, host));
        assert_true(has_argument(container, "53"));
        assert_int_equal(json_array_size(manifests), 1 + i);
        if (i == 1) {
            json_t *policy = find(manifests, "NetworkPolicy");
            json_t *spec = json_object_get(policy, "spec");
            /* a workflow may have one of the run's name */
            assert_false(slice_eq(object_name(policy), name));
            json_t *wanted =
                parse("podSelector: {matchLabels: {}}\npolicyTypes: [Egress]\negress:\n"
                      "- to: [{namespaceSelector: {matchLabels: {openchoreo.dev/namespace: acme, "
                      "openchoreo.dev/project: shop, openchoreo.dev/environment: qa}}, "
                      "podSelector: {matchLabels: {openchoreo.dev/component: web}}}]\n"
                      "  ports: [{protocol: TCP, port: 8080}, {protocol: UDP, port: 5353}]\n");
            json_object_set_new(json_at(wanted, "podSelector", "matchLabels", NULL), RUN_LABEL,
                                json_str(name));
            assert_true(json_equal(spec, wanted));
            json_decref(wanted);
        }
        json_decref(manifests);
        json_decref(run);
    }
}

static void refuses(struct world *w, const char *workflow, const char *reason_wanted, int code,
                    const char *message)
{
    struct err err;
    json_t *manifests;
    struct slice image;
    const char *reason = NULL;
    json_t *run = run_of(workflow, "");
    assert_err(render(w, run, &manifests, &image, &reason, &err), &err, code, message);
    assert_string_equal(reason, reason_wanted);
    assert_null(manifests);
    json_decref(run);
}

/* The volume that a builder finds the registry's credentials in, and the Secret that is made for
 * it, if one is. */
static void credentials_of(struct world *w, const char *builder, struct slice *named,
                           const json_t **made)
{
    struct err err;
    json_t *manifests;
    struct slice image;
    const char *reason;
    json_t *run = run_of(builder, "");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    json_t *pods = json_at(find(manifests, "Job"), "spec", "template", "spec", NULL);
    size_t i;
    json_t *one;
    *named = (struct slice){0};
    *made = NULL;
    json_array_foreach(json_object_get(pods, "volumes"), i, one)
    {
        if (slice_eq_cstr(json_text_at(one, "name"), "registry-credentials")) {
            *named = arena_copy(&w->arena, json_text(json_at(one, "secret", "secretName", NULL)));
        }
    }
    json_array_foreach(manifests, i, one)
    {
        if (slice_eq_cstr(object_kind(one), "Secret") && slice_eq(object_name(one), *named)) {
            json_array_append(w->objects, one);
            *made = one;
        }
    }
    json_decref(manifests);
    json_decref(run);
}

static void test_credentials_of_a_registry(void **state)
{
    static const char *const builders[] = {"name: dockerfile-builder", "name: buildpacks-builder"};
    struct world *w = *state;
    struct slice named;
    const json_t *made;
    add(w, plane);
    add(w, secret);
    for (size_t i = 0; i < 2; i++) {
        credentials_of(w, builders[i], &named, &made);
        assert_slice(named, "registry-credentials"); /* whoever put it there */
        assert_null(made);
    }
    add(w, "kind: Secret\nmetadata: {name: registry-credentials, namespace: acme}\n"
           "type: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: e30=}\n");
    for (size_t i = 0; i < 2; i++) {
        credentials_of(w, builders[i], &named, &made);
        assert_slice(named, "web-build-0123456789ab-registry");
        assert_slice(json_text_at(made, "type"), "kubernetes.io/dockerconfigjson");
        assert_slice(json_text(json_at(made, "data", ".dockerconfigjson", NULL)), "e30=");
    }
    /* No other Secret can be read by naming it. */
    refuses(w, "name: dockerfile-builder, parameters: {registrySecret: git}", "RenderFailed",
            ERR_UNPROCESSABLE, "externalRefs[registry].name: Secret \"git\" is of type \"\"");
}

static void test_what_cannot_run(void **state)
{
    struct world *w = *state;
    refuses(w, "name: nothing", "WorkflowNotFound", ERR_NOT_FOUND,
            "there is no ClusterWorkflow \"nothing\"");
    refuses(w, "name: dockerfile-builder", "SecretNotFound", ERR_NOT_FOUND,
            "there is no Secret \"git\"");
    add(w, secret);
    refuses(w, "name: dockerfile-builder", "InvalidParameters", ERR_UNPROCESSABLE,
            "nobody says where images go");
    add(w, plane);
    refuses(w, "name: dockerfile-builder, parameters: {dokcer: 1}", "InvalidParameters",
            ERR_UNPROCESSABLE, "parameters.dokcer: unknown field");
    refuses(w, "name: run-command, parameters: {image: golang}", "InvalidParameters",
            ERR_UNPROCESSABLE, "parameters.command");
}

/* A tenant's own workflow stays in its cell. */
static void test_what_may_not_leave(void **state)
{
    struct world *w = *state;
    add(w, secret);
    add(w, "kind: Workflow\nmetadata: {name: roots, namespace: acme}\n"
           "spec: {runTemplate: {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, "
           "metadata: {name: root}}}\n");
    add(w, "kind: Workflow\nmetadata: {name: elsewhere, namespace: acme}\n"
           "spec: {runTemplate: {apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: "
           "kube-system}, spec: {template: {}}}}\n");
    add(w, "kind: Workflow\nmetadata: {name: disguised, namespace: acme}\n"
           "spec: {runTemplate: {apiVersion: batch/v1, kind: Job, metadata: {name: j, labels: "
           "{openchoreo.dev/component: other}}, spec: {template: {}}}}\n");
    refuses(w, "kind: Workflow, name: roots", "RenderFailed", ERR_UNPROCESSABLE,
            "belongs to no namespace");
    refuses(w, "kind: Workflow, name: elsewhere", "RenderFailed", ERR_UNPROCESSABLE,
            "not in kube-system");
    refuses(w, "kind: Workflow, name: disguised", "RenderFailed", ERR_UNPROCESSABLE,
            "not theirs to say");
}

#define PRIVILEGED                                                                                 \
    "{apiVersion: batch/v1, kind: Job, metadata: {name: '${run.name}'}, spec: {template: {spec: "  \
    "{restartPolicy: Never, containers: [{name: c, image: i, securityContext: {privileged: "       \
    "true}}]}}}}"

/* The platform's workflows may do what a tenant's own may not (tenant.h). */
static void test_what_a_tenants_may_not(void **state)
{
    struct world *w = *state;
    json_t *manifests;
    struct slice image;
    const char *reason;
    struct err err;
    add(w, secret);
    add(w, "kind: Workflow\nmetadata: {name: own, namespace: acme}\nspec: {runTemplate: " PRIVILEGED
           "}\n");
    add(w,
        "kind: ClusterWorkflow\nmetadata: {name: theirs}\nspec: {runTemplate: " PRIVILEGED "}\n");
    add(w,
        "kind: Workflow\nmetadata: {name: open, namespace: acme}\n"
        "spec: {runTemplate: {apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: "
        "r},"
        " spec: {}}, resources: [{id: network, template: {apiVersion: networking.k8s.io/v1, kind: "
        "NetworkPolicy, metadata: {name: other}, spec: {podSelector: {}, egress: [{}]}}}]}\n");
    refuses(
        w, "kind: Workflow, name: own", "RenderFailed", ERR_UNPROCESSABLE,
        "runTemplate: Job web-build-0123456789ab has "
        "spec.template.spec.containers[c].securityContext.privileged, which takes from a pod's "
        "confinement (Pod Security Standard baseline): a type of a namespace (Workflow own) may "
        "not, unless Organization acme says ownTypes.podSecurity: privileged; a ClusterWorkflow "
        "may");
    refuses(w, "kind: Workflow, name: open", "RenderFailed", ERR_UNPROCESSABLE,
            "resources[network]: NetworkPolicy other is of a kind");
    json_t *run = run_of("kind: ClusterWorkflow, name: theirs", "");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    json_decref(manifests);
    json_decref(run);
    add(w, "kind: Organization\nmetadata: {name: acme}\nspec: {ownTypes: {podSecurity: "
           "privileged}}\n");
    run = run_of("kind: Workflow, name: own", "");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    json_decref(manifests);
    json_decref(run);
}

/* Not even the platform's workflow takes another namespace's secret by a tenant's reference. */
static void test_keys_of_another_namespace(void **state)
{
    struct world *w = *state;
    add(w, secret);
    add(w,
        "kind: DataPlane\nmetadata: {name: dev}\nspec: {secretKeyPrefixes: ['${namespace}/']}\n");
    add(w,
        "kind: SecretReference\nmetadata: {name: token, namespace: acme}\n"
        "spec: {data: [{secretKey: a, remoteRef: {key: acme/a}}, {secretKey: b, remoteRef: {key: "
        "globex/b}}]}\n");
    add(w, "kind: ClusterWorkflow\nmetadata: {name: publish}\n"
           "spec: {externalRefs: [{id: t, name: token}], runTemplate: {apiVersion: v1, kind: Pod, "
           "metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}}\n");
    refuses(w, "name: publish", "RenderFailed", ERR_UNPROCESSABLE,
            "externalRefs[t].name: SecretReference \"token\" takes \"globex/b\" from the secret "
            "store: data plane dev lets namespace acme have keys that begin with acme/");
}

/* What run-command lets its pods do, a copy of it does, too. */
static void test_a_copy_of_a_built_in_one(void **state)
{
    struct world *w = *state;
    json_t *manifests;
    struct slice image;
    const char *reason;
    struct err err;
    add(w, secret);
    json_t *copy = json_deep_copy(get(w, "ClusterWorkflow", SLICE(""), SLICE("run-command")));
    json_object_set_new(copy, "kind", json_string("Workflow"));
    json_object_set_new(json_object_get(copy, "metadata"), "namespace", json_string("acme"));
    json_array_append_new(w->objects, copy);
    json_t *run = run_of(
        "kind: Workflow, name: run-command, parameters: {image: 'busybox:1', command: [make]}", "");
    assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
    assert_non_null(find(manifests, "NetworkPolicy"));
    json_decref(manifests);
    json_decref(run);
}

static void faults_of(const json_t *object, struct buf *out)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    check_object(object, &causes);
    for (size_t i = 0; i < causes.count; i++) {
        buf_addf(out, "%.*s\n", SLICE_ARG(causes.items[i].field));
    }
    arena_free(&arena);
}

static void test_faults_are_told_when_it_is_applied(void **state)
{
    (void)state;
    struct buf out = {0};
    json_t *workflow = parse("apiVersion: choreo.dev/v1\nkind: Workflow\n"
                             "spec: {image: '${nothing}', runTemplate: {apiVersion: v1, kind: "
                             "Namespace, metadata: {name: '${run.'}}}\n");
    faults_of(workflow, &out);
    assert_string_equal(buf_cstr(&out), "spec.image\nspec.runTemplate.metadata.name\n"
                                        "spec.runTemplate.kind\n");
    buf_free(&out);
    json_decref(workflow);
}

static void test_builtins(void **state)
{
    struct world *w = *state;
    json_t *object;
    struct err err;
    struct buf out = {0};
    for (size_t i = 0; i < run_builtin_count(); i++) {
        faults_of(json_array_get(w->objects, i), &out);
    }
    assert_string_equal(buf_cstr(&out), "");
    buf_free(&out);
    assert_int_equal(run_builtin_count(), 3);
    assert_slice(run_builtin_name(0), "buildpacks-builder");
    assert_int_equal(run_builtin_name(3).len, 0);
    assert_err(run_builtin_load(SLICE("nothing"), &object, &err), &err, ERR_NOT_FOUND,
               "no built-in workflow nothing");
}

/* Where secrets are kept, OpenChoreo's workflow plane says; without one, the data plane. */
static void test_store_of_the_workflow_plane(void **state)
{
    struct world *w = *state;
    add(w, "kind: openchoreo.dev/ClusterWorkflow\nmetadata: {name: b}\nspec: {workflowPlaneRef: "
           "{kind: ClusterWorkflowPlane, name: builds}, runTemplate: {apiVersion: v1, kind: "
           "ConfigMap, metadata: {name: a}, data: {w: '${workflowplane.secretStore}', d: "
           "'${dataplane.secretStore}'}}}\n");
    add(w, "kind: DataPlane\nmetadata: {name: dev}\nspec: {secretStoreRef: {name: near}}\n");
    add(w, secret);
    json_t *run = run_of("group: openchoreo.dev, kind: ClusterWorkflow, name: b", "");
    static const char *const stores[] = {"near", "vault"};
    for (size_t i = 0; i < 2; i++) {
        json_t *manifests;
        struct slice image;
        const char *reason = NULL;
        struct err err;
        assert_ok(render(w, run, &manifests, &image, &reason, &err), &err);
        const json_t *data = json_object_get(find(manifests, "ConfigMap"), "data");
        assert_true(slice_eq_cstr(json_text_at(data, "w"), stores[i]));
        assert_true(slice_eq_cstr(json_text_at(data, "d"), "near"));
        json_decref(manifests);
        add(w, "kind: openchoreo.dev/ClusterWorkflowPlane\nmetadata: {name: builds}\nspec: "
               "{secretStoreRef: {name: vault}}\n");
    }
    json_decref(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dockerfile_as_a_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_both_builders_in_both_forms, setup, teardown),
        cmocka_unit_test(test_what_runs_it_is_found_unless_it_is_said),
        cmocka_unit_test_setup_teardown(test_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_test, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credentials_of_a_registry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_way_to_what_is_tested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_of_the_workflow_plane, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_may_not_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_tenants_may_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_of_another_namespace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_of_a_built_in_one, setup, teardown),
        cmocka_unit_test(test_faults_are_told_when_it_is_applied),
        cmocka_unit_test_setup_teardown(test_builtins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
