/* All that is wrong with files, said without a server: each mistake, and its text. */
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

#include <stdlib.h>

#include "cli/offline.h"

struct fixture {
    struct cli cli;
    struct offline offline;
    struct tmpdir tmp;
    struct buf found;
    struct err err;
};

static int setup(void **state)
{
    static const struct command validate = {.name = "validate"};
    struct fixture *f = mem_zero(sizeof *f);
    f->cli.ns = "default";
    f->cli.command = &validate;
    tmpdir_make(&f->tmp);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    offline_free(&f->offline);
    buf_free(&f->found);
    tmpdir_remove(&f->tmp);
    free(f);
    return 0;
}

static void add_row(struct buf *out, const json_t *row)
{
    static const char *const keys[] = {"field", "message", "where", "hint"};
    const json_t *object = json_object_get(row, "object");
    struct slice name = json_text_at(object, "name");
    json_int_t line = json_integer_value(json_object_get(row, "line"));
    buf_addf(out, "%d %.*s %.*s/%.*s", (int)line, SLICE_ARG(json_text_at(row, "severity")),
             SLICE_ARG(json_text_at(object, "kind")), SLICE_ARG(name));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct slice text = json_text_at(row, keys[i]);
        buf_addf(out, "%s%.*s", text.len > 0 ? " | " : "", SLICE_ARG(text));
    }
    buf_addf(out, " [%.*s]\n", SLICE_ARG(json_text_at(row, "reason")));
}

/* What is found in a text: "LINE SEVERITY KIND/NAME | field | message | where | hint [reason]", a
 * line each. */
static void judge(struct fixture *f, const char *text)
{
    struct args_list *paths = &f->cli.options.filename;
    paths->count = 0;
    paths->items[paths->count++] = tmpdir_write(&f->tmp, "platform.yaml", slice_of(text));
    int rc = offline_judge(&f->offline, &f->cli, &f->err);
    assert_ok(rc, &f->err);
    json_t *tree = findings_tree(&f->offline.findings);
    buf_clear(&f->found);
    for (size_t i = 0; i < json_array_size(tree); i++) {
        add_row(&f->found, json_array_get(tree, i));
    }
    json_decref(tree);
    offline_free(&f->offline);
}

static void finds(struct fixture *f, const char *text, const char *expected)
{
    judge(f, text);
    assert_string_equal(buf_cstr(&f->found), expected);
}

/* 16 lines: two environments, on one cluster. */
#define NO_PLANE                                                                                   \
    "0 warning / | no data plane is among the manifests: what runs on one is taken to be on a "    \
    "single cluster, with gateways, a registry and a secret store [NoDataPlane]\n"
#define PLATFORM                                                                                   \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DataPlane\n"                                                                            \
    "metadata: {name: main}\n"                                                                     \
    "spec: {type: single-cluster}\n"                                                               \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Environment\n"                                                                          \
    "metadata: {name: prod}\n"                                                                     \
    "spec: {dataPlane: main}\n"                                                                    \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DeploymentPipeline\n"                                                                   \
    "metadata: {name: default}\n"                                                                  \
    "spec: {promotionPaths: [{sourceEnvironmentRef: {name: development}, targetEnvironmentRefs: "  \
    "[{name: prod}]}]}\n"                                                                          \
    "---\n"
#define COMPONENT(name)                                                                            \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: Component\n"                                                                            \
    "metadata: {name: " name "}\n"
#define WORKER COMPONENT("web") "spec:\n  type: worker\n  image: 'x:1'\n"
#define API "---\n" COMPONENT("api") "spec: {image: 'x:1', endpoints: [{name: http, port: 80}]}\n"

static void nothing_is_found_where_all_is_well(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM WORKER API, "");
}

/* ---- names that are not there ---- */

