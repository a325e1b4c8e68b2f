/* The platform that manifests describe. */
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <stdlib.h>

#include "cli/offline.h"
#include "render/deployment.h"

struct fixture {
    struct cli cli;
    struct offline offline;
    struct offline_target *targets;
    size_t count;
    struct tmpdir tmp;
    struct err err;
};

static int setup(void **state)
{
    static const struct command render = {.name = "render"};
    struct fixture *f = mem_zero(sizeof *f);
    f->cli.ns = "default";
    f->cli.command = &render;
    tmpdir_make(&f->tmp);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    offline_free(&f->offline);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static void add_path(struct fixture *f, const char *path)
{
    struct args_list *paths = &f->cli.options.filename;
    paths->items[paths->count++] = path;
}

/* Opens the manifests of a text. */
static int open_text(struct fixture *f, const char *text)
{
    add_path(f, tmpdir_write(&f->tmp, "platform.yaml", slice_of(text)));
    return offline_open(&f->offline, &f->cli, &f->err);
}

static int choose(struct fixture *f)
{
    return offline_targets(&f->offline, &f->cli, &f->targets, &f->count, &f->err);
}

/* "component environment plane/cluster" a line. */
static void has_targets(struct fixture *f, const char *expected)
{
    struct buf out = {0};
    for (size_t i = 0; i < f->count; i++) {
        const struct deployment *d = &f->targets[i].deployment;
        buf_addf(&out, "%.*s %.*s %.*s/%.*s\n", SLICE_ARG(d->component), SLICE_ARG(d->environment),
                 SLICE_ARG(d->plane), SLICE_ARG(d->cluster));
    }
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

#define PLATFORM                                                                                   \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DataPlane\n"                                                                            \
    "metadata: {name: main}\n"                                                                     \
    "spec: {type: multi-cluster, clusters: [{name: a}, {name: b}]}\n"                              \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Environment\n"                                                                          \
    "metadata: {name: prod}\n"                                                                     \
    "spec: {dataPlane: main}\n"                                                                    \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DeploymentPipeline\n"                                                                   \
    "metadata: {name: default}\n"                                                                  \
    "spec:\n"                                                                                      \
    "  promotionPaths:\n"                                                                          \
    "  - {sourceEnvironmentRef: {name: development}, targetEnvironmentRefs: [{name: prod}]}\n"     \
    "---\n"
#define WEB                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Component\n"                                                                            \
    "metadata: {name: web}\n"                                                                      \
    "spec: {image: 'x:1', endpoints: [{name: http, port: 80}]}\n"

static void what_the_control_plane_adds_is_there(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM WEB), &f->err);
    assert_ok(choose(f), &f->err);
    has_targets(f, "web development main/a\nweb development main/b\n");
    assert_non_null(strstr(f->targets[0].place, ":18: component.choreo.dev/web"));
}

static void environments_and_clusters_can_be_chosen(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM WEB), &f->err);
    f->cli.options.everywhere = true;
    f->cli.options.cluster = "b";
    assert_ok(choose(f), &f->err);
    has_targets(f, "web development main/b\nweb prod main/b\n");
    f->cli.options.everywhere = false;
    f->cli.options.environment = "prod";
    f->cli.options.cluster = NULL;
    assert_ok(choose(f), &f->err);
    has_targets(f, "web prod main/a\nweb prod main/b\n");
    f->cli.options.environment = "nowhere";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND, "environment \"nowhere\" does not exist");
    f->cli.options.environment = NULL;
    f->cli.options.cluster = "c";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               "data plane \"main\" has no cluster \"c\": it has a, b");
    f->cli.options.component = "other";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               "there is no component other among the manifests");
}

