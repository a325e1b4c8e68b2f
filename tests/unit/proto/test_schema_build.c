/* Schemas from definitions: what makes one structural, what the table then defaults, prunes and
 * refuses, and that hostile ones stay harmless. */
#include "tests/unit/proto/fixture.h"

#include "proto/schema_build.h"
#include "proto/schema_build_internal.h"

#define PATH "s"

/* ---- structural or not ---- */

struct refusal {
    const char *schema;
    const char *field;
    const char *text;
};

static const struct refusal refusals[] = {
    {"{}", "s.type", "Required value: must not be empty at the root"},
    {"{'type':'string'}", "s.type", "must be object at the root"},
    {"{'type':'object','properties':{'a':{}}}", "s.properties[a].type",
     "Required value: must not be empty for specified object fields"},
    {"{'type':'object','properties':{'a':{'type':'array','items':{}}}}",
     "s.properties[a].items.type", "must not be empty for specified array items"},
    {"{'type':'object','additionalProperties':{}, 'properties':{'b':{'type':'x'}}}",
     "s.properties[b].type", "Unsupported value: \"x\""},
    {"{'type':'object','properties':{'a':{'type':'array'}}}", "s.properties[a].items",
     "Required value: must be specified"},
    {"{'type':'object','properties':{'a':{'type':'array','items':[{'type':'string'}]}}}",
     "s.properties[a].items", "must be a schema object and not an array"},
    {"{'type':'object','properties':{'a':{'$ref':'#/x','type':'object'}}}", "s.properties[a].$ref",
     "Forbidden"},
    {"{'type':'object','definitions':{}}", "s.definitions", "Forbidden"},
    {"{'type':'object','additionalProperties':false}", "s.additionalProperties",
     "cannot be set to false"},
    {"{'type':'object','additionalProperties':{'type':'string'},"
     "'properties':{'a':{'type':'string'}}}",
     "s.additionalProperties", "mutual exclusive"},
    {"{'type':'object','properties':{'a':{'type':'array','uniqueItems':true,"
     "'items':{'type':'string'}}}}",
     "s.properties[a].uniqueItems", "quadratic"},
    {"{'type':'object','x-kubernetes-preserve-unknown-fields':false}",
     "s.x-kubernetes-preserve-unknown-fields", "must be true or undefined"},
    {"{'type':'object','properties':{'a':{'type':'integer','x-kubernetes-int-or-string':true}}}",
     "s.properties[a].type", "must be empty if x-kubernetes-int-or-string is true"},
    {"{'type':'object','properties':{'a':{'type':'string','x-kubernetes-embedded-resource':true}}}",
     "s.properties[a].type", "must be object if x-kubernetes-embedded-resource is true"},
    {"{'type':'object','properties':{'a':{'type':'object','x-kubernetes-embedded-resource':true}}}",
     "s.properties[a].properties", "Required value"},
    {"{'type':'object','properties':{'metadata':{'type':'object',"
     "'properties':{'labels':{'type':'object'}}}}}",
     "s.properties[metadata]", "must not specify anything other than name and generateName"},
    {"{'type':'object','anyOf':[{'properties':{'a':{'minimum':1}}}]}", "s.anyOf[0].properties[a]",
     "must be described outside"},
    {"{'type':'object','not':{'type':'object','description':'x'}}", "s.not.description",
     "must be empty to be structural"},
    {"{'type':'object','allOf':[{'x-kubernetes-validations':[{'rule':'true'}]}]}",
     "s.allOf[0].x-kubernetes-validations", "must be empty to be structural"},
    {"{'type':'object','properties':{'a':{'type':'string','pattern':'(a'}}}",
     "s.properties[a].pattern", "column 3"},
    {"{'type':'object','properties':{'a':{'type':'integer','minimum':'x'}}}",
     "s.properties[a].minimum", "must be a number"},
    {"{'type':'object','properties':{'a':{'type':'string','minLength':-1}}}",
     "s.properties[a].minLength", "not negative"},
    {"{'type':'object','properties':{'a':{'type':'integer','multipleOf':0}}}",
     "s.properties[a].multipleOf", "greater than 0"},
    {"{'type':'object','properties':{'a':{'type':'integer','minimum':2,'default':1}}}",
     "s.properties[a].default", "must be greater than or equal to 2"},
    {"{'type':'object','properties':{'a':{'type':'object','default':{'x':1}}}}",
     "s.properties[a].default", "must not have unknown fields"},
    {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'string'},"
     "'x-kubernetes-list-type':'bag'}}}",
     "s.properties[a].x-kubernetes-list-type", "Unsupported value: \"bag\""},
    {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'object'},"
     "'x-kubernetes-list-type':'map'}}}",
     "s.properties[a].x-kubernetes-list-map-keys", "Required value"},
    {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'object'},"
     "'x-kubernetes-list-type':'set'}}}",
     "s.properties[a].items", "must be scalar or atomic"},
    {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'object',"
     "'properties':{'k':{'type':'string'}}},'x-kubernetes-list-type':'map',"
     "'x-kubernetes-list-map-keys':['k','l']}}}",
     "s.properties[a].x-kubernetes-list-map-keys[1]", "names of item properties"},
    {"{'type':'object','x-kubernetes-map-type':'loose'}", "s.x-kubernetes-map-type",
     "Unsupported value"},
    {"{'type':'object','x-kubernetes-validations':[{}]}", "s.x-kubernetes-validations[0].rule",
     "rule is not specified"},
    {"{'type':'object','x-kubernetes-validations':[{'rule':'true','reason':'Whim'}]}",
     "s.x-kubernetes-validations[0].reason", "Unsupported value: \"Whim\""},
    {"{'type':'object','x-kubernetes-validations':[{'rule':'true','fieldPath':'a'}]}",
     "s.x-kubernetes-validations[0].fieldPath", "must begin with '.'"},
    {"{'type':'object','properties':{'a':{'type':'array','items':{'type':'object',"
     "'x-kubernetes-validations':[{'rule':'self == oldSelf'}]}}}}",
     "s.properties[a].items.x-kubernetes-validations[0].rule", "oldSelf cannot be used"},
};

