/* Types and traits are checked before anybody uses them. */
#include "tests/lib/test.h"

#include "base/yaml.h"
#include "render/builtin.h"
#include "render/check.h"

typedef void (*check_fn)(const json_t *spec, struct causes *causes);

/* Every fault, "FIELD: MESSAGE" a line. */
static void faults_of(const json_t *spec, check_fn check, struct buf *out)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    check(spec, &causes);
    for (size_t i = 0; i < causes.count; i++) {
        buf_addf(out, "%.*s: %.*s\n", SLICE_ARG(causes.items[i].field),
                 SLICE_ARG(causes.items[i].message));
    }
    arena_free(&arena);
}

static void check_yaml(const char *yaml, check_fn check, struct buf *out)
{
    json_t *spec;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &spec, &err), &err);
    faults_of(spec, check, out);
    json_decref(spec);
}

/* Exactly these faults, in any text after what is given of each line. */
static void has_faults(const char *yaml, check_fn check, const char *expected)
{
    struct buf out = {0};
    check_yaml(yaml, check, &out);
    struct slice rest = buf_slice(&out);
    struct slice wanted = slice_of(expected);
    struct slice line;
    struct slice start;
    while (slice_split(&wanted, '\n', &start)) {
        if (!slice_split(&rest, '\n', &line) || !slice_starts_with(line, start)) {
            fail_msg("%s\nis not\n%s", buf_cstr(&out), expected);
        }
    }
    assert_int_equal(rest.len, 0);
    buf_free(&out);
}

static void is_right(const char *yaml, check_fn check)
{
    struct buf out = {0};
    check_yaml(yaml, check, &out);
    assert_string_equal(buf_cstr(&out), "");
    buf_free(&out);
}

/* A template that is right in itself, with the given data. */
#define OBJECT(data) "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: " data "}"

static void every_built_in_type_is_right(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(builtin_count(), 4);
    for (size_t i = 0; i < builtin_count(); i++) {
        json_t *object;
        assert_ok(builtin_load(builtin_name(i), &object, &err), &err);
        assert_slice(json_text_at(object, "kind"), "ClusterComponentType");
        assert_true(
            slice_eq(json_text(json_at(object, "metadata", "name", NULL)), builtin_name(i)));
        struct buf out = {0};
        faults_of(json_object_get(object, "spec"), check_component_type, &out);
        assert_string_equal(buf_cstr(&out), "");
        buf_free(&out);
        json_decref(object);
    }
    assert_int_equal(builtin_resource_count(), 3);
    for (size_t i = 0; i < builtin_resource_count(); i++) {
        json_t *object;
        struct buf out = {0};
        assert_ok(builtin_load(builtin_resource_name(i), &object, &err), &err);
        assert_slice(json_text_at(object, "kind"), "ClusterResourceType");
        assert_true(slice_eq(json_text(json_at(object, "metadata", "name", NULL)),
                             builtin_resource_name(i)));
        faults_of(json_object_get(object, "spec"), check_resource_type, &out);
        assert_string_equal(buf_cstr(&out), "");
        buf_free(&out);
        json_decref(object);
    }
    json_t *object;
    struct buf out = {0};
    assert_ok(builtin_load(SLICE("cell"), &object, &err), &err);
    assert_slice(json_text_at(object, "kind"), "ClusterProjectType");
    assert_slice(json_text(json_at(object, "metadata", "name", NULL)), "cell");
    faults_of(json_object_get(object, "spec"), check_cell_type, &out);
    assert_string_equal(buf_cstr(&out), "");
    buf_free(&out);
    json_decref(object);
    assert_err(builtin_load(SLICE("nothing"), &object, &err), &err, ERR_NOT_FOUND,
               "no built-in type nothing");
    assert_int_equal(builtin_name(99).len, 0);
}

static void names_and_syntax_are_found_wrong_where_they_stand(void **state)
{
    (void)state;
    has_faults(
        "resources: [{id: d, template: " OBJECT("{a: '${metadta.name}', b: 'x ${1 +}'}") "}]",
        check_component_type,
        "spec.resources[d].template.data.a: Invalid value: column 3: undeclared reference "
        "to 'metadta'; did you mean 'metadata'?\n"
        "spec.resources[d].template.data.b: Invalid value: column 8: expected an expression");
    has_faults("resources: [{id: d, template: " OBJECT("{'x${1 +}': 1}") "}]", check_component_type,
               "spec.resources[d].template.data.x${1 +}: Invalid value: column 7: expected");
    has_faults(
        "validations: [{rule: '${size()}', message: x}]", check_component_type,
        "spec.validations[0].rule: Invalid value: column 3: found no matching overload for 'size'");
    has_faults("resources: [{forEach: '${item}', template: " OBJECT("{}") "}]",
               check_component_type,
               "spec.resources[0].forEach: Invalid value: column 3: undeclared");
    has_faults("traits: [{parameters: {a: '${trait.name}'}}]", check_component_type,
               "spec.traits[0].parameters.a: Invalid value: column 3: undeclared reference to "
               "'trait'");
    has_faults("patches: [{operations: [{op: add, path: /a, value: '${resource}'}]}]", check_trait,
               "spec.patches[0].operations[0].value: Invalid value: column 3: undeclared");
}