static void types_and_traits(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM COMPONENT("web") "spec: {image: 'x:1', type: sevrice}\n",
          "19 error Component/web | spec.type | there is no ComponentType or ClusterComponentType "
          "\"sevrice\" | did you mean service? [TypeNotFound]\n");
    finds(f, PLATFORM COMPONENT("web") "spec: {image: 'x:1', type: spaceship}\n",
          "19 error Component/web | spec.type | there is no ComponentType or ClusterComponentType "
          "\"spaceship\" | there are scheduled-task, service, web-application, worker "
          "[TypeNotFound]\n");
    finds(f, PLATFORM WORKER "  traits:\n  - {name: scaler, instanceName: s}\n",
          "23 error Component/web | spec.traits[0] | spec.traits[0]: there is no Trait "
          "\"scaler\" [TraitNotFound]\n");
    finds(f, PLATFORM WORKER "  dependencies:\n  - name: db\n    type: postgre\n",
          "24 error Resource/default-db | there is no ResourceType or ClusterResourceType "
          "\"postgre\" | did you mean postgres? [TypeNotFound]\n");
    finds(f,
          PLATFORM "{apiVersion: choreo.dev/v1, kind: Project, metadata: {name: shop}, spec: "
                   "{components: [\n  {name: a, image: x,\n   type: worke}]}}\n",
          "18 error Component/a | there is no ComponentType or ClusterComponentType \"worke\" | "
          "did you mean worker? [TypeNotFound]\n");
}

static void environments_pipelines_and_planes(void **state)
{
    struct fixture *f = *state;
    finds(f,
          PLATFORM "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: test}\n"
                   "spec:\n  dataPlane: mian\n",
          "20 error Environment/test | spec.dataPlane | there is no data plane \"mian\" | did you "
          "mean main? [DataPlaneNotFound]\n");
    finds(f,
          PLATFORM "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: test}\n"
                   "spec:\n  dataPlane: main\n  placement: {regions: [eu]}\n",
          "20 error Environment/test | spec.dataPlane | no cluster of data plane \"main\" "
          "qualifies: \"main\" states no region; what runs stays where it is "
          "[NoClusterQualifies]\n");
    finds(f,
          PLATFORM "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: test}\n"
                   "spec:\n  dataPlane: main\n  cell: {type: celll}\n",
          "21 error Environment/test | spec.cell.type | there is no ClusterProjectType \"celll\", "
          "which environment \"test\" names: create it, or change spec.cell.type; what runs stays "
          "as it is | did you mean cell? [CellTypeNotFound]\n");
    finds(f,
          PLATFORM COMPONENT(
              "web") "spec: {type: worker, image: nginx}\n---\n"
                     "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: test}\n"
                     "spec:\n  dataPlane: main\n  overrides: {components: [{name: wbe}]}\n",
          "26 warning Environment/test | spec.overrides.components[0].name | there is no component "
          "\"wbe\" in this namespace, of which spec.overrides says something | did you mean web? "
          "[ComponentNotFound]\n");
    finds(f,
          PLATFORM
          "apiVersion: choreo.dev/v1\nkind: DeploymentPipeline\nmetadata: {name: other}\nspec:\n"
          "  promotionPaths:\n  - sourceEnvironmentRef: {name: development}\n"
          "    targetEnvironmentRefs:\n    - name: prdo\n",
          "23 error DeploymentPipeline/other | "
          "spec.promotionPaths[0].targetEnvironmentRefs[0].name | there is no environment \"prdo\" "
          "in this namespace | did you mean prod? [EnvironmentNotFound]\n");
    finds(f,
          PLATFORM "apiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: shop}\n"
                   "spec:\n  deploymentPipeline: defautl\n---\n" COMPONENT("web") "spec: {image: "
                                                                                  "'x:1', type: "
                                                                                  "worker, "
                                                                                  "project: "
                                                                                  "shop}\n",
          "20 error Project/shop | spec.deploymentPipeline | there is no deployment pipeline "
          "\"defautl\" in namespace \"default\" | did you mean default? [PipelineNotFound]\n");
    finds(f,
          PLATFORM "{apiVersion: choreo.dev/v1, kind: Project, metadata: {name: shop}, spec: {}}\n"
                   "---\n" WORKER "  project: shopp\n",
          "24 error Component/web | spec.project | there is no project \"shopp\" in namespace "
          "\"default\" yet | did you mean shop? [ProjectNotFound]\n");
}

