/* Definitions that are damaged at random: whatever is refused or accepted, nothing breaks, and what
 * is accepted can be served: objects of it defaulted, pruned, checked, ruled on, and described. */
#include "tests/unit/proto/fixture.h"

#include "render/expressions.h"
#include "proto/crd.h"
#include "proto/kind_board.h"
#include "proto/openapi.h"
#include "tests/unit/proto/random.h"

enum { ROUNDS = 3000, WOUNDS_MAX = 4 };

static const char whole[] =
    "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':"
    "'as.example.com','uid':'u'},'spec':{'group':'example.com','scope':'Namespaced','names':{"
    "'plural':'as','kind':'A','shortNames':['b'],'categories':['all']},'versions':[{'name':'v1',"
    "'served':true,'storage':true,'subresources':{'status':{},'scale':{'specReplicasPath':"
    "'.spec.n','statusReplicasPath':'.status.n'}},'selectableFields':[{'jsonPath':'.spec.s'}],"
    "'additionalPrinterColumns':[{'name':'N','type':'integer','jsonPath':'.spec.n'}],'schema':{"
    "'openAPIV3Schema':{'type':'object','properties':{'metadata':{'type':'object','properties':{"
    "'name':{'type':'string','maxLength':9}}},'spec':{'type':'object','required':['n'],"
    "'x-kubernetes-validations':[{'rule':'self.n < 5 || has(self.s)','message':'m',"
    "'messageExpression':'\\\"n\\\" + string(self.n)','fieldPath':'.n'}],'properties':{"
    "'n':{'type':'integer','minimum':1,'multipleOf':2,'default':2},"
    "'s':{'type':'string','enum':['a','b'],'default':'a','nullable':true},"
    "'p':{'type':'string','pattern':'^[a-z]+$','minLength':1,'maxLength':4},"
    "'t':{'type':'string','format':'date-time'},'i':{'x-kubernetes-int-or-string':true},"
    "'l':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['k'],"
    "'items':{'type':'object','required':['k'],'properties':{'k':{'type':'string'},'v':{'type':"
    "'integer','x-kubernetes-validations':[{'rule':'self >= oldSelf'}]}}}},"
    "'set':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
    "'m':{'type':'object','additionalProperties':{'type':'number'},'maxProperties':3},"
    "'e':{'type':'object','x-kubernetes-embedded-resource':true,"
    "'x-kubernetes-preserve-unknown-fields':true},"
    "'o':{'type':'object','x-kubernetes-map-type':'atomic','properties':{'x':{'type':'boolean'}}}},"
    "'anyOf':[{'required':['s']},{'properties':{'n':{'maximum':9}}}],'not':{'required':['p','t']}},"
    "'status':{'type':'object','properties':{'n':{'type':'integer'}}}}}}}]},"
    "'status':{'acceptedNames':{'plural':'as','kind':'A','listKind':'AList','singular':'a'},"
    "'storedVersions':['v1']}}";

/* A node of the tree at random, and its parent. */
static json_t *wander(struct random *r, json_t *at, json_t **parent, const char **key,
                      size_t *index)
{
    *parent = NULL;
    while (json_object_size(at) + json_array_size(at) > 0 &&
           (*parent == NULL || random_below(r, 6) > 0)) {
        *parent = at;
        if (json_is_array(at)) {
            *key = NULL;
            *index = random_below(r, (uint32_t)json_array_size(at));
            at = json_array_get(at, *index);
            continue;
        }
        void *it = json_object_iter(at);
        for (uint32_t skip = random_below(r, (uint32_t)json_object_size(at)); skip > 0; skip--) {
            it = json_object_iter_next(at, it);
        }
        *key = json_object_iter_key(it);
        at = json_object_iter_value(it);
    }
    return at;
}

static const char *const keywords[] = {"type",
                                       "properties",
                                       "items",
                                       "additionalProperties",
                                       "anyOf",
                                       "not",
                                       "default",
                                       "enum",
                                       "pattern",
                                       "format",
                                       "required",
                                       "minimum",
                                       "$ref",
                                       "nullable",
                                       "maxItems",
                                       "x-kubernetes-validations",
                                       "x-kubernetes-list-type",
                                       "x-kubernetes-map-type",
                                       "x-kubernetes-int-or-string",
                                       "x-kubernetes-preserve-unknown-fields",
                                       "x-kubernetes-embedded-resource",
                                       "x-kubernetes-list-map-keys"};