static void a_project_lists_components_and_a_binding_overrides(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM
                        "{apiVersion: choreo.dev/v1, kind: Project, metadata: {name: shop}, spec: "
                        "{components: [{name: job, type: worker, image: 'j:1'}]}}\n"
                        "---\n"
                        "apiVersion: choreo.dev/v1\n"
                        "kind: ReleaseBinding\n"
                        "metadata: {name: mine}\n"
                        "spec:\n"
                        "  owner: {projectName: shop, componentName: job}\n"
                        "  environment: development\n"
                        "  workloadOverrides: {replicas: 7}\n"),
              &f->err);
    f->cli.options.cluster = "a";
    assert_ok(choose(f), &f->err);
    has_targets(f, "job development main/a\n");
    assert_slice(f->targets[0].deployment.project, "shop");
    assert_slice(f->targets[0].deployment.binding, "mine");
    const json_t *manifests;
    const char *revision;
    assert_ok(offline_manifests(&f->offline, &f->targets[0], false, &manifests, &revision, &f->err),
              &f->err);
    const json_t *deployment = NULL;
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        const json_t *one = json_array_get(manifests, i);
        deployment = slice_eq_cstr(json_text_at(one, "kind"), "Deployment") ? one : deployment;
    }
    assert_int_equal(json_integer_value(json_at(deployment, "spec", "replicas", NULL)), 7);
}

static void what_stands_in_the_way_is_said_with_its_place(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                                    "kind: Component\n"
                                    "metadata: {name: web}\n"
                                    "spec: {type: spaceship, image: 'x:1'}\n"),
              &f->err);
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               ":18: component.choreo.dev/web: there is no ComponentType or ClusterComponentType "
               "\"spaceship\"");
    assert_int_equal(f->count, 0);
}

static void an_error_leads_to_the_line_of_the_type(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM WEB "---\n"
                                        "apiVersion: choreo.dev/v1\n"
                                        "kind: ComponentType\n"
                                        "metadata: {name: service}\n"
                                        "spec:\n"
                                        "  workloadType: deployment\n"
                                        "  resources:\n"
                                        "    - id: deployment\n"
                                        "      template:\n"
                                        "        apiVersion: apps/v1\n"
                                        "        kind: Deployment\n"
                                        "        metadata: {name: x}\n"
                                        "        spec:\n"
                                        "          a: ${parameters.b}\n"),
              &f->err);
    const json_t *manifests;
    const char *revision;
    assert_ok(choose(f), &f->err);
    assert_err(
        offline_manifests(&f->offline, &f->targets[0], false, &manifests, &revision, &f->err),
        &f->err, ERR_UNPROCESSABLE,
        ":35: componenttype.choreo.dev/service: resources[deployment].template.spec.a, "
        "column 14: no such key: b (component web in environment development)");
}

static void an_environment_is_where_its_template_says(void **state)
{
    struct fixture *f = *state;
    static const char rest[] = "apiVersion: choreo.dev/v1\n"
                               "kind: Environment\n"
                               "metadata: {name: half, namespace: default}\n"
                               "spec: {dataPlane: main, template: only-b}\n"
                               "---\n"
                               "apiVersion: choreo.dev/v1\n"
                               "kind: Environment\n"
                               "metadata: {name: nowhere, namespace: default}\n"
                               "spec: {dataPlane: main, placement: {regions: [mars]}}\n"
                               "---\n"
                               "apiVersion: choreo.dev/v1\n"
                               "kind: Environment\n"
                               "metadata: {name: bare, namespace: default}\n"
                               "spec: {dataPlane: main, template: gone}\n"
                               "---\n"
                               "apiVersion: choreo.dev/v1\n"
                               "kind: EnvironmentTemplate\n"
                               "metadata: {name: only-b}\n"
                               "spec: {placement: {clusters: [b]}}\n"
                               "---\n"
                               "apiVersion: choreo.dev/v1\n"
                               "kind: Component\n"
                               "metadata: {name: api, namespace: default}\n"
                               "spec: {image: 'x:1'}\n";
    struct buf text = {0};
    buf_addf(&text, "%s%s", PLATFORM, rest);
    assert_ok(open_text(f, buf_cstr(&text)), &f->err);
    buf_free(&text);
    f->cli.options.component = "api";
    f->cli.options.environment = "half";
    assert_ok(choose(f), &f->err);
    has_targets(f, "api half main/b\n");
    f->cli.options.cluster = "a";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND, "environment \"half\" is not on cluster \"a\"");
    f->cli.options.cluster = NULL;
    f->cli.options.environment = "nowhere";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               "environment \"nowhere\": no cluster of data plane \"main\" qualifies: \"a\" states "
               "no region, \"b\" states no region");
    f->cli.options.environment = "bare";
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               "there is no EnvironmentTemplate \"gone\", which environment \"bare\" names");
}