static void what_others_have_is_a_warning(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM WORKER "  dependencies: [{name: api, type: component, component: apo}]\n" API,
          "22 warning Component/web | spec.dependencies[0].component | it depends on component "
          "\"apo\", which is not there: did you mean api? | in environment development "
          "[ComponentNotFound]\n");
    finds(f,
          PLATFORM WORKER
          "  env:\n  - {name: A, valueFrom: {secretKeyRef: {name: keys, key: x}}}\n",
          "23 warning Component/web | spec.env[0].name | \"A\" needs key \"x\" of Secret \"keys\", "
          "which does not exist | in environment development [ReferenceNotFound]\n");
    finds(f,
          PLATFORM WORKER
          "---\napiVersion: choreo.dev/v1\nkind: ReleaseBinding\nmetadata: {name: b}\nspec:\n"
          "  owner: {projectName: default, componentName: web}\n  environment: prod\n"
          "  releaseName: web-1\n",
          "29 warning ReleaseBinding/b | spec.releaseName | release web-1 is not among the "
          "manifests: web is rendered as it is now [ReleaseNotFound]\n");
}

/* ---- what files take for granted ---- */

static void what_files_hold_none_of_is_assumed(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        "apiVersion: choreo.dev/v1\nkind: Component\n"
        "metadata: {name: web, namespace: acme}\n"
        "spec:\n  project: shop\n  image: x\n  endpoints:\n"
        "  - {name: http, port: 80, visibility: public}\n",
        "3 warning Component/web | metadata.namespace | neither an Organization nor a Namespace "
        "\"acme\" is among the manifests [NotFound]\n"
        "5 warning Component/web | spec.project | Project \"shop\" is not among the manifests: it "
        "is taken for one that is on the server [ProjectNotFound]\n" NO_PLANE);
    finds(f,
          "apiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: shop}\n"
          "spec: {deploymentPipeline: main}\n---\n"
          "apiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: test}\n"
          "spec: {dataPlane: eu}\n",
          "4 warning Project/shop | spec.deploymentPipeline | DeploymentPipeline \"main\" is not "
          "among the manifests: it is taken for one that is on the server [PipelineNotFound]\n"
          "9 warning Environment/test | spec.dataPlane | data plane \"eu\" is not among the "
          "manifests: it is taken for one of a single cluster, with gateways, a registry and a "
          "secret store [DataPlaneNotFound]\n");
    finds(
        f,
        "{apiVersion: choreo.dev/v1, kind: DataPlane, metadata: {name: m}, spec: {type: "
        "single-cluster}}\n---\n"
        "apiVersion: choreo.dev/v1\nkind: DeploymentPipeline\nmetadata: {name: default}\nspec:\n"
        "  promotionPaths:\n  - sourceEnvironmentRef: {name: development}\n"
        "    targetEnvironmentRefs:\n    - {name: prod}\n",
        "10 warning DeploymentPipeline/default | "
        "spec.promotionPaths[0].targetEnvironmentRefs[0].name | Environment \"prod\" is not among "
        "the manifests: it is taken for one that is on the server [EnvironmentNotFound]\n");
}

static void a_namespace_that_is_given_is_assumed(void **state)
{
    struct fixture *f = *state;
    f->cli.ns = "acme";
    finds(f, WORKER,
          "3 warning Component/web | metadata.namespace | neither an Organization nor a Namespace "
          "\"acme\" is among the manifests [NotFound]\n" NO_PLANE);
    finds(f, "{apiVersion: v1, kind: Namespace, metadata: {name: acme}}\n---\n" WORKER, NO_PLANE);
}

static void a_namespace_that_others_have_no_like_of_is_a_mistake(void **state)
{
    struct fixture *f = *state;
    finds(f,
          "{apiVersion: choreo.dev/v1, kind: Organization, metadata: {name: acme}}\n---\n"
          "{apiVersion: choreo.dev/v1, kind: Project, metadata: {name: p, namespace: acmee}}\n",
          "3 error Project/p | metadata.namespace | neither an Organization nor a Namespace "
          "\"acmee\" is among the manifests | did you mean acme? [NotFound]\n" NO_PLANE);
}

/* ---- values and expressions ---- */

static void parameters(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM WORKER "  parameters:\n    replica: 3\n",
          "23 error Component/web | spec.parameters.replica | parameters.replica: unknown field "
          "(did you mean replicas?) | in environment development [RenderFailed]\n");
    finds(
        f, PLATFORM WORKER "  parameters:\n    replicas: many\n",
        "23 error Component/web | spec.parameters.replicas | parameters.replicas: must be of type "
        "integer | in environment development [RenderFailed]\n");
    finds(f,
          PLATFORM WORKER
          "---\napiVersion: choreo.dev/v1\nkind: ReleaseBinding\nmetadata: {name: b}\nspec:\n"
          "  owner: {projectName: default, componentName: web}\n  environment: prod\n"
          "  componentTypeEnvironmentConfigs:\n    foo: 1\n",
          "30 error ReleaseBinding/b | spec.componentTypeEnvironmentConfigs.foo | "
          "environmentConfigs.foo: unknown field | in environment prod [RenderFailed]\n");
}