static const char *const words[] = {"object", "array", "string", "integer", "map",  "set",
                                    "atomic", "(",     "self",   "n",       "a.b*", "oldSelf"};

static json_t *junk(struct random *r)
{
    if (random_below(r, 2) == 0) {
        return json_string(words[random_below(r, sizeof(words) / sizeof(words[0]))]);
    }
    return random_json(r, 2);
}

static void wound(struct random *r, json_t *object)
{
    json_t *parent;
    const char *key = NULL;
    size_t index = 0;
    json_t *spec = json_object_get(object, "spec");
    json_t *schema = json_at(json_array_get(json_object_get(spec, "versions"), 0), "schema",
                             "openAPIV3Schema", "properties", "spec", NULL);
    spec = schema != NULL && random_below(r, 4) > 0 ? schema : spec;
    json_t *at = wander(r, spec, &parent, &key, &index);
    uint32_t how = random_below(r, 4);
    if (how == 0 && json_is_object(at)) {
        const char *keyword = keywords[random_below(r, sizeof(keywords) / sizeof(keywords[0]))];
        json_object_set_new(at, keyword, junk(r));
    } else if (how == 1 && parent != NULL && key != NULL) {
        json_object_del(parent, key);
    } else if (parent != NULL && key != NULL) {
        /* A subtree from elsewhere, or junk. */
        json_t *other =
            random_below(r, 2)
                ? json_deep_copy(wander(r, spec, &(json_t *){NULL}, &(const char *){NULL}, &index))
                : junk(r);
        json_object_set_new(parent, key, other);
    } else if (parent != NULL) {
        json_array_set_new(parent, index, junk(r));
    }
}

static void serve(struct fixture *f, struct random *r, const json_t *object)
{
    struct crd *crd = crd_compile(object, &expressions_cel);
    for (size_t i = 0; i < crd->kind_count; i++) {
        const struct kind *k = &crd->kinds[i];
        struct causes causes = {.arena = &f->arena};
        json_t *value = random_value(r, k->schema, 6);
        json_t *old = random_value(r, k->schema, 6);
        schema_prune(k->schema, value, &causes);
        schema_default(k->schema, value);
        schema_validate(k->schema, value, NULL, SLICE(""), &causes);
        schema_validate_rules(k->schema, value, old, SLICE(""), &causes);
        json_decref(value);
        json_decref(old);
    }
    struct kind_board board;
    struct buf text = {0};
    kind_board_init(&board, &f->registry);
    kind_board_publish(&board, &crd, 1);
    const struct kind_set *set = kind_board_get(&board);
    (void)openapi_v3(&set->registry, SLICE("example.com"), SLICE("v1"), &text, NULL);
    kind_set_unref(set);
    kind_board_free(&board);
    buf_free(&text);
    shared_value_unref(&crd->shared);
}

static void nothing_breaks(void **state)
{
    struct fixture *f = *state;
    size_t accepted = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct random r = {seed};
        struct causes causes = {.arena = &f->arena};
        struct crd_taken taken = {.fixed = &f->registry};
        json_t *object = json_deep_copy(tree(f, whole));
        for (uint32_t i = seed == 1 ? 0 : 1 + random_below(&r, WOUNDS_MAX); i > 0; i--) {
            wound(&r, object);
        }
        struct buf text = {0};
        json_canonical(object, &text);
        json_decref(object);
        assert_ok(json_parse(buf_slice(&text), &object, &f->err), &f->err);
        schema_prune(kind_named(f, "crd")->schema, object, &causes);
        crd_prune(object, &causes);
        crd_prepare(object);
        schema_default(kind_named(f, "crd")->schema, object);
        causes = (struct causes){.arena = &f->arena};
        schema_validate(kind_named(f, "crd")->schema, object, NULL, SLICE(""), &causes);
        if (causes.count == 0) { /* as admission does */
            crd_check(object, NULL, &expressions_cel, &causes);
        }
        json_decref(crd_judge(object, &taken, 0));
        if (causes.count == 0) {
            accepted++;
            serve(f, &r, object);
        }
        assert_true(seed > 1 || accepted == 1); /* unharmed, it is good */
        json_decref(object);
        buf_free(&text);
        arena_free(&f->arena);
    }
    print_message("%zu of %d accepted\n", accepted, ROUNDS);
    assert_true(accepted > ROUNDS / 20);
    assert_true(accepted < ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_breaks, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