static void conditions_and_loops_are_one_expression(void **state)
{
    (void)state;
    has_faults(
        "resources:\n"
        "- {id: a, includeWhen: 'x ${true}', template: " OBJECT(
            "{}") "}\n"
                  "- {id: b, forEach: 'list', template: " OBJECT(
                      "{}") "}\n"
                            "preRenderValidations: [{rule: 'true', message: x}]\n"
                            "postRenderValidations:\n"
                            "- {when: '', target: {where: '${1} ${2}'}, rule: '${resource}'}",
        check_component_type,
        "spec.preRenderValidations[0].rule: Invalid value: column 1: one expression is\n"
        "spec.postRenderValidations[0].when: Invalid value: column 1: one expression is\n"
        "spec.postRenderValidations[0].target.where: Invalid value: column 1: one expr\n"
        "spec.resources[a].includeWhen: Invalid value: column 1: one expression is\n"
        "spec.resources[b].forEach: Invalid value: column 1: one expression is");
}

static void loops_and_targets_bring_their_variables(void **state)
{
    (void)state;
    is_right("resources:\n"
             "- {forEach: '${parameters.list}', template: " OBJECT(
                 "{a: '${item}'}") "}\n"
                                   "- {forEach: '${[1]}', var: n, template: " OBJECT(
                                       "{a: '${n} ${oc_omit()}'}") "}\n"
                                                                   "postRenderValidations:\n"
                                                                   "- {target: {where: "
                                                                   "\"${resource.kind == ''}\"}, "
                                                                   "rule: '${has(resource.x)}'}",
             check_component_type);
    is_right("creates: [{template: " OBJECT(
                 "{a: '${trait.instanceName}'}") "}]\n"
                                                 "removes: [{forEach: '${[1]}', var: n, target: "
                                                 "{where: '${resource.n == n}'}}]",
             check_trait);
    is_right("resources: [{id: d, includeWhen: '${parameters.on}', readyWhen:\n"
             "  '${applied.d.status.ready}', template: " OBJECT(
                 "{a: '${metadata.resourceName}'}") "}]\n"
                                                    "outputs: [{name: a, value: "
                                                    "'${applied.d.status.host}'},\n"
                                                    "  {name: b, secretKeyRef: {name: "
                                                    "'${metadata.name}-b', key: k}}]",
             check_resource_type);
}

static void what_templates_say_literally_is_looked_at(void **state)
{
    (void)state;
    has_faults("workloadType: deployment\n"
               "resources:\n"
               "- {id: a, template: {apiVersion: apps/v1/x, kind: 'Pod s', metadata: {name: x}}}\n"
               "- {id: a, template: {kind: '${x}', metadata: {namespace: kube-system}}}\n"
               "- {id: c, template: {apiVersion: v1, kind: Namespace, metadata: {name: x}}}\n"
               "- {id: d, template: {apiVersion: v1, kind: List, metadata: {name: x}}}\n"
               "- {id: o, template: {apiVersion: v1, kind: Secret, metadata: {name: x,\n"
               "     creationTimestamp: null, ownerReferences: '${[]}'}}}\n"
               "- {id: e, targetPlane: observabilityplane, template: {}}",
               check_component_type,
               "spec.resources[1].id: Duplicate value: \"a\"\n"
               "spec.resources: Invalid value: one must have the id deployment\n"
               "spec.resources[a].template.apiVersion: Invalid value: must be v1, or GROUP/\n"
               "spec.resources[a].template.kind: Invalid value: must be the kind of one object\n"
               "spec.resources[a].template.kind: Invalid value: column 3: undeclared\n"
               "spec.resources[a].template.apiVersion: Invalid value: must be v1, or GROUP/\n"
               "spec.resources[a].template.kind: Invalid value: must not depend on an expression\n"
               "spec.resources[a].template.metadata.name: Required value\n"
               "spec.resources[a].template.metadata.namespace: Invalid value: objects are put\n"
               "spec.resources[c].template.kind: Invalid value: belongs to no namespace\n"
               "spec.resources[d].template.kind: Invalid value: must be the kind of one object\n"
               "spec.resources[o].template.metadata.ownerReferences: Invalid value: is the clus");
}