/* What an environment, or its template, sets of a component is wrong there. */
static void overrides(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        PLATFORM WORKER
        "---\napiVersion: choreo.dev/v1\nkind: EnvironmentTemplate\nmetadata: {name: safe}\nspec:\n"
        "  overrides:\n    components:\n    - name: web\n      parameters:\n        nope: 1\n"
        "---\napiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: development}\n"
        "spec: {dataPlane: main, template: safe}\n",
        "31 error EnvironmentTemplate/safe | spec.overrides.components[web].parameters.nope | "
        "environmentConfigs.nope: unknown field | in environment development [RenderFailed]\n");
    finds(f,
          PLATFORM WORKER
          "---\napiVersion: choreo.dev/v1\nkind: Environment\nmetadata: {name: development}\n"
          "spec:\n  dataPlane: main\n  overrides:\n    components:\n    - {name: api, parameters: "
          "{odd: 1}}\n    - name: web\n      parameters:\n        odd: 1\n",
          "30 warning Environment/development | spec.overrides.components[0].name | there is no "
          "component \"api\" in this namespace, of which spec.overrides says something | there is "
          "web [ComponentNotFound]\n"
          "33 error Environment/development | spec.overrides.components[web].parameters.odd | "
          "environmentConfigs.odd: unknown field | in environment development [RenderFailed]\n");
}

/* What a component says beside its parameters is one of them where it counts. */
static void parameters_of_their_own(void **state)
{
    struct fixture *f = *state;
    finds(f,
          PLATFORM COMPONENT("web") "spec:\n  image: 'x:1'\n  endpoints: [{name: http, port: 80}]\n"
                                    "  slo:\n    latency:\n      objective: 99\n"
                                    "      thresholdMilliseconds: 300\n",
          "25 error Component/web | spec.slo.latency.thresholdMilliseconds | "
          "parameters.slo.latency.thresholdMilliseconds: must be one of "
          "[5,10,25,50,100,250,500,1000,2500,5000,10000] | in environment development "
          "[RenderFailed]\n");
}

#define TYPE(name, pod)                                                                            \
    "---\n"                                                                                        \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: ComponentType\n"                                                                        \
    "metadata: {name: mine}\n"                                                                     \
    "spec:\n"                                                                                      \
    "  workloadType: deployment\n"                                                                 \
    "  allowedTraits: [{kind: Trait, name: '*'}]\n"                                                \
    "  parameters: {openAPIV3Schema: {type: object, properties: {port: {type: integer}}}}\n"       \
    "  resources:\n"                                                                               \
    "  - id: deployment\n"                                                                         \
    "    template:\n"                                                                              \
    "      apiVersion: apps/v1\n"                                                                  \
    "      kind: Deployment\n"                                                                     \
    "      metadata: {name: '" name "'}\n"                                                         \
    "      spec:\n"                                                                                \
    "        selector: {matchLabels: '${metadata.podSelectors}'}\n"                                \
    "        template:\n"                                                                          \
    "          metadata: {labels: '${metadata.podSelectors}'}\n"                                   \
    "          spec: {" pod "containers: [{name: main, image: '${workload.container.image}'}]}\n"
#define MINE COMPONENT("web") "spec: {image: 'x:1', type: mine}\n"

static void expressions_of_types(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM MINE TYPE("${metadata.name}", ""), "");
    finds(f, PLATFORM MINE TYPE("${metadata.nam}", ""),
          "33 error ComponentType/mine | spec.resources[deployment].template.metadata.name | "
          "resources[deployment].template.metadata.name, column 12: no such key: nam; there are: "
          "annotations, componentName, componentNamespace, componentUID, dataPlaneName, "
          "dataPlaneUID, environmentName, environmentUID, labels, name, namespace, podSelectors, "
          "projectName, projectUID, shortName | component web in environment development "
          "[RenderFailed]\n");
    finds(f, PLATFORM MINE TYPE("${parameters.port}", ""),
          "33 error ComponentType/mine | spec.resources[deployment].template.metadata.name | "
          "resources[deployment].template.metadata.name, column 14: no such key: port | component "
          "web in environment development [RenderFailed]\n");
    finds(f, PLATFORM MINE TYPE("${metadata.name +}", ""),
          "33 error ComponentType/mine | spec.resources[deployment].template.metadata.name | "
          "Invalid value: column 18: expected an expression, found the end [FieldValueInvalid]\n");
}