static void faults_of_manifests_are_not_rendered(void **state)
{
    struct fixture *f = *state;
    assert_err(open_text(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                                     "kind: Component\n"
                                     "metadata: {name: web}\n"
                                     "spec: {imag: 'x:1'}\n"),
               &f->err, ERR_UNPROCESSABLE, "1 fault in 4 manifests");
}

/* Renders the first target: the object of a kind, of what it puts on its cluster. */
static const json_t *first_of(struct fixture *f, const char *kind)
{
    const json_t *manifests = NULL;
    const char *revision;
    assert_true(f->count > 0);
    assert_ok(offline_manifests(&f->offline, &f->targets[0], false, &manifests, &revision, &f->err),
              &f->err);
    assert_int_equal(strlen(revision), 64);
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        if (slice_eq_cstr(json_text_at(json_array_get(manifests, i), "kind"), kind)) {
            return json_array_get(manifests, i);
        }
    }
    return NULL;
}

#define THEIRS                                                                                     \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: Environment\n"                                                                          \
    "metadata: {name: test, namespace: default}\n"                                                 \
    "spec: {dataPlaneRef: {kind: ClusterDataPlane, name: remote}}\n"                               \
    "---\n"                                                                                        \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: DeploymentPipeline\n"                                                                   \
    "metadata: {name: theirs, namespace: default}\n"                                               \
    "spec:\n"                                                                                      \
    "  promotionPaths:\n"                                                                          \
    "  - {sourceEnvironmentRef: {name: test}, targetEnvironmentRefs: [{name: live}]}\n"            \
    "---\n"                                                                                        \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: Project\n"                                                                              \
    "metadata: {name: shop, namespace: default}\n"                                                 \
    "spec: {deploymentPipelineRef: {name: theirs}, type: {kind: ProjectType, name: gone}}\n"       \
    "---\n"                                                                                        \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: ComponentType\n"                                                                        \
    "metadata: {name: thing, namespace: default}\n"                                                \
    "spec:\n"                                                                                      \
    "  workloadType: deployment\n"                                                                 \
    "  environmentConfigs:\n"                                                                      \
    "    openAPIV3Schema: {type: object, properties: {replicas: {type: integer, default: 1}}}\n"   \
    "  resources:\n"                                                                               \
    "  - id: deployment\n"                                                                         \
    "    template:\n"                                                                              \
    "      apiVersion: apps/v1\n"                                                                  \
    "      kind: Deployment\n"                                                                     \
    "      metadata: {name: \"${metadata.name}\"}\n"                                               \
    "      spec:\n"                                                                                \
    "        replicas: ${environmentConfigs.replicas}\n"                                           \
    "        selector: {matchLabels: {a: b}}\n"                                                    \
    "        template:\n"                                                                          \
    "          metadata: {labels: {a: b}}\n"                                                       \
    "          spec: {containers: [{name: main, image: \"${workload.container.image}\"}]}\n"       \
    "---\n"                                                                                        \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: Component\n"                                                                            \
    "metadata: {name: cart, namespace: default}\n"                                                 \
    "spec:\n"                                                                                      \
    "  autoDeploy: true\n"                                                                         \
    "  owner: {projectName: shop}\n"                                                               \
    "  componentType: {kind: ComponentType, name: deployment/thing}\n"                             \
    "---\n"
#define THEIR_WORKLOAD                                                                             \
    "apiVersion: openchoreo.dev/v1alpha1\n"                                                        \
    "kind: Workload\n"                                                                             \
    "metadata: {name: any, namespace: default}\n"                                                  \
    "spec:\n"                                                                                      \
    "  owner: {projectName: shop, componentName: cart}\n"                                          \
    "  container: {image: 'cart:1'}\n"

static void openchoreos_manifests_are_rendered(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, THEIRS THEIR_WORKLOAD
                        "---\n"
                        "apiVersion: openchoreo.dev/v1alpha1\n"
                        "kind: ReleaseBinding\n"
                        "metadata: {name: mine, namespace: default}\n"
                        "spec:\n"
                        "  owner: {projectName: shop, componentName: cart}\n"
                        "  environment: test\n"
                        "  componentTypeEnvironmentConfigs: {replicas: 5}\n"
                        "---\n"
                        "apiVersion: openchoreo.dev/v1alpha1\n"
                        "kind: ProjectReleaseBinding\n"
                        "metadata: {name: cells, namespace: default}\n"
                        "spec: {owner: {projectName: shop}, environment: test}\n"),
              &f->err);
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               "projectreleasebinding.openchoreo.dev/cells: project \"shop\" has no release yet");
    has_targets(f, "cart test remote/remote\n");
    const json_t *deployment = first_of(f, "Deployment");
    assert_int_equal(json_integer_value(json_at(deployment, "spec", "replicas", NULL)), 5);
    assert_non_null(strstr(f->targets[0].place, ":38: component.openchoreo.dev/cart"));
}