static void patches_and_targets_are_looked_at(void **state)
{
    (void)state;
    has_faults("patches:\n"
               "- target: {group: apps/v1, version: v1, kind: Deployment}\n"
               "  operations:\n"
               "  - {op: move, path: /a, value: 1}\n"
               "  - {op: add, path: /a}\n"
               "  - {op: replace, path: 'a[?(@.n)]', value: 1}\n"
               "  - {op: add, path: '/a[?(@.n)]', value: 1}\n"
               "  - {op: add, path: 'of ${metadata.name}', value: 1}\n"
               "- {target: {group: '', version: v1, kind: Node}, operations: []}\n"
               "removes:\n"
               "- target: {group: apps, version: v1, kind: Deployment}\n"
               "- target: {group: example.com, version: v1, kind: Deployment}\n"
               "- target: {group: '', version: v1, kind: 'config map'}\n"
               "validations: [{rule: '${true}', message: x}]\n"
               "preRenderValidations: [{rule: '${true}', message: x}]",
               check_trait,
               "spec.validations: Invalid value: is the older name of preRenderValidations\n"
               "spec.patches[0].target: Invalid value: apps/v1 is group: apps and version: v1\n"
               "spec.patches[0].operations[0]: Invalid value: move /a: op must be add, replace\n"
               "spec.patches[0].operations[1]: Invalid value: add /a: there is no value\n"
               "spec.patches[0].operations[2]: Invalid value: replace a[?(@.n)]: a path starts\n"
               "spec.patches[0].operations[3]: Invalid value: add /a[?(@.n)]: a filter must look\n"
               "spec.patches[1].target.kind: Invalid value: no type can make objects\n"
               "spec.removes[0].target: Forbidden: the workload is the type's\n"
               "spec.removes[2].target.kind: Invalid value: no object has such a kind");
}

static void embedded_traits_have_names_of_their_own(void **state)
{
    (void)state;
    has_faults("traits:\n"
               "- {name: tls, instanceName: a}\n"
               "- {kind: Trait, name: log, instanceName: a}\n"
               "- {kind: ClusterTrait, name: log, instanceName: b}\n"
               "allowedTraits: [{name: log}, {name: other}]",
               check_component_type,
               "spec.traits[1].instanceName: Duplicate value: \"a\"\n"
               "spec.allowedTraits[0]: Invalid value: the type brings this trait along itself");
}

static void schemas_must_be_able_to_mean_something(void **state)
{
    (void)state;
    has_faults(
        "parameters:\n"
        "  openAPIV3Schema:\n"
        "    type: object\n"
        "    $defs:\n"
        "      Loop: {type: object, properties: {next: {$ref: '#/$defs/Loop'}}}\n"
        "      Odd: {type: strnig}\n"
        "    required: [a, b]\n"
        "    properties:\n"
        "      a: {type: string, pattern: '(', default: 5}\n"
        "      c: {type: integer, default: x, minimum: 1}\n"
        "      d: {$ref: '#/definitions/D'}\n"
        "      e: {$ref: '#/$defs/Loop'}\n"
        "      f: {type: array, items: {$ref: '#/$defs/Odd'}}\n"
        "      g: {type: object, default: {}, properties: {h: {type: integer, default: 1}}}\n"
        "      i: {enum: []}\n"
        "      j: string\n"
        "environmentConfigs: {openAPIV3Schema: {type: array}}",
        check_trait,
        "spec.parameters.openAPIV3Schema.properties.a.pattern: Invalid value\n"
        "spec.parameters.openAPIV3Schema.properties.c.default: Invalid value: default: must\n"
        "spec.parameters.openAPIV3Schema.properties.d.$ref: Invalid value: points nowhere\n"
        "spec.parameters.openAPIV3Schema.properties.e.properties.next.$ref: Invalid value: "
        "leads back to itself\n"
        "spec.parameters.openAPIV3Schema.properties.f.items.type: Invalid value: must be\n"
        "spec.parameters.openAPIV3Schema.properties.i.enum: Invalid value: must list\n"
        "spec.parameters.openAPIV3Schema.properties.j: Invalid value: must be a schema\n"
        "spec.parameters.openAPIV3Schema.required[1]: Invalid value: names no property\n"
        "spec.environmentConfigs.openAPIV3Schema.type: Invalid value: must be object");
}