static void a_type_beyond_its_tenant(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM MINE TYPE("${metadata.name}", "hostPID: true, "),
          "29 error ComponentType/mine | spec.resources[deployment] | resources[deployment]: "
          "Deployment web-development-b408fa90 has spec.template.spec.hostPID, which lets a pod "
          "into its node (Pod Security Standard baseline): a type of a namespace (ComponentType "
          "mine) may not, unless Organization default says ownTypes.podSecurity: privileged; a "
          "ClusterComponentType may | component web in environment development [RenderFailed]\n");
}

static void traits_of_types(void **state)
{
    struct fixture *f = *state;
    static const char trait[] =
        "---\n"
        "apiVersion: choreo.dev/v1\n"
        "kind: Trait\n"
        "metadata: {name: note}\n"
        "spec:\n"
        "  parameters: {openAPIV3Schema: {type: object, required: [text], properties: {text: "
        "{type: "
        "string}}}}\n"
        "  patches:\n"
        "  - target: {group: apps, version: v1, kind: Deployment}\n"
        "    operations:\n"
        "    - {op: add, path: \"/spec/template/spec/containers/[?(@.name=='man')]/env\", value: "
        "'${parameters.text}'}\n";
    struct buf text = {0};
    buf_addf(&text, "%s%s%s%s",
             PLATFORM COMPONENT("web") "spec:\n  image: 'x:1'\n  type: mine\n  traits:\n"
                                       "  - kind: Trait\n    name: note\n    instanceName: n\n",
             "    parameters: {txt: 1}\n", TYPE("${metadata.name}", ""), trait);
    finds(f, buf_cstr(&text),
          "26 error Component/web | spec.traits[n].parameters.text | traits[n].parameters.text: is "
          "required; traits[n].parameters.txt: unknown field (did you mean text?) | in environment "
          "development [RenderFailed]\n");
    buf_clear(&text);
    buf_addf(&text, "%s%s%s%s",
             PLATFORM COMPONENT("web") "spec:\n  image: 'x:1'\n  type: mine\n  traits:\n"
                                       "  - kind: Trait\n    name: note\n    instanceName: n\n",
             "    parameters: {text: a}\n", TYPE("${metadata.name}", ""), trait);
    finds(
        f, buf_cstr(&text),
        "55 error Trait/note | spec.patches[0].operations[0] | traits[n].patches[0].operations[0]: "
        "Deployment web-development-b408fa90: add "
        "/spec/template/spec/containers/[?(@.name=='man')]/env: no element fits the filter | "
        "component web in environment development [RenderFailed]\n");
    buf_free(&text);
}

/* ---- what needs each other ---- */

static void dependencies(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        PLATFORM WORKER
        "  dependencies: [{name: api, type: component, component: api, endpoint: htpp}]\n" API,
        "22 error Component/web | spec.dependencies[0].endpoint | it depends on endpoint \"htpp\" "
        "of component \"api\", whose release in environment \"development\" has no such endpoint: "
        "did you mean http? | in environment development [EndpointNotFound]\n");
    finds(
        f,
        PLATFORM WORKER "  dependencies: [{name: db, type: postgres, resource: db, env: {hots: "
                        "HOST}}]\n---\napiVersion: choreo.dev/v1\nkind: Resource\nmetadata: "
                        "{name: db}\nspec: {project: default, type: postgres}\n",
        "16 error Component/web | workload.dependencies.resources[0].envBindings.hots: the "
        "resource db has no such output: did you mean host? | in environment development "
        "[RenderFailed]\n27 warning Resource/db | spec.project | Project \"default\" is not among "
        "the manifests: it is taken for one that is on the server [ProjectNotFound]\n");
}

#define NEEDS(name, other, more)                                                                   \
    COMPONENT(name)                                                                                \
    "spec: {" more                                                                                 \
    "image: 'x:1', endpoints: [{name: http, port: 80}], dependencies: [{name: " other              \
    ", type: component}]}\n"