static void a_plane_that_is_named_is_assumed_unless_it_is_the_namespaces_own(void **state)
{
    struct fixture *f = *state;
    static const char own[] = "---\n"
                              "apiVersion: openchoreo.dev/v1alpha1\n"
                              "kind: DataPlane\n"
                              "metadata: {name: default, namespace: default}\n"
                              "spec: {planeID: default, clusterAgent: {clientCA: {value: x}}}\n"
                              "---\n"
                              "apiVersion: openchoreo.dev/v1alpha1\n"
                              "kind: Environment\n"
                              "metadata: {name: other, namespace: default}\n"
                              "spec: {isProduction: false}\n";
    struct buf text = {0};
    buf_addf(&text, "%s%s", THEIRS THEIR_WORKLOAD, own);
    assert_ok(open_text(f, buf_cstr(&text)), &f->err);
    buf_free(&text);
    const struct snapshot *s = &f->offline.rehearsal.snapshot;
    assert_non_null(snapshot_find(s, SNAPSHOT_DATAPLANE, SLICE(""), SLICE("remote")));
    assert_null(snapshot_find(s, SNAPSHOT_DATAPLANE, SLICE(""), SLICE("default")));
}

static void openchoreos_component_without_a_workload_says_so(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, THEIRS WEB), &f->err);
    assert_err(choose(f), &f->err, ERR_NOT_FOUND,
               ":38: component.openchoreo.dev/cart: no Workload names component \"cart\" of "
               "project \"shop\" as its owner yet");
}

static void a_fault_in_openchoreos_type_has_its_line(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, THEIRS THEIR_WORKLOAD
                        "---\n"
                        "apiVersion: openchoreo.dev/v1alpha1\n"
                        "kind: ComponentType\n"
                        "metadata: {name: thing, namespace: default}\n"
                        "spec:\n"
                        "  workloadType: deployment\n"
                        "  resources:\n"
                        "  - id: deployment\n"
                        "    template:\n"
                        "      apiVersion: apps/v1\n"
                        "      kind: Deployment\n"
                        "      metadata: {name: \"${parameters.missing}\"}\n"),
              &f->err);
    const json_t *manifests;
    const char *revision;
    assert_ok(choose(f), &f->err);
    assert_err(
        offline_manifests(&f->offline, &f->targets[0], false, &manifests, &revision, &f->err),
        &f->err, ERR_UNPROCESSABLE,
        ":63: componenttype.openchoreo.dev/thing: resources[deployment].template.metadata.name, "
        "column 14: no such key: missing (component cart in environment test)");
    assert_int_equal(
        offline_manifests(&f->offline, &f->targets[0], true, &manifests, &revision, &f->err), 0);
}

/* The image that the first target runs. */
static struct slice image(struct fixture *f)
{
    const json_t *deployment = first_of(f, "Deployment");
    const json_t *all = json_at(deployment, "spec", "template", "spec", "containers", NULL);
    return json_text_at(json_array_get(all, 0), "image");
}

