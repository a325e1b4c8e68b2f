/* Rules of schemas, as CEL: what holds, what is said when it does not, changes, Kubernetes' view of
 * values, and that costly ones end. */
#include "tests/unit/proto/fixture.h"

#include "render/expressions.h"
#include "proto/schema_build.h"

static const struct schema *built(struct fixture *f, const char *text)
{
    const json_t *schema = tree(f, text);
    struct causes causes = {.arena = &f->arena};
    struct buf all = {0};
    schema_check(schema, SLICE("s"), &expressions_cel, &causes);
    causes_text(&causes, &all);
    assert_string_equal(buf_cstr(&all), "");
    buf_free(&all);
    return schema_build(&f->arena, schema, &expressions_cel);
}

static const char *judged(struct fixture *f, const struct schema *s, const char *value,
                          const char *old)
{
    struct causes causes = {.arena = &f->arena};
    struct buf all = {0};
    schema_validate_rules(s, tree(f, value), old != NULL ? tree(f, old) : NULL, SLICE(""), &causes);
    causes_text(&causes, &all);
    char *copy = arena_cstr(&f->arena, buf_slice(&all));
    buf_free(&all);
    return copy;
}

/* A schema of one object `spec`, with these members and rules. */
static const struct schema *spec(struct fixture *f, const char *properties, const char *rules)
{
    return built(f, arena_printf(&f->arena,
                                 "{'type':'object','properties':{'spec':{'type':'object',"
                                 "'properties':{%s},'x-kubernetes-validations':[%s]}}}",
                                 properties, rules));
}

static void a_rule_holds_or_is_said(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        spec(f, "'a':{'type':'integer'},'b':{'type':'integer'}",
             "{'rule':'self.a <= self.b'},"
             "{'rule':'self.a > 0','message':'a must be positive'},"
             "{'rule':'self.b < 10','messageExpression':'\\\"b is \\\" + string(self.b)',"
             "'fieldPath':'.b','reason':'FieldValueForbidden'}");
    assert_string_equal(judged(f, s, "{'spec':{'a':1,'b':2}}", NULL), "");
    assert_string_equal(judged(f, s, "{'spec':{'a':2,'b':1}}", NULL),
                        "spec: Invalid value: \"object\": failed rule: self.a <= self.b");
    assert_string_equal(judged(f, s, "{'spec':{'a':0,'b':1}}", NULL),
                        "spec: Invalid value: \"object\": a must be positive");
    assert_string_equal(judged(f, s, "{'spec':{'a':1,'b':11}}", NULL),
                        "spec.b: Forbidden: b is 11");
    assert_string_equal(judged(f, s, "{}", NULL), ""); /* nothing is there to hold for */
}

static void a_rule_that_fails_says_how(void **state)
{
    struct fixture *f = *state;
    const struct schema *s = spec(f, "'a':{'type':'integer'}", "{'rule':'self.a > 0'}");
    const char *said = judged(f, s, "{'spec':{}}", NULL);
    assert_non_null(strstr(said, "spec: Invalid value: \"object\": rule \"self.a > 0\""));
    assert_non_null(strstr(said, "no such key"));
}

static void what_did_not_change_may_break_a_new_rule(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        spec(f,
             "'a':{'type':'integer','x-kubernetes-validations':[{'rule':'self > 1/(self-self)'}]},"
             "'b':{'type':'integer','x-kubernetes-validations':["
             "{'rule':'self < 5'},{'rule':'self > oldSelf','message':'must grow'}]},"
             "'c':{'type':'integer'}",
             "{'rule':'self.b < 9','message':'too much'}");
    assert_string_equal(judged(f, s, "{'spec':{'b':7}}", "{'spec':{'b':6}}"),
                        "spec.b: Invalid value: 7: failed rule: self < 5");
    assert_string_equal(judged(f, s, "{'spec':{'b':7}}", "{'spec':{'b':7}}"),
                        "spec.b: Invalid value: 7: must grow");
    assert_string_equal(judged(f, s, "{'spec':{'a':1}}", "{'spec':{'a':1}}"), "");
    assert_string_equal(judged(f, s, "{'spec':{'a':1,'b':99}}", "{'spec':{'a':1,'b':98}}"),
                        "[spec: Invalid value: \"object\": too much, "
                        "spec.b: Invalid value: 99: failed rule: self < 5]");
}

static void a_message_that_fails_gives_way(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        spec(f, "'a':{'type':'integer'}",
             "{'rule':'false','message':'no','messageExpression':'string(self.a)'},"
             "{'rule':'false','messageExpression':'\\\"  \\\"'}");
    assert_string_equal(judged(f, s, "{'spec':{}}", NULL),
                        "[spec: Invalid value: \"object\": no, "
                        "spec: Invalid value: \"object\": failed rule: false]");
}