static void circles(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        PLATFORM
        "{apiVersion: choreo.dev/v1, kind: Project, metadata: {name: shop}, spec: {}}\n"
        "---\n" NEEDS("a", "b", "project: shop, ") "---\n" NEEDS("b", "a", "project: shop, "),
        "16 error Project/shop | components need each other in a circle, so that none can be there "
        "before the others: a -> b -> a; take one of these dependencies away [Cycle]\n");
    finds(
        f, PLATFORM NEEDS("a", "b", "") "---\n" NEEDS("b", "a", ""),
        "16 error Component/a | what it depends on is known; they need each other in a circle, so "
        "none can be there before the others: a -> b -> a | in environment development [Cycle]\n"
        "21 error Component/b | what it depends on is known; they need each other in a circle, so "
        "none can be there before the others: b -> a -> b | in environment development "
        "[Cycle]\n");
    finds(
        f,
        PLATFORM "apiVersion: choreo.dev/v1\nkind: DeploymentPipeline\nmetadata: {name: other}\n"
                 "spec:\n  promotionPaths:\n"
                 "  - {sourceEnvironmentRef: {name: development}, targetEnvironmentRefs: "
                 "[{name: prod}]}\n"
                 "  - {sourceEnvironmentRef: {name: prod}, targetEnvironmentRefs: "
                 "[{name: development}]}\n",
        "16 error DeploymentPipeline/other | every environment is the target of another: releases "
        "have nowhere to start [Cycle]\n");
}

/* ---- what the server would refuse ---- */

static void what_follows_from_what_is_refused_is_not_told(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        PLATFORM COMPONENT("web") "spec: {image: 'x:1', type: mine}\n---\n"
                                  "apiVersion: choreo.dev/v1\nkind: ComponentType\n"
                                  "metadata: {name: mine}\nspec:\n  workloadTyp: deployment\n"
                                  "  resources: []\n",
        "24 error ComponentType/mine | spec.workloadType | Required value [FieldValueRequired]\n"
        "25 error ComponentType/mine | spec.workloadTyp | unknown field | did you mean "
        "workloadType? [UnknownField]\n"
        "26 error ComponentType/mine | spec.resources | Invalid value: must have at least 1 items "
        "[FieldValueInvalid]\n");
}

static void fields_and_kinds(void **state)
{
    struct fixture *f = *state;
    finds(f, PLATFORM WORKER "  imagee: y\n",
          "22 error Component/web | spec.imagee | unknown field | did you mean image? "
          "[UnknownField]\n");
    finds(f,
          PLATFORM "apiVersion: choreo.dev/v1\nkind: Component\nmetadata:\n  name: x\n  spec:\n"
                   "    image: y\n",
          "20 error Component/x | metadata.spec | unknown field | did you mean spec? Look at the "
          "indentation [UnknownField]\n");
    finds(f, "apiVersion: choreo.dev/v1\nkind: Componnet\nmetadata: {name: x}\n",
          "2 error Componnet/x | kind | there is no kind Componnet in choreo.dev/v1 | did you mean "
          "Component of choreo.dev/v1? [UnknownKind]\n");
    finds(f, "apiVersion: chore.dev/v1\nkind: Component\nmetadata: {name: x}\n",
          "2 error Component/x | kind | there is no kind Component in chore.dev/v1 | did you mean "
          "Component of choreo.dev/v1? [UnknownKind]\n");
    finds(f, "apiVersion: v1\nkind: Component\nmetadata: {name: x}\n",
          "2 error Component/x | kind | there is no kind Component in v1 | it is one of "
          "choreo.dev/v1 [UnknownKind]\n");
    finds(f, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
          "1 note / | Deployment of apps/v1 is a kind that only a server may know "
          "[UnknownKind]\n");
}

/* A server's limits, in its words: of the bytes of an object, and of the memory that it takes. */
static void what_is_too_large(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    buf_add_cstr(&text, PLATFORM WORKER "  parameters: {x: [");
    for (int i = 0; i < 80000; i++) {
        buf_add_cstr(&text, "{},");
    }
    buf_add_cstr(&text, "1]}\n");
    finds(f, buf_cstr(&text),
          "16 error Component/web | too many values: as a tree they would take 18 MiB of memory, "
          "over "
          "the limit of 16 MiB [TooLarge]\n");
    buf_clear(&text);
    buf_add_cstr(&text, PLATFORM "apiVersion: choreo.dev/v1\nkind: Project\nmetadata: {name: "
                                 "shop}\nspec: {description: ");
    for (int i = 0; i < 1600 * 1024; i++) {
        buf_add_char(&text, 'x');
    }
    buf_add_cstr(&text, "}\n");
    finds(f, buf_cstr(&text),
          "16 error Project/shop | object is 1638875 bytes, more than the limit of 1572864 "
          "[TooLarge]\n");
    buf_free(&text);
}