/* A trait whose schema has so many definitions, each referring to the one below it twice. */
static void levels(struct buf *out, int count, const char *beside)
{
    buf_add_cstr(out, "parameters:\n  openAPIV3Schema:\n    type: object\n    $defs:\n"
                      "      d0: {type: object}\n");
    for (int i = 1; i <= count; i++) {
        buf_addf(out, "      d%d: {type: object, properties: {", i);
        buf_addf(out, "a: {$ref: '#/$defs/d%d'%s}, b: {$ref: '#/$defs/d%d'%s}}}\n", i - 1, beside,
                 i - 1, beside);
    }
    buf_addf(out, "    properties: {all: {$ref: '#/$defs/d%d'}}\n", count);
}

static void schemas_are_walked_once_however_many_ways_lead_to_them(void **state)
{
    (void)state;
    struct buf spec = {0};
    levels(&spec, 40, "");
    is_right(buf_cstr(&spec), check_trait);
    buf_clear(&spec);
    levels(&spec, 40, ", default: {}");
    has_faults(buf_cstr(&spec), check_trait,
               "spec.parameters.openAPIV3Schema.properties.all.properties.a.properties.a.");
    buf_free(&spec);
}

static void resource_types_have_outputs_of_one_kind(void **state)
{
    (void)state;
    has_faults(
        "resources:\n"
        "- {id: d, readyWhen: 'true', template: " OBJECT(
            "{a: '${applied.d}'}") "}\n"
                                   "- {id: d, template: " OBJECT(
                                       "{a: '${workload}'}") "}\n"
                                                             "outputs:\n"
                                                             "- {name: a}\n"
                                                             "- {name: b, value: '${nobody}', "
                                                             "secretKeyRef: {name: x, key: y}}\n"
                                                             "- {name: b, value: x}",
        check_resource_type,
        "spec.resources[1].id: Duplicate value: \"d\"\n"
        "spec.outputs[2].name: Duplicate value: \"b\"\n"
        "spec.resources[d].template.data.a: Invalid value: column 3: undeclared\n"
        "spec.resources[d].template.data.a: Invalid value: column 3: undeclared\n"
        "spec.resources[d].readyWhen: Invalid value: column 1: one expression is wanted\n"
        "spec.outputs[a]: Invalid value: needs exactly one of value, secretKeyRef\n"
        "spec.outputs[b].value: Invalid value: column 3: undeclared reference to 'nobody'\n"
        "spec.outputs[b]: Invalid value: needs exactly one of value, secretKeyRef");
}

static void credentials_are_for_templates_alone(void **state)
{
    (void)state;
    has_faults("credentials: [{name: password}, {name: password}]\n"
               "resources:\n"
               "- {id: s, readyWhen: '${credentials.password == \"\"}', template: " OBJECT(
                   "{a: '${credentials.password}'}") "}\n"
                                                     "outputs: [{name: a, value: "
                                                     "'${credentials.password}'}]",
               check_resource_type,
               "spec.credentials[1].name: Duplicate value: \"password\"\n"
               "spec.resources[s].readyWhen: Invalid value: column 3: undeclared reference\n"
               "spec.outputs[a].value: Invalid value: column 3: undeclared reference");
}

/* A cell's Namespace, with more of its entry, and its name. */
#define CELL(more, name)                                                                           \
    "{id: ns, " more "template: {apiVersion: v1, kind: Namespace, metadata: {name: '" name "'}}}"
#define CELL_OF_ITS_OWN CELL("", "${metadata.namespace}")

static void a_cell_is_its_namespace(void **state)
{
    (void)state;
    is_right("resources: [" CELL_OF_ITS_OWN "]", check_cell_type);
    has_faults("resources: [{id: c, template: " OBJECT("{}") "}]", check_cell_type,
               "spec.resources: Invalid value: one, and no more, must make the cell's Namespace");
    has_faults("resources: [" CELL_OF_ITS_OWN ", " CELL_OF_ITS_OWN "]", check_cell_type,
               "spec.resources[1].id: Duplicate value\n"
               "spec.resources: Invalid value: one, and no more, must make");
    has_faults(
        "resources: [" CELL("includeWhen: '${true}', forEach: '${[1]}', ", "shop") "]",
        check_cell_type,
        "spec.resources[ns].includeWhen: Invalid value: the cell's Namespace is there\n"
        "spec.resources[ns].forEach: Invalid value: the cell's Namespace is there\n"
        "spec.resources[ns].template.metadata.name: Invalid value: must be ${metadata.names");
    has_faults(
        "resources: [" CELL("targetPlane: observabilityplane, ", "${metadata.namespace}") "]",
        check_cell_type, "spec.resources: Invalid value: one, and no more, must make");
    /* no other type makes one */
    has_faults("resources: [" CELL_OF_ITS_OWN "]", check_component_type,
               "spec.resources[ns].template.kind: Invalid value: belongs to no namespace");
}