static void rules_about_changes_hold_for_changes(void **state)
{
    struct fixture *f = *state;
    const struct schema *s = built(
        f, "{'type':'object','properties':{'z':{'type':'string','x-kubernetes-validations':["
           "{'rule':'self == oldSelf','message':'is immutable'}]},"
           "'once':{'type':'boolean','x-kubernetes-validations':["
           "{'rule':'oldSelf.hasValue() || !self','optionalOldSelf':true}]},"
           "'l':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
           "'items':{'type':'object','required':['k'],'properties':{'k':{'type':'string'},"
           "'v':{'type':'integer'}},'x-kubernetes-validations':[{'rule':'self.v >= oldSelf.v',"
           "'message':'only grows'}]}}}}");
    assert_string_equal(judged(f, s, "{'z':'a'}", NULL), "");
    assert_string_equal(judged(f, s, "{'z':'a'}", "{}"), "");
    assert_string_equal(judged(f, s, "{'z':'a'}", "{'z':'a'}"), "");
    assert_string_equal(judged(f, s, "{'z':'b'}", "{'z':'a'}"),
                        "z: Invalid value: \"b\": is immutable");
    assert_string_equal(judged(f, s, "{'once':true}", "{'once':false}"), "");
    assert_non_null(strstr(judged(f, s, "{'once':true}", "{}"), "once: Invalid value: true"));
    /* Items of map lists are found again wherever they moved. */
    assert_string_equal(
        judged(f, s, "{'l':[{'k':'y','v':1},{'k':'x','v':5}]}", "{'l':[{'k':'x','v':5}]}"), "");
    assert_string_equal(
        judged(f, s, "{'l':[{'k':'y','v':1},{'k':'x','v':4}]}", "{'l':[{'k':'x','v':5}]}"),
        "l[1]: Invalid value: \"object\": only grows");
}

static void values_are_what_kubernetes_shows(void **state)
{
    struct fixture *f = *state;
    const struct schema *s =
        spec(f,
             "'t':{'type':'string','format':'date-time'},'d':{'type':'string','format':'duration'},"
             "'b':{'type':'string','format':'byte'},'n':{'type':'number'},"
             "'a-b':{'type':'integer'},'namespace':{'type':'string'},'x__y':{'type':'integer'},"
             "'m':{'type':'object','additionalProperties':{'type':'integer'}}",
             "{'rule':'self.t > timestamp(\\\"2020-01-01T00:00:00Z\\\")'},"
             "{'rule':'self.d < duration(\\\"1h\\\")'},{'rule':'size(self.b) == 2'},"
             "{'rule':'self.n * 2.0 == 6.0'},{'rule':'self.a__dash__b == 1'},"
             "{'rule':'self.__namespace__ == \\\"n\\\"'},{'rule':'self.x__underscores__y == 2'},"
             "{'rule':'self.m[\\\"k-k\\\"] == 3'},"
             "{'rule':'[1, 2, 3].isSorted() && [3, 1].max() == 3 && [1, 2].sum() == 3'}");
    assert_string_equal(judged(f, s,
                               "{'spec':{'t':'2026-01-02T03:04:05Z','d':'5m','b':'aGk=','n':3,"
                               "'a-b':1,'namespace':'n','x__y':2,'m':{'k-k':3}}}",
                               NULL),
                        "");
}

/* Of an object with members of many shapes. */
static void check_rule(struct fixture *f, const char *rule, struct causes *causes)
{
    json_t *schema = json_deep_copy(
        tree(f, "{'type':'object','properties':{'a':{'type':'integer'},'d-d':{'type':'integer'},"
                "'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
                "'l':{'type':'array','items':{'type':'object','properties':{'k':{'type':"
                "'string'}}}},"
                "'m':{'type':'object','additionalProperties':{'type':'integer'}},"
                "'t':{'type':'string','format':'date-time'},'d':{'type':'string','format':"
                "'duration'},'y':{'type':'string','format':'byte'},'q':{"
                "'x-kubernetes-int-or-string':true},'z':{'type':'integer','nullable':true}}}"));
    json_object_set_new(schema, "x-kubernetes-validations",
                        json_pack("[{s:s,s:b}]", "rule", rule, "optionalOldSelf", 0));
    schema_check(schema, SLICE("s"), &expressions_cel, causes);
    json_decref(schema);
}