static void rules_about_changes_are_those_that_name_what_was(void **state)
{
    struct fixture *f = *state;
    static const char *const transitions[] = {
        "self == oldSelf",
        "self == oldSelf||true",
        "true||oldSelf",
        "{oldSelf}",
        "-oldSelf~",
        "[1,oldSelf]",
        "\"\" == oldSelf",
        "\"a\\\\\" + oldSelf",
        "r\"\\\" + oldSelf",
        "\"\"\"a \"b\" c\"\"\" + oldSelf",
        "true // not yet\n && oldSelf",
        "oldSelf.a",
    };
    static const char *const others[] = {
        "",
        "self",
        "oldSelf2",
        "_oldSelf",
        "self.oldSelf",
        "self . oldSelf",
        "\"oldSelf\"",
        "r\"oldSelf\"",
        "b\"oldSelf\"",
        "\"\"\"\" oldSelf\"\"\"",
        "\"\\\"oldSelf\"",
        "true // oldSelf",
        "\"oldSelf",
    };
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        json_t *rule = json_pack("{s:s}", "rule", transitions[i]);
        if (!schema__rule_transition(rule)) {
            print_error("no transition rule: %s\n", transitions[i]);
        }
        assert_true(schema__rule_transition(rule));
        json_decref(rule);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        json_t *rule = json_pack("{s:s}", "rule", others[i]);
        if (schema__rule_transition(rule)) {
            print_error("a transition rule: %s\n", others[i]);
        }
        assert_false(schema__rule_transition(rule));
        json_decref(rule);
    }
    struct causes causes = {.arena = &f->arena};
    schema_check(tree(f, "{'type':'object','properties':{'a':{'type':'array','items':{"
                         "'type':'object','x-kubernetes-validations':[{'rule':"
                         "'self==oldSelf||true'}]}}}}"),
                 SLICE("s"), NULL, &causes);
    assert_true(has_cause(&causes, "s.properties[a].items.x-kubernetes-validations[0].rule",
                          "oldSelf cannot be used"));
}

static void what_is_not_structural_is_named_with_its_path(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct causes causes = {.arena = &f->arena};
        schema_check(tree(f, refusals[i].schema), SLICE(PATH), NULL, &causes);
        if (!has_cause(&causes, refusals[i].field, refusals[i].text)) {
            struct buf all = {0};
            causes_text(&causes, &all);
            print_error("%s: no \"%s: %s\" in: %s\n", refusals[i].schema, refusals[i].field,
                        refusals[i].text, buf_cstr(&all));
            buf_free(&all);
            fail();
        }
    }
}