static void files_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    finds(f, "apiVersion: choreo.dev/v1\nkind: Component\nmetadata:\n\tname: x\n",
          "4 error / | tab character may not be used as indentation [Unreadable]\n");
    finds(f, "kind: A\nkind: B\n", "2 error / | key \"kind\" is given twice [Unreadable]\n");
    finds(f, "{kind: Component, metadata: {name: x}}\n---\nhello\n---\n" WORKER "  imagee: x\n",
          "1 error / | a manifest needs apiVersion and kind: it has no apiVersion [Unreadable]\n"
          "3 error / | a manifest is a map of keys [Unreadable]\n"
          "11 error Component/web | spec.imagee | unknown field | did you mean image? "
          "[UnknownField]\n");
}

static void the_same_object_twice(void **state)
{
    struct fixture *f = *state;
    finds(f,
          "{apiVersion: v1, kind: Secret, metadata: {name: a}}\n---\n"
          "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: choreo-system}}\n",
          "");
    finds(f, PLATFORM WORKER "---\n" WORKER, "");
    finds(f,
          "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}}\n---\n"
          "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}, data: {}}\n",
          "");
    judge(f, PLATFORM WORKER "---\n" WORKER "  autoDeploy: false\n");
    assert_non_null(strstr(buf_cstr(&f->found), "23 warning Component/web | "));
    assert_non_null(strstr(buf_cstr(&f->found), ":16 is a manifest of the same object: this one "
                                                "holds [Duplicate]\n"));
}

/* On a cluster it can be only one's: the other is told, and of each environment alike. */
static void two_that_make_the_same_object(void **state)
{
    struct fixture *f = *state;
    finds(f,
          PLATFORM
          "apiVersion: choreo.dev/v1\nkind: ComponentType\nmetadata: {name: sharing}\n"
          "spec:\n  workloadType: proxy\n  resources:\n  - {id: c, template: {apiVersion: "
          "v1, kind: ConfigMap, metadata: {name: shared}}}\n"
          "---\n" COMPONENT("one") "spec: {image: 'x:1', type: sharing}\n"
                                   "---\n" COMPONENT("two") "spec: {image: 'x:1', type: sharing}\n",
          "29 error Component/two | ConfigMap shared: "
          "v1/ConfigMap/dp-default-default-development-f8e58905/shared is there already and "
          "belongs to RenderedRelease one-development-main-662d301d: give one of the two another "
          "name | in environment development [OwnedElsewhere]\n");
}

/* ---- builds, and OpenChoreo's ---- */

#define BUILDS                                                                                     \
    "apiVersion: choreo.dev/v1\n"                                                                  \
    "kind: DataPlane\n"                                                                            \
    "metadata:\n"                                                                                  \
    "  name: main\n"                                                                               \
    "  annotations:\n"                                                                             \
    "    choreo.dev/registry: registry.example.com\n"                                              \
    "spec:\n"                                                                                      \
    "  type: single-cluster\n"                                                                     \
    "---\n" COMPONENT("web")
#define SOURCE "  source: {git: {repository: 'https://x.y/z'}}\n"