static void a_cells_templates_see_what_cells_have(void **state)
{
    (void)state;
    is_right("environmentConfigs: {openAPIV3Schema: {type: object}}\n"
             "validations: [{rule: '${organization.strict}', message: x}]\n"
             "resources: [" CELL_OF_ITS_OWN ", {id: c, forEach: '${access}', var: a, template: "
             "{apiVersion: velero.io/v1, kind: Schedule, metadata: {name: '${a.group}', namespace: "
             "velero}, spec: {q: '${quotas}', l: '${limits}', p: '${dataplane}', g: '${gateway}', "
             "e: '${environment}', c: '${environmentConfigs}'}}}]",
             check_cell_type);
    has_faults("resources: [" CELL_OF_ITS_OWN ", {id: c, template: " OBJECT(
                   "{a: '${parameters.x}', b: '${workload}'}") "}, {id: r, template: {apiVersion: "
                                                               "v1, kind: ClusterRole, metadata: "
                                                               "{name: x}}}]",
               check_cell_type,
               "spec.resources[c].template.data.a: Invalid value: column 3: undeclared reference "
               "to 'parameters'\n"
               "spec.resources[c].template.data.b: Invalid value: column 3: undeclared\n"
               "spec.resources[r].template.kind: Invalid value: belongs to no namespace");
}

static size_t causes_of(const char *yaml, struct causes *causes)
{
    json_t *object;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(yaml), "test", &object, &err), &err);
    check_object(object, causes);
    json_decref(object);
    return causes->count;
}

static void an_objects_cause_names_field_and_column(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    assert_int_equal(causes_of("{apiVersion: choreo.dev/v1, kind: ClusterComponentType, spec: "
                               "{resources: [{id: d, template: " OBJECT("{a: 'x ${1 + }'}") "}]}}",
                               &causes),
                     1);
    assert_slice(causes.items[0].field, "spec.resources[d].template.data.a");
    assert_true(slice_starts_with(causes.items[0].message, SLICE("Invalid value: column ")));
    assert_int_equal(causes_of("{apiVersion: choreo.dev/v1, kind: Trait, spec: "
                               "{creates: [{template: " OBJECT("{a: '${nobody}'}") "}]}}",
                               &causes),
                     2);
    assert_slice(causes.items[1].field, "spec.creates[0].template.data.a");
    assert_int_equal(causes_of("{apiVersion: choreo.dev/v1, kind: ClusterProjectType, spec: "
                               "{resources: [{template: " OBJECT("{}") "}]}}",
                               &causes),
                     3);
    assert_slice(causes.items[2].field, "spec.resources");
    /* OpenChoreo's adds to cells: it need not make the Namespace, and is not ours to check */
    assert_int_equal(causes_of("{apiVersion: openchoreo.dev/v1alpha1, kind: ClusterProjectType, "
                               "spec: {resources: [{template: " OBJECT("{}") "}]}}",
                               &causes),
                     3);
    /* other kinds may say ${ as they like */
    assert_int_equal(causes_of("{apiVersion: v1, kind: ConfigMap, data: {a: '${'}}", &causes), 3);
    assert_int_equal(causes_of("{apiVersion: other.dev/v1, kind: Trait, spec: "
                               "{creates: [{template: " OBJECT("{a: '${nobody}'}") "}]}}",
                               &causes),
                     3);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_built_in_type_is_right),
        cmocka_unit_test(names_and_syntax_are_found_wrong_where_they_stand),
        cmocka_unit_test(conditions_and_loops_are_one_expression),
        cmocka_unit_test(loops_and_targets_bring_their_variables),
        cmocka_unit_test(what_templates_say_literally_is_looked_at),
        cmocka_unit_test(patches_and_targets_are_looked_at),
        cmocka_unit_test(embedded_traits_have_names_of_their_own),
        cmocka_unit_test(schemas_must_be_able_to_mean_something),
        cmocka_unit_test(schemas_are_walked_once_however_many_ways_lead_to_them),
        cmocka_unit_test(resource_types_have_outputs_of_one_kind),
        cmocka_unit_test(credentials_are_for_templates_alone),
        cmocka_unit_test(a_cell_is_its_namespace),
        cmocka_unit_test(a_cells_templates_see_what_cells_have),
        cmocka_unit_test(an_objects_cause_names_field_and_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