static void what_is_structural_passes(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {
        "{'type':'object'}",
        "{'type':'object','x-kubernetes-preserve-unknown-fields':true}",
        "{'type':'object','properties':{'a':{'x-kubernetes-preserve-unknown-fields':true},"
        "'b':{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},{'type':'string'}],"
        "'pattern':'^[0-9]+$'},'c':{'type':'string','nullable':true,'default':null},"
        "'metadata':{'type':'object','properties':{'name':{'type':'string','maxLength':5}}}},"
        "'oneOf':[{'required':['a']},{'required':['b']}],"
        "'not':{'properties':{'c':{'enum':['x']}}}}",
        "{'type':'object','properties':{'l':{'type':'array','x-kubernetes-list-type':'map',"
        "'x-kubernetes-list-map-keys':['k'],'items':{'type':'object',"
        "'properties':{'k':{'type':'string','default':'x'}},"
        "'x-kubernetes-validations':[{'rule':'self.k == oldSelf.k'}]}}}}",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct causes causes = {.arena = &f->arena};
        struct buf all = {0};
        schema_check(tree(f, good[i]), SLICE(PATH), NULL, &causes);
        causes_text(&causes, &all);
        assert_string_equal(buf_cstr(&all), "");
        buf_free(&all);
    }
}

/* ---- what the table does ---- */

static const struct schema *built(struct fixture *f, const char *text)
{
    return schema_build(&f->arena, tree(f, text), NULL);
}

static const char *defaulted(struct fixture *f, const struct schema *s, const char *text)
{
    json_t *value = tree(f, text);
    schema_default(s, value);
    return text_of(f, value);
}

static void defaults_go_where_objects_are(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        built(f, "{'type':'object','properties':{'spec':{'type':'object','properties':{"
                 "'n':{'type':'integer','default':3},"
                 "'o':{'type':'object','default':{},'properties':{'p':{'type':'string',"
                 "'default':'q'}}},"
                 "'x':{'type':'object','properties':{'y':{'type':'integer','default':1}}},"
                 "'l':{'type':'array','items':{'type':'object','properties':{'z':{"
                 "'type':'boolean','default':false}}}},"
                 "'m':{'type':'object','additionalProperties':{'type':'object','properties':{'w':{"
                 "'type':'string','default':'v'}}}}}}}}");
    assert_string_equal(defaulted(f, s, "{}"), "{}");
    assert_string_equal(defaulted(f, s, "{'spec':{}}"), "{'spec':{'n':3,'o':{'p':'q'}}}");
    assert_string_equal(
        defaulted(f, s, "{'spec':{'n':0,'o':{'p':''},'x':{},'l':[{}],'m':{'k':{}}}}"),
        "{'spec':{'l':[{'z':false}],'m':{'k':{'w':'v'}},'n':0,'o':{'p':''},"
        "'x':{'y':1}}}");
}

static const char *pruned(struct fixture *f, const struct schema *s, const char *text,
                          struct causes *unknown)
{
    json_t *value = tree(f, text);
    *unknown = (struct causes){.arena = &f->arena};
    schema_prune(s, value, unknown);
    return text_of(f, value);
}

static void what_is_not_described_is_pruned(void **state)
{
    struct fixture *f = *state;
    struct causes unknown;
    const struct schema *s =
        built(f, "{'type':'object','properties':{"
                 "'a':{'type':'object','properties':{'b':{'type':'string'}}},"
                 "'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
                 "'properties':{'tight':{'type':'object'}}},"
                 "'any':{'x-kubernetes-preserve-unknown-fields':true},"
                 "'pod':{'type':'object','x-kubernetes-embedded-resource':true,"
                 "'x-kubernetes-preserve-unknown-fields':true},"
                 "'map':{'type':'object','additionalProperties':true}}}");
    assert_string_equal(pruned(f, s, "{'a':{'b':'x','c':1},'d':2}", &unknown), "{'a':{'b':'x'}}");
    assert_int_equal(unknown.count, 2);
    assert_true(has_cause(&unknown, "a.c", "unknown field \"a.c\""));
    assert_string_equal(
        pruned(f, s, "{'free':{'x':{'y':1},'tight':{'z':1}},'any':[{'q':1}]}", &unknown),
        "{'any':[{'q':1}],'free':{'tight':{},'x':{'y':1}}}");
    assert_string_equal(
        pruned(f, s, "{'pod':{'kind':'P','metadata':{'name':'n','odd':1},'spec':{'x':1}}}",
               &unknown),
        "{'pod':{'kind':'P','metadata':{'name':'n'},'spec':{'x':1}}}");
    assert_string_equal(pruned(f, s, "{'map':{'k':{'x':1}}}", &unknown), "{'map':{'k':{'x':1}}}");
    /* What every object has needs no description. */
    assert_string_equal(
        pruned(f, s, "{'apiVersion':'a/v1','kind':'K','metadata':{'name':'n'}}", &unknown),
        "{'apiVersion':'a/v1','kind':'K','metadata':{'name':'n'}}");
}