static void a_binding_keeps_the_release_that_it_names(void **state)
{
    struct fixture *f = *state;
    static const char binding[] = "---\n"
                                  "apiVersion: choreo.dev/v1\n"
                                  "kind: ReleaseBinding\n"
                                  "metadata: {name: mine, namespace: default}\n"
                                  "spec:\n"
                                  "  owner: {projectName: default, componentName: web}\n"
                                  "  environment: development\n"
                                  "  releaseName: web-old\n";
    static const char release[] =
        "---\n"
        "apiVersion: choreo.dev/v1\n"
        "kind: Release\n"
        "metadata: {name: web-old, namespace: default}\n"
        "spec:\n"
        "  owner: {projectName: default, componentName: web}\n"
        "  componentType:\n"
        "    kind: ComponentType\n"
        "    name: old\n"
        "    spec:\n"
        "      workloadType: deployment\n"
        "      resources:\n"
        "      - id: deployment\n"
        "        template:\n"
        "          apiVersion: apps/v1\n"
        "          kind: Deployment\n"
        "          metadata: {name: old}\n"
        "          spec:\n"
        "            selector: {matchLabels: {a: b}}\n"
        "            template:\n"
        "              metadata: {labels: {a: b}}\n"
        "              spec: {containers: [{name: main, image: \"${workload.container.image}\"}]}\n"
        "  workload: {container: {image: 'x:old'}}\n";
    struct buf text = {0};
    buf_addf(&text, "%s%s%s", PLATFORM WEB, binding, release);
    assert_ok(open_text(f, buf_cstr(&text)), &f->err);
    f->cli.options.cluster = "a";
    assert_ok(choose(f), &f->err);
    assert_slice(f->targets[0].deployment.release, "web-old");
    assert_slice(image(f), "x:old");
    offline_free(&f->offline);
    /* Without it the component is rendered as it is. */
    f->cli.options.filename.count = 0;
    buf_clear(&text);
    buf_addf(&text, "%s%s", PLATFORM WEB, binding);
    assert_ok(open_text(f, buf_cstr(&text)), &f->err);
    assert_ok(choose(f), &f->err);
    assert_slice(f->targets[0].deployment.binding, "mine");
    assert_slice(image(f), "x:1");
    buf_free(&text);
}

static void what_it_depends_on_comes_along(void **state)
{
    struct fixture *f = *state;
    f->cli.options.component = "front";
    assert_ok(open_text(f, PLATFORM WEB "---\n"
                                        "apiVersion: choreo.dev/v1\n"
                                        "kind: Component\n"
                                        "metadata: {name: front}\n"
                                        "spec:\n"
                                        "  type: worker\n"
                                        "  image: 'f:1'\n"
                                        "  dependencies: [{name: middle, type: component}]\n"
                                        "---\n"
                                        "apiVersion: choreo.dev/v1\n"
                                        "kind: Component\n"
                                        "metadata: {name: middle}\n"
                                        "spec:\n"
                                        "  image: 'm:1'\n"
                                        "  endpoints: [{name: http, port: 81}]\n"
                                        "  dependencies: [{name: web, type: component}]\n"
                                        "---\n"
                                        "apiVersion: choreo.dev/v1\n"
                                        "kind: Component\n"
                                        "metadata: {name: alone}\n"
                                        "spec: {type: worker, image: 'a:1'}\n"),
              &f->err);
    f->cli.options.environment = "prod";
    f->cli.options.cluster = "b";
    assert_ok(choose(f), &f->err);
    has_targets(f, "front prod main/b\n");
    assert_slice(image(f), "f:1");
    /* By then it is known that the others are needed, and not before: nobody asked for them. */
    const struct snapshot *s = &f->offline.rehearsal.snapshot;
    assert_int_equal(snapshot_count(s, SNAPSHOT_RELEASE), 3);
    assert_non_null(snapshot_find(s, SNAPSHOT_BINDING, SLICE("default"), SLICE("web-prod")));
    assert_null(snapshot_find(s, SNAPSHOT_BINDING, SLICE("default"), SLICE("alone-prod")));
}

