/* cel.c: `choreo cel eval`: tries an expression as templates and rules would evaluate it.
 *
 * Both worlds' functions are there, OpenChoreo's of templates and Kubernetes' of rules; none has a
 * name of another's. Methods on configurations, dependencies and workload need a component that is
 * being rendered, and say so. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/print.h"
#include "render/cel/cel.h"
#include "render/oc_functions.h"

enum { VARS_MAX = 4 << 20 };

static int read_vars(const char *name, json_t **vars, struct err *err)
{
    struct buf text = {0};
    int rc = 0;
    if (strcmp(name, "-") == 0) {
        buf_reserve(&text, VARS_MAX + 1);
        text.len = fread(text.data, 1, VARS_MAX + 1, stdin);
        rc = text.len > VARS_MAX ? err_set(err, ERR_TOO_LARGE, "the variables are too large") : 0;
    } else {
        rc = file_read(name, VARS_MAX, &text, err);
    }
    rc = rc != 0 ? rc : yaml_parse(buf_slice(&text), name, vars, err);
    buf_free(&text);
    if (rc == 0 && !json_is_object(*vars)) {
        rc = err_set(err, ERR_INVALID, "%s: an object is wanted, whose members are the variables",
                     name);
    }
    return rc;
}

/* The line that the error is in, and a caret below its place. */
static void point_at(struct slice source, size_t offset)
{
    size_t from = offset < source.len ? offset : source.len;
    size_t end = from;
    while (from > 0 && source.data[from - 1] != '\n') {
        from--;
    }
    while (end < source.len && source.data[end] != '\n') {
        end++;
    }
    struct slice before = slice_sub(source, from, offset - from);
    struct buf caret = {0};
    for (size_t at = 0; at < before.len;) {
        uint32_t point;
        at += cel_utf8_next(before, at, &point);
        buf_add_char(&caret, point == '\t' ? '\t' : ' ');
    }
    print_err("  %.*s\n  %s^\n", SLICE_ARG(slice_sub(source, from, end - from)), buf_cstr(&caret));
    buf_free(&caret);
}

/* Templates' and rules' functions in one table. */
static struct cel_function *all_functions(struct arena *arena, size_t *count)
{
    size_t ours = oc_function_count();
    size_t theirs = cel_kubernetes_function_count();
    struct cel_function *all = arena_alloc(arena, (ours + theirs) * sizeof(*all));
    memcpy(all, oc_functions(), ours * sizeof(*all));
    memcpy(all + ours, cel_kubernetes_functions(), theirs * sizeof(*all));
    *count = ours + theirs;
    return all;
}

/* *offset is where in the source an error is. */
static int evaluate(struct cli *c, struct slice source, const json_t *vars, json_t **tree,
                    uint32_t *offset, struct err *err)
{
    size_t count = json_object_size(vars);
    struct slice *names = arena_alloc(&c->arena, (count + 1) * sizeof(*names));
    struct cel_value *values = arena_alloc(&c->arena, (count + 1) * sizeof(*values));
    struct oc_host host = {0};
    struct cel_env env = {.names = names, .count = count};
    const struct cel_input input = {.variables = values, .host = &host};
    const struct cel_program *program;
    struct cel_value value;
    uint64_t cost = 0;
    size_t n = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)vars, key, member)
    {
        names[n] = slice_of(key);
        values[n++] = cel_of_json(&c->arena, member);
    }
    env.functions = all_functions(&c->arena, &env.function_count);
    int rc = cel_compile(&c->arena, &env, source, &program, offset, err);
    rc = rc != 0 ? rc : cel_eval(program, &input, &c->arena, &value, &cost, offset, err);
    if (rc == 0) {
        struct cel_ctx ctx = {.arena = &c->arena, .cost_limit = CEL_COST_DEFAULT};
        rc = cel_to_json(&ctx, value, tree)
                 ? 0
                 : err_set(err, ctx.err.code, "%s: string() may", ctx.err.message);
        *offset = 0;
    }
    return rc;
}

static int run_eval(struct cli *c, struct err *err)
{
    json_t *vars = NULL;
    json_t *tree = NULL;
    uint32_t offset = 0;
    if (c->args.count != 1) {
        return err_set(err, ERR_INVALID, "one expression is wanted, in quotes");
    }
    int rc = c->options.vars != NULL ? read_vars(c->options.vars, &vars, err) : 0;
    if (rc == 0) {
        struct slice source = slice_of(c->args.items[0]);
        rc = evaluate(c, source, vars, &tree, &offset, err);
        if (rc != 0) {
            if (isatty(STDERR_FILENO)) {
                point_at(source, offset);
            }
            rc = cel_locate(err, source, offset);
        }
    }
    if (rc == 0) {
        json_t *shown = tree != NULL ? tree : json_null();
        (c->output.form == OUTPUT_YAML ? print_yaml : print_json)(shown);
    }
    json_decref(tree);
    json_decref(vars);
    return rc;
}

static const struct command command_eval = {
    .name = "eval",
    .summary = "evaluate an expression, and print its value as JSON",
    .usage = "EXPRESSION [--vars FILE] [-o yaml]",
    .about =
        "The members of FILE, an object in YAML or JSON (- is standard input), are the variables.\n"
        "There are the language's functions with its strings, math, lists, sets, encoders and\n"
        "optionals, those of rules in custom kinds (ip, cidr, url, quantity, semver, format, find\n"
        "and the like), and those of templates: oc_omit, oc_merge, oc_generate_name,\n"
        "oc_dns_label, oc_hash. Types are checked first; variables may be of any.\n"
        "\n"
        "JSON has fewer types than the language: bytes are base64, timestamps RFC 3339 and\n"
        "durations \"90s\", a type is its name, a uint beyond 2^63-1 is a text, as are \"NaN\",\n"
        "\"Infinity\" and \"-Infinity\"; whole doubles lose their point. An optional is its "
        "value;\n"
        "an empty one and oc_omit() leave lists and maps, and are null on their own.\n"
        "\n"
        "One that begins with '-' comes behind --: choreo cel eval -- -1\n"
        "\n"
        "An error names its column, and on a terminal points at it; the exit code is then 1.",
    .examples =
        "  choreo cel eval '1 + 2'\n"
        "  choreo cel eval '[3, 1, 2].sort().map(x, x * 10)'\n"
        "  choreo cel eval 'parameters.replicas > 1 ? \"many\" : \"one\"' --vars values.yaml\n"
        "  echo '{name: web, tier: [front]}' | choreo cel eval 'name + \"-\" + tier[0]' --vars -\n"
        "  choreo cel eval 'oc_dns_label(\"My App\", \"dev\")'\n"
        "  choreo cel eval 'oc_merge({\"a\": 1}, {\"b\": 2})' -o yaml\n"
        "  choreo cel eval 'cidr(\"10.0.0.0/8\").containsIP(\"10.1.2.3\")'\n"
        "  choreo cel eval 'timestamp(\"2026-07-01T12:00:00Z\").getHours(\"Europe/Berlin\")'",
    .options = {OPTION_vars},
    .forms = 1 << OUTPUT_JSON | 1 << OUTPUT_YAML,
    .offline = true,
    .failure_exit = 1,
    .run = run_eval,
};

const struct command command_cel = {
    .name = "cel",
    .summary = "try expressions of templates and rules: eval",
    .usage = "COMMAND [OPTION...]",
    .about = "Expressions are the Common Expression Language's, in templates between \"${\" and\n"
             "\"}\", and in the rules of custom kinds.",
    .subcommands = (const struct command *const[]){&command_eval, NULL},
};