/* old: what the value was, or NULL. */
static const char *broken_since(struct fixture *f, const struct schema *s, const char *text,
                                const char *old)
{
    struct causes causes = {.arena = &f->arena};
    struct buf all = {0};
    schema_validate(s, tree(f, text), old != NULL ? tree(f, old) : NULL, SLICE(""), &causes);
    causes_text(&causes, &all);
    char *copy = arena_cstr(&f->arena, buf_slice(&all));
    buf_free(&all);
    return copy;
}

static const char *broken(struct fixture *f, const struct schema *s, const char *text)
{
    return broken_since(f, s, text, NULL);
}

static void what_was_broken_before_may_stay_as_it_is(void **state)
{
    struct fixture *f = *state;
    const struct schema *s = built(
        f, "{'type':'object','properties':{'spec':{'type':'object','required':['r'],'properties':{"
           "'n':{'type':'integer','minimum':5},'r':{'type':'string'},"
           "'byName':{'type':'array','x-kubernetes-list-type':'map',"
           "'x-kubernetes-list-map-keys':['name'],'items':{'type':'object','required':['name'],"
           "'properties':{'name':{'type':'string'},'v':{'type':'integer','maximum':9}}}},"
           "'plain':{'type':'array','items':{'type':'integer','maximum':9}},"
           "'map':{'type':'object','additionalProperties':{'type':'integer','maximum':9}},"
           "'one':{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}},"
           "'oneOf':[{'required':['a']},{'required':['b']}]},"
           "'all':{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'integer'}},"
           "'allOf':[{'properties':{'a':{'maximum':9}}}]}}}}}");
    static const struct {
        const char *old;
        const char *new;
        const char *causes;
    } cases[] = {
        {"{'spec':{'r':'','n':1}}", "{'spec':{'r':'x','n':1}}", ""},
        {"{'spec':{'r':'','n':1}}", "{'spec':{'r':'x','n':2}}",
         "spec.n: Invalid value: 2: must be greater than or equal to 5"},
        {"{'spec':{'n':1}}", "{'status':1,'spec':{'n':1}}", ""},
        {"{'spec':{'n':1}}", "{'spec':{'n':6}}", "spec.r: Required value"},
        {"{'spec':{'r':'','byName':[{'name':'a','v':10},{'name':'b','v':11}]}}",
         "{'spec':{'r':'','byName':[{'name':'c'},{'name':'b','v':11},{'name':'a','v':12}]}}",
         "spec.byName[2].v: Invalid value: 12: must be less than or equal to 9"},
        {"{'spec':{'r':'','plain':[10]}}", "{'spec':{'r':'x','plain':[10]}}", ""},
        {"{'spec':{'r':'','plain':[10]}}", "{'spec':{'r':'','plain':[10,1]}}",
         "spec.plain[0]: Invalid value: 10: must be less than or equal to 9"},
        {"{'spec':{'r':'','map':{'a':10}}}", "{'spec':{'r':'','map':{'a':10,'b':1}}}", ""},
        {"{'spec':{'r':'','map':{'a':10}}}", "{'spec':{'r':'','map':{'a':11}}}",
         "spec.map[a]: Invalid value: 11: must be less than or equal to 9"},
        {"{'spec':{'r':'','one':{}}}", "{'spec':{'r':'x','one':{}}}", ""},
        {"{'spec':{'r':'','one':{'a':1,'b':1}}}", "{'spec':{'r':'','one':{'a':1,'b':2}}}",
         "spec.one: Invalid value: an object: must validate one and only one schema (oneOf)"},
        {"{'spec':{'r':'','all':{'a':10}}}", "{'spec':{'r':'','all':{'a':10,'b':1}}}", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(broken_since(f, s, cases[i].new, cases[i].old), cases[i].causes);
        assert_true(strlen(broken(f, s, cases[i].new)) > 0); /* were it new */
    }
}

static void what_breaks_a_schema_is_said(void **state)
{
    struct fixture *f = *state;
    const struct schema *s = built(
        f, "{'type':'object','properties':{"
           "'n':{'type':'number','exclusiveMinimum':true,'minimum':0,'multipleOf':0.1},"
           "'e':{'enum':[1,'one',null,{'a':1}],'x-kubernetes-preserve-unknown-fields':true},"
           "'u':{'type':'string','format':'uuid'},'ip':{'type':'string','format':'ipv4'},"
           "'port':{'x-kubernetes-int-or-string':true},'s':{'type':'string','nullable':true},"
           "'pod':{'type':'object','x-kubernetes-embedded-resource':true,'properties':{}},"
           "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
           "'m':{'type':'object','maxProperties':1,'additionalProperties':{'type':'integer'}}},"
           "'anyOf':[{'required':['n']},{'required':['s']}],"
           "'not':{'required':['n','s']}}");
    assert_string_equal(broken(f, s, "{'n':0.3}"), "");
    assert_string_equal(broken(f, s, "{'n':0}"), "n: Invalid value: 0: must be greater than 0");
    assert_string_equal(broken(f, s, "{'n':0.25}"),
                        "n: Invalid value: 0.25: must be a multiple of 0.1");
    assert_string_equal(broken(f, s, "{}"),
                        "Invalid value: an object: must validate at least one schema (anyOf)");
    assert_string_equal(broken(f, s, "{'n':1,'s':'x'}"),
                        "Invalid value: an object: must not validate the schema (not)");
    assert_string_equal(broken(f, s, "{'s':null,'e':{'a':1},'port':80}"), "");
    assert_string_equal(broken(f, s, "{'s':'','e':'two'}"),
                        "e: Unsupported value: \"two\": supported values: 1, \"one\", null, "
                        "{\"a\":1}");
    assert_string_equal(broken(f, s, "{'s':'','u':'x'}"),
                        "u: Invalid value: \"x\": must be a UUID, like "
                        "123e4567-e89b-42d3-a456-426614174000");
    assert_string_equal(
        broken(f, s, "{'s':'','ip':'10.0.0.256'}"),
        "ip: Invalid value: \"10.0.0.256\": must be an IPv4 address, like 10.0.0.1");
    assert_string_equal(broken(f, s, "{'s':'','port':1.5}"),
                        "port: Invalid value: 1.5: must be an integer or a string");
    assert_string_equal(broken(f, s, "{'s':'','pod':{'kind':'P'}}"),
                        "pod.apiVersion: Required value");
    assert_string_equal(broken(f, s, "{'s':'','set':['a','a']}"), "set[1]: Duplicate value: \"a\"");
    assert_string_equal(broken(f, s, "{'s':'','m':{'a':1,'b':2}}"),
                        "m: Too many: 2: must have at most 1 members");
    assert_string_equal(broken(f, s, "{'s':'','m':{'a':'x'}}"),
                        "m[a]: Invalid value: \"x\": must be an integer");
}

static void metadata_may_be_narrowed(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        built(f, "{'type':'object','properties':{'metadata':{'type':'object','properties':{"
                 "'name':{'type':'string','maxLength':3}}}}}");
    assert_string_equal(broken(f, s, "{'metadata':{'name':'abc','labels':{'a':'b'}}}"), "");
    assert_string_equal(broken(f, s, "{'metadata':{'name':'abcd'}}"),
                        "metadata.name: Too long: may not be more than 3 characters");
}

static void keywords_that_are_none_are_named_and_taken_out(void **state)
{
    struct fixture *f = *state;
    struct causes unknown = {.arena = &f->arena};
    json_t *s = tree(f, "{'type':'object','typo':1,'properties':{'typo':{'type':'array','items':{"
                        "'type':'string','pattren':'x'}}},'anyOf':[{'odd':1}],"
                        "'default':{'kept':1}}");
    schema_check_keywords(s, SLICE("s"), &unknown);
    assert_int_equal(unknown.count, 3);
    assert_true(has_cause(&unknown, "s.typo", "unknown field"));
    assert_true(has_cause(&unknown, "s.properties.typo.items.pattren", "unknown field"));
    assert_true(has_cause(&unknown, "s.anyOf[0].odd", "unknown field"));
    assert_string_equal(text_of(f, s),
                        "{'anyOf':[{}],'default':{'kept':1},'properties':{'typo':{'items':{'type':"
                        "'string'},'type':'array'}},'type':'object'}");
}

/* ---- hostile ones ---- */

static void a_schema_has_bounds(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    struct causes causes = {.arena = &f->arena};
    buf_add_cstr(&text, "{'type':'object','properties':{'e':{'type':'string','enum':['v'");
    for (int i = 0; i < SCHEMA_ENUM_MAX; i++) {
        buf_addf(&text, ",'%d'", i);
    }
    buf_add_cstr(&text, "]}");
    for (int i = 0; i < SCHEMA_NODES_MAX; i++) {
        buf_addf(&text, ",'p%d':{'type':'string'}", i);
    }
    buf_add_cstr(&text, "}}");
    schema_check(tree(f, buf_cstr(&text)), SLICE("s"), NULL, &causes);
    assert_true(has_cause(&causes, "s.properties[e].enum", "Too many"));
    bool whole = false;
    for (size_t i = 0; i < causes.count; i++) {
        whole = whole ||
                slice_find(causes.items[i].message, SLICE("at most 10000 schemas")) != SIZE_MAX;
    }
    assert_true(whole);
    buf_free(&text);
}

static void deep_schemas_are_walked_to_their_end(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    struct causes causes = {.arena = &f->arena};
    int depth = (JSON_DEPTH_MAX - 4) / 2;
    buf_add_cstr(&text, "{'type':'object'");
    for (int i = 0; i < depth; i++) {
        buf_add_cstr(&text, ",'properties':{'a':{'type':'object'");
    }
    for (int i = 0; i < depth; i++) {
        buf_add_cstr(&text, "}}");
    }
    buf_add_char(&text, '}');
    schema_check(tree(f, buf_cstr(&text)), SLICE("s"), NULL, &causes);
    assert_int_equal(causes.count, 0);
    assert_non_null(built(f, buf_cstr(&text)));
    buf_free(&text);
}

/* A pattern that backtracks without end, and a value with very many texts for it. */
static void checking_ends_in_time(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        built(f, "{'type':'object','properties':{'l':{'type':'array','items':{'type':'string',"
                 "'pattern':'^(a+)+$'}}}}");
    struct buf text = {0};
    struct causes causes = {.arena = &f->arena};
    buf_add_cstr(&text, "{'l':['x'");
    for (int i = 0; i < 20000; i++) {
        buf_add_cstr(&text, ",'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'");
    }
    buf_add_cstr(&text, "]}");
    double began = test_cpu_seconds();
    schema_validate(s, tree(f, buf_cstr(&text)), NULL, SLICE(""), &causes);
    assert_true(causes.count > 0);
    assert_true(test_cpu_seconds() - began < 10); /* all of it would take hours */
    buf_free(&text);
}

static void defaults_do_not_blow_a_value_up(void **state)
{
    struct fixture *f = *state;
    struct buf text = {0};
    buf_add_cstr(&text,
                 "{'type':'object','properties':{'l':{'type':'array','items':{'type':'object',"
                 "'properties':{'d':{'type':'string','default':'");
    for (int i = 0; i < 10000; i++) {
        buf_add_cstr(&text, "0123456789");
    }
    buf_add_cstr(&text, "'}}}}}}");
    const struct schema *s = built(f, buf_cstr(&text));
    buf_clear(&text);
    buf_add_cstr(&text, "{'l':[{}");
    for (int i = 0; i < 1000; i++) {
        buf_add_cstr(&text, ",{}");
    }
    buf_add_cstr(&text, "]}");
    json_t *value = tree(f, buf_cstr(&text));
    schema_default(s, value);
    buf_clear(&text);
    json_canonical(value, &text);
    assert_true(text.len > OBJECT_BYTES_MAX); /* refused, when it is written */
    assert_true(text.len < 3 * OBJECT_BYTES_MAX);
    buf_free(&text);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_not_structural_is_named_with_its_path),
        T(rules_about_changes_are_those_that_name_what_was),
        T(what_is_structural_passes),
        T(defaults_go_where_objects_are),
        T(what_is_not_described_is_pruned),
        T(what_breaks_a_schema_is_said),
        T(what_was_broken_before_may_stay_as_it_is),
        T(metadata_may_be_narrowed),
        T(keywords_that_are_none_are_named_and_taken_out),
        T(a_schema_has_bounds),
        T(deep_schemas_are_walked_to_their_end),
        T(checking_ends_in_time),
        T(defaults_do_not_blow_a_value_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