static void what_a_cluster_alone_knows_is_said(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                                    "kind: ResourceType\n"
                                    "metadata: {name: queue}\n"
                                    "spec:\n"
                                    "  resources:\n"
                                    "  - id: set\n"
                                    "    template:\n"
                                    "      apiVersion: v1\n"
                                    "      kind: Service\n"
                                    "      metadata: {name: \"${metadata.name}\"}\n"
                                    "      spec: {ports: [{port: 1}]}\n"
                                    "  outputs:\n"
                                    "  - {name: host, value: \"${applied.set.status.address}\"}\n"
                                    "---\n"
                                    "apiVersion: choreo.dev/v1\n"
                                    "kind: Component\n"
                                    "metadata: {name: job}\n"
                                    "spec:\n"
                                    "  type: worker\n"
                                    "  image: 'j:1'\n"
                                    "  dependencies: [{name: q, type: queue}]\n"),
              &f->err);
    const json_t *manifests;
    const char *revision;
    f->cli.options.component = "job";
    f->cli.options.cluster = "a";
    assert_ok(choose(f), &f->err);
    assert_err(
        offline_manifests(&f->offline, &f->targets[0], false, &manifests, &revision, &f->err),
        &f->err, ERR_UNPROCESSABLE,
        "component.choreo.dev/job in environment development: it depends on resource "
        "\"default-q\", whose outputs are not known without its cluster");
}

static void what_does_not_come_by_itself_can_be_asked_for(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                                    "kind: Component\n"
                                    "metadata: {name: web}\n"
                                    "spec: {type: worker, image: 'x:1', autoDeploy: false}\n"),
              &f->err);
    assert_ok(choose(f), &f->err);
    has_targets(f, "");
    f->cli.options.component = "web";
    f->cli.options.cluster = "a";
    assert_ok(choose(f), &f->err);
    has_targets(f, "web development main/a\n");
    assert_slice(image(f), "x:1");
}

static void what_has_to_be_built_has_no_image(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM "apiVersion: choreo.dev/v1\n"
                                    "kind: Component\n"
                                    "metadata: {name: web}\n"
                                    "spec: {source: {git: {repository: 'https://x.y/z'}}}\n"),
              &f->err);
    assert_err(choose(f), &f->err, ERR_UNPROCESSABLE,
               ":18: component.choreo.dev/web: it is built from source, and nothing is built "
               "without a server");
}

static void a_namespace_is_an_organization(void **state)
{
    struct fixture *f = *state;
    assert_ok(open_text(f, PLATFORM "{apiVersion: v1, kind: Namespace, metadata: {name: acme}}\n"
                                    "---\n"
                                    "apiVersion: choreo.dev/v1\n"
                                    "kind: Component\n"
                                    "metadata: {name: web, namespace: acme}\n"
                                    "spec: {type: worker, image: 'x:1'}\n"),
              &f->err);
    f->cli.options.cluster = "a";
    assert_ok(choose(f), &f->err);
    has_targets(f, "web development main/a\n");
    assert_slice(f->targets[0].deployment.ns, "acme");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_control_plane_adds_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(environments_and_clusters_can_be_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_project_lists_components_and_a_binding_overrides, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_stands_in_the_way_is_said_with_its_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_error_leads_to_the_line_of_the_type, setup, teardown),
        cmocka_unit_test_setup_teardown(an_environment_is_where_its_template_says, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_of_manifests_are_not_rendered, setup, teardown),
        cmocka_unit_test_setup_teardown(openchoreos_manifests_are_rendered, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_plane_that_is_named_is_assumed_unless_it_is_the_namespaces_own, setup, teardown),
        cmocka_unit_test_setup_teardown(openchoreos_component_without_a_workload_says_so, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_fault_in_openchoreos_type_has_its_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_binding_keeps_the_release_that_it_names, setup, teardown),
        cmocka_unit_test_setup_teardown(what_it_depends_on_comes_along, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_cluster_alone_knows_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_come_by_itself_can_be_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_has_to_be_built_has_no_image, setup, teardown),
        cmocka_unit_test_setup_teardown(a_namespace_is_an_organization, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
