/* print.c: tables as kubectl prints them: upper-case titles, three spaces between columns. */
#include "cli/print.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/yaml.h"

enum { GAP = 3 };

static size_t width_of(const char *text)
{
    return text_columns(slice_of(text));
}

static const char *harmless(struct print_table *t, const char *text)
{
    struct buf shown = {0};
    text_add_shown(&shown, slice_of(text), "");
    const char *copy = arena_cstr(&t->arena, buf_slice(&shown));
    buf_free(&shown);
    return copy;
}

void print_init(struct print_table *t, const char *const *titles, size_t columns)
{
    assert(columns <= PRINT_COLUMNS_MAX);
    *t = (struct print_table){.columns = columns};
    for (size_t i = 0; i < columns; i++) {
        t->titles[i] = harmless(t, titles[i]);
    }
}

void print_row(struct print_table *t, const char *const *cells)
{
    if (t->rows == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 64;
        t->cells = mem_resize(t->cells, t->cap * t->columns * sizeof *t->cells);
    }
    for (size_t i = 0; i < t->columns; i++) {
        t->cells[t->rows * t->columns + i] = harmless(t, cells[i] != NULL ? cells[i] : "");
    }
    t->rows++;
}

static void print_line(const struct print_table *t, const char *const *cells, const size_t *widths)
{
    (void)printf("%*s", t->indent, "");
    for (size_t i = 0; i < t->columns; i++) {
        bool last = i + 1 == t->columns;
        size_t fill = last ? 0 : widths[i] + GAP - width_of(cells[i]);
        (void)printf("%s%*s", cells[i], (int)fill, "");
    }
    (void)putchar('\n');
}

void print_flush(struct print_table *t, bool titles)
{
    size_t *widths = t->widths;
    for (size_t i = 0; i < t->columns; i++) {
        size_t title = width_of(t->titles[i]);
        widths[i] = title > widths[i] ? title : widths[i];
        for (size_t r = 0; r < t->rows; r++) {
            size_t w = width_of(t->cells[r * t->columns + i]);
            widths[i] = w > widths[i] ? w : widths[i];
        }
    }
    if (titles) {
        print_line(t, t->titles, widths);
    }
    for (size_t r = 0; r < t->rows; r++) {
        print_line(t, t->cells + r * t->columns, widths);
    }
    t->rows = 0;
    (void)fflush(stdout);
}

void print_free(struct print_table *t)
{
    free(t->cells);
    t->cells = NULL;
    arena_free(&t->arena);
}

static void print_text(struct buf *text)
{
    if (text->len == 0 || text->data[text->len - 1] != '\n') {
        buf_add_char(text, '\n');
    }
    (void)fwrite(text->data, 1, text->len, stdout);
    (void)fflush(stdout);
    buf_free(text);
}

void print_json(const json_t *tree)
{
    struct buf text = {0};
    json_pretty(tree, &text);
    print_text(&text);
}

void print_json_line(const json_t *tree)
{
    struct buf text = {0};
    struct buf shown = {0};
    json_canonical(tree, &text);
    text_add_escaped(&shown, buf_slice(&text), TEXT_JSON); /* such stand in strings only */
    buf_free(&text);
    print_text(&shown);
}

void print_yaml(const json_t *tree)
{
    struct buf text = {0};
    yaml_emit(tree, &text);
    print_text(&text);
}

static void __attribute__((format(printf, 2, 0))) say(FILE *to, const char *format, va_list args)
{
    struct buf text = {0};
    struct buf shown = {0};
    buf_vaddf(&text, format, args);
    text_add_shown(&shown, buf_slice(&text), "\n");
    (void)fwrite(shown.data, 1, shown.len, to);
    (void)fflush(to);
    buf_free(&text);
    buf_free(&shown);
}

void print_out(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(stdout, format, args);
    va_end(args);
}

void print_err(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(stderr, format, args);
    va_end(args);
}
