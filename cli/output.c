/* output.c: reads -o and shows whole trees. */
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/print.h"

static const struct {
    const char *name;
    enum output_form form;
    bool file; /* what follows names a file with the template */
} forms[] = {
    {"table", OUTPUT_TABLE, false},
    {"wide", OUTPUT_WIDE, false},
    {"json", OUTPUT_JSON, false},
    {"yaml", OUTPUT_YAML, false},
    {"name", OUTPUT_NAME, false},
    {"jsonpath=", OUTPUT_JSONPATH, false},
    {"jsonpath-file=", OUTPUT_JSONPATH, true},
    {"custom-columns=", OUTPUT_COLUMNS, false},
    {"custom-columns-file=", OUTPUT_COLUMNS, true},
};
enum { FORM_COUNT = sizeof forms / sizeof forms[0], TEMPLATE_MAX = JSONPATH_TEXT_MAX };

const char *output_name(enum output_form form)
{
    size_t i = 0;
    while (forms[i].form != form) {
        i++;
    }
    return forms[i].name;
}

void output_names(uint32_t allowed, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < FORM_COUNT; i++) {
        if ((allowed & 1u << forms[i].form) != 0 && !forms[i].file) {
            bool more = forms[i].name[strlen(forms[i].name) - 1] == '=';
            buf_addf(out, "%s%s%s", first ? "" : ", ", forms[i].name, more ? "..." : "");
            first = false;
        }
    }
}

static int parse_template(struct output *o, struct slice text, bool file, struct err *err)
{
    if (o->form == OUTPUT_JSONPATH) {
        return jsonpath_parse(&o->path, text, err);
    }
    return file ? columns_parse_file(&o->columns, text, err)
                : columns_parse(&o->columns, text, err);
}

static int parse_file(struct output *o, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(path, TEMPLATE_MAX, &text, err);
    if (rc == 0) {
        rc = parse_template(o, buf_slice(&text), true, err);
        rc = rc == 0 ? 0 : err_wrap(err, "%s", path);
    }
    buf_free(&text);
    return rc;
}

int output_parse(struct output *o, const char *text, uint32_t allowed, struct err *err)
{
    struct buf names = {0};
    *o = (struct output){.form = OUTPUT_TABLE};
    struct slice s = slice_of(text != NULL ? text : "table");
    for (size_t i = 0; i < FORM_COUNT; i++) {
        struct slice name = slice_of(forms[i].name);
        bool template = slice_ends_with(name, SLICE("="));
        if (template ? !slice_starts_with(s, name) : !slice_eq(s, name)) {
            continue;
        }
        if (text != NULL && (allowed & 1u << forms[i].form) == 0) {
            break;
        }
        o->form = forms[i].form;
        if (forms[i].file) {
            return parse_file(o, s.data + name.len, err);
        }
        return template ? parse_template(o, slice_sub(s, name.len, SIZE_MAX), false, err) : 0;
    }
    output_names(allowed, &names);
    int rc = err_set(err, ERR_INVALID, "-o %s: must be one of %s", text, buf_cstr(&names));
    buf_free(&names);
    return rc;
}

void output_free(struct output *o)
{
    jsonpath_free(&o->path);
    columns_free(&o->columns);
}

bool output_is_tree(const struct output *o)
{
    return (OUTPUT_TREES & 1u << o->form) != 0;
}

/* Programs get every byte; a terminal nothing that drives it. */
static void print_raw(struct slice text)
{
    struct buf shown = {0};
    if (isatty(STDOUT_FILENO)) {
        text_add_shown(&shown, text, "\n\t");
        text = buf_slice(&shown);
    }
    (void)printf("%.*s", SLICE_ARG(text));
    buf_free(&shown);
}

/* As the template says, byte for byte; only a terminal gets its last line ended. */
static int print_path(const struct output *o, const json_t *tree, struct err *err)
{
    struct buf text = {0};
    int rc = jsonpath_print(&o->path, tree, &text, err);
    if (rc == 0) {
        if (isatty(STDOUT_FILENO) && text.len > 0 && text.data[text.len - 1] != '\n') {
            buf_add_char(&text, '\n');
        }
        print_raw(buf_slice(&text));
    }
    buf_free(&text);
    return rc;
}

int output_tree(const struct output *o, const json_t *tree, struct err *err)
{
    if (o->form == OUTPUT_JSONPATH) {
        return print_path(o, tree, err);
    }
    (o->form == OUTPUT_JSON ? print_json : print_yaml)(tree);
    return 0;
}

bool output_colours(void)
{
    const char *no_color = getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe)
    const char *term = getenv("TERM");         // NOLINT(concurrency-mt-unsafe)
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}