static void what_is_built_is_looked_at_as_if_it_were(void **state)
{
    struct fixture *f = *state;
    finds(f, BUILDS "spec:\n  type: worker\n  parameters: {replica: 1}\n" SOURCE,
          "15 error Component/web | spec.parameters.replica | parameters.replica: unknown field "
          "(did you mean replicas?) | in environment development [RenderFailed]\n");
    finds(f,
          BUILDS "spec:\n  type: worker\n  workflow:\n    kind: ClusterWorkflow\n"
                 "    name: dockerfile-buildr\n" SOURCE,
          "17 error Component/web | spec.workflow.name | there is no ClusterWorkflow "
          "\"dockerfile-buildr\": create it, or delete this run | did you mean "
          "dockerfile-builder? [WorkflowNotFound]\n");
    finds(
        f,
        BUILDS "spec:\n  type: worker\n  workflow:\n    kind: ClusterWorkflow\n"
               "    name: dockerfile-builder\n    parameters:\n      registri: x\n" SOURCE,
        "19 error Component/web | spec.workflow.parameters.registri | parameters.registri: unknown "
        "field (did you mean registry?); this run stays as it is: make another one "
        "[InvalidParameters]\n");
    finds(
        f, PLATFORM COMPONENT("web") "spec:\n  type: worker\n" SOURCE,
        "16 error Component/web | validations[0]: nobody says where images go: give the data plane "
        "the annotation choreo.dev/registry, or the workflow the parameter registry; this run "
        "stays "
        "as it is: make another one [InvalidParameters]\n");
    finds(f, PLATFORM COMPONENT("web") "spec: {type: worker}\n",
          "16 error Component/web | neither spec.image nor spec.source is set: there is nothing to "
          "run [NoImage]\n");
}

static void openchoreos_manifests(void **state)
{
    struct fixture *f = *state;
    finds(f,
          "apiVersion: openchoreo.dev/v1alpha1\nkind: Component\nmetadata: {name: cart}\nspec:\n"
          "  owner: {projectName: shop}\n"
          "  componentType: {kind: ClusterComponentType, name: deployment/servce}\n"
          "---\n"
          "apiVersion: openchoreo.dev/v1alpha1\nkind: Workload\nmetadata: {name: cart}\nspec:\n"
          "  owner: {projectName: shop, componentName: cart}\n  container: {image: x}\n",
          "5 warning Component/cart | spec.owner.projectName | Project \"shop\" is not among the "
          "manifests: it is taken for one that is on the server [ProjectNotFound]\n"
          "6 error Component/cart | spec.componentType.name | there is no ClusterComponentType "
          "\"servce\" of openchoreo.dev [TypeNotFound]\n" NO_PLANE);
    finds(f,
          "apiVersion: openchoreo.dev/v1alpha1\nkind: Component\nmetadata: {name: cart}\nspec:\n"
          "  owner: {projectName: shop}\n"
          "  componentType: {kind: ClusterComponentType, name: deployment/service}\n",
          "1 warning Component/cart | no Workload names component \"cart\" of project \"shop\" as "
          "its owner "
          "yet [WorkloadNotFound]\n"
          "5 warning Component/cart | spec.owner.projectName | Project \"shop\" is not among the "
          "manifests: it is taken for one that is on the server [ProjectNotFound]\n" NO_PLANE);
}

static void what_nothing_acts_on_is_noted(void **state)
{
    struct fixture *f = *state;
    finds(
        f,
        "apiVersion: openchoreo.dev/v1alpha1\nkind: ObservabilityPlane\nmetadata: {name: o}\n"
        "spec: {observerURL: 'http://x', planeID: d, clusterAgent: {clientCA: {value: x}}}\n",
        "1 note ObservabilityPlane/o | recorded, but nothing acts on it yet; logs and metrics stay "
        "where clusters keep them: choreo logs reads them there [NotSupported]\n");
    finds(f,
          "apiVersion: choreo.dev/v1\nkind: DataPlane\nmetadata: {name: m}\n"
          "spec: {type: single-cluster, kubernetes: {nodeGroups: [{name: a}]}}\n",
          "1 note DataPlane/m | nodeGroups are recorded, but nothing makes machines of them yet: "
          "connect clusters that exist [NotProvisioned]\n");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(nothing_is_found_where_all_is_well),
        T(types_and_traits),
        T(environments_pipelines_and_planes),
        T(what_others_have_is_a_warning),
        T(what_files_hold_none_of_is_assumed),
        T(a_namespace_that_is_given_is_assumed),
        T(a_namespace_that_others_have_no_like_of_is_a_mistake),
        T(parameters),
        T(overrides),
        T(parameters_of_their_own),
        T(expressions_of_types),
        T(a_type_beyond_its_tenant),
        T(traits_of_types),
        T(dependencies),
        T(circles),
        T(what_follows_from_what_is_refused_is_not_told),
        T(fields_and_kinds),
        T(what_is_too_large),
        T(files_that_cannot_be_read),
        T(the_same_object_twice),
        T(two_that_make_the_same_object),
        T(what_is_built_is_looked_at_as_if_it_were),
        T(openchoreos_manifests),
        T(what_nothing_acts_on_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