static void broken_rules_are_refused_with_their_column(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *rule;
        const char *text;
    } broken[] = {
        {"self.a >", "column 9"},
        {"self.a == other", "column 11"},
        {"nothing(self)", "column 1"},
        {"self.a.b.c(", "column 12"},
        {"self.a == 1 && self.b > 0", "column 21: undefined field 'b'"},
        {"has(self.a.x)", "column 1: type 'int' does not support field selection"},
        {"self.l.all(i, i.k == i.none)", "undefined field 'none'"},
        {"self.l.filter(i, true)[0].none", "undefined field 'none'"},
        {"self.m.all(k, self.m[k].none == 1)", "type 'int' does not support field selection"},
        {"oldSelf.none == 1", "undefined field 'none'"},
        {"self.a == 'x'", "column 8: found no matching overload for '_==_' applied to "
                          "'(int, string)'"},
        {"self.l[0].k > 1", "column 13: found no matching overload for '_>_'"},
        {"self.m['x'].startsWith('y')", "applied to 'int.(string)'"},
        {"self.m.all(k, k > 1)", "applied to '(string, int)'"},
        {"self['a'] == 1", "found no matching overload for '_[_]' applied to '(object, "
                           "string)'"},
        {"self.t > self.d", "applied to '(timestamp, duration)'"},
        {"self.a", "column 6: expected type 'bool' but found 'int'"},
        {"self.l.exists(i, i.k)", "expected type 'bool' but found 'string'"}};
    static const char *const fine[] = {
        "self.a == 1 && self.free.any.thing == 2 && self.metadata.name != ''",
        "self.l.all(i, i.k == '' && self.m[i.k] > 0) && self.l.exists(i, has(i.k))",
        "self.m.all(k, k.startsWith('a') && self.m[k] > 0)",
        "self.l.map(i, {'x': i.k}).all(o, o.x == '')",
        "(self.a == 1 ? self.l[0] : self.l[1]).k == '' || self.d__dash__d == 1",
        "self.?a.orValue(1) == 1",
        "self.t + self.d > timestamp('2020-01-01T00:00:00Z') && size(self.y) == 2",
        "self.q == 1 || self.q == '1' || quantity(self.q).isInteger()",
        "self.z == null || self.z > 1 || self.z in [1, 2]",
        "[has(self.a), has(self.l)].exists_one(x, x)",
        "self.l.all(x, self.l.exists_one(y, y.k == x.k)) && self.l.filter(x, has(x.k)).size() < 9",
        "type(self.q) == int ? self.q > 0 : self.q.matches('^[0-9]+%$')",
        "self.l.map(i, i.k).isSorted() && self.m.all(k, self.m[k] > 0 && !(k in ['x']))",
        "duration(self.d) > duration('1s') && int(self.t) > 0 && self.t.getHours('UTC') < 12",
        "dyn(self).nothing == 1 && self.?l[0].?k.orValue('') == '' && self.m.?x.hasValue()",
        "self.a <= 1.5 && double(self.a) == 1.0 && '%d'.format([self.a]) == '1'",
        "self.l == oldSelf.l && self == oldSelf && self.m == {}"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct causes causes = {.arena = &f->arena};
        check_rule(f, broken[i].rule, &causes);
        assert_int_equal(causes.count, 1);
        if (!has_cause(&causes, "s.x-kubernetes-validations[0].rule", broken[i].text)) {
            fail_msg("%s: %.*s", broken[i].rule, SLICE_ARG(causes.items[0].message));
        }
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        struct causes causes = {.arena = &f->arena};
        check_rule(f, fine[i], &causes);
        if (causes.count > 0) {
            fail_msg("%s: %.*s", fine[i], SLICE_ARG(causes.items[0].message));
        }
    }
}

/* A definition that was accepted before its rules' types were looked at still has its rules. */
static void stored_rules_hold_whatever_their_types(void **state)
{
    struct fixture *f = *state;
    const json_t *definition =
        tree(f, "{'type':'object','properties':{'a':{'type':'integer'},'s':{'type':'string'}},"
                "'x-kubernetes-validations':[{'rule':'self[\\'a\\'] == 1','message':'not 1'},"
                "{'rule':'!has(self.s) || self.a == self.s'}]}");
    struct causes causes = {.arena = &f->arena};
    schema_check(definition, SLICE("s"), &expressions_cel, &causes);
    assert_int_equal(causes.count, 2);
    const struct schema *s = schema_build(&f->arena, definition, &expressions_cel);
    assert_string_equal(judged(f, s, "{'a':1}", NULL), "");
    assert_non_null(strstr(judged(f, s, "{'a':2}", NULL), "not 1"));
    assert_non_null(strstr(judged(f, s, "{'a':1,'s':'1'}", NULL), "failed rule"));
}

static void costly_rules_end(void **state)
{
    struct fixture *f = *state;
    const struct schema *s = built(
        f, "{'type':'object','properties':{'l':{'type':'array','items':{'type':'integer',"
           "'x-kubernetes-validations':[{'rule':'[0,1,2,3,4,5,6,7,8,9].all(a,"
           "[0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, a + b + c < 99)))'}]}}}}");
    struct buf text = {0};
    buf_add_cstr(&text, "{'l':[0");
    for (int i = 0; i < 20000; i++) {
        buf_add_cstr(&text, ",1");
    }
    buf_add_cstr(&text, "]}");
    const char *said = judged(f, s, buf_cstr(&text), NULL);
    assert_non_null(strstr(said, "Forbidden: the rules of the schema cost too much"));
    buf_free(&text);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_rule_holds_or_is_said),
        T(a_rule_that_fails_says_how),
        T(a_message_that_fails_gives_way),
        T(what_did_not_change_may_break_a_new_rule),
        T(rules_about_changes_hold_for_changes),
        T(values_are_what_kubernetes_shows),
        T(broken_rules_are_refused_with_their_column),
        T(stored_rules_hold_whatever_their_types),
        T(costly_rules_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
