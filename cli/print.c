/* print.c: tables as kubectl prints them: upper-case titles, three spaces between columns. */
#include "cli/print.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "base/yaml.h"

enum {
    GAP = 3,
    GAP_TIGHT = 2,
    CUT_MIN = 8,       /* no column is cut to less */
    SENTENCE_MIN = 24, /* room that a sentence wants */
};

/* How a table is laid out this time. */
struct layout {
    size_t widths[PRINT_COLUMNS_MAX];
    size_t gap;
    size_t terminal; /* 0: none */
};

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

size_t print_terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* ---- making it fit ---- */

static size_t line_width(const struct print_table *t, const struct layout *l, size_t columns)
{
    size_t width = (size_t)t->indent;
    for (size_t i = 0; i < columns; i++) {
        width += l->widths[i] + (i > 0 ? l->gap : 0);
    }
    return width;
}

static bool may_cut(const struct print_table *t, const struct layout *l, size_t column)
{
    size_t least = width_of(t->titles[column]);
    bool name =
        strcmp(t->titles[column], "NAME") == 0 || strcmp(t->titles[column], "NAMESPACE") == 0;
    return !name && l->widths[column] > (least > CUT_MIN ? least : CUT_MIN);
}

/* Takes from the widest until the first `columns` fit into width, or nothing is left to take. */
static void cut_to(const struct print_table *t, struct layout *l, size_t columns, size_t width)
{
    while (line_width(t, l, columns) > width) {
        size_t widest = PRINT_COLUMNS_MAX;
        for (size_t i = 0; i < columns; i++) {
            if (may_cut(t, l, i) &&
                (widest == PRINT_COLUMNS_MAX || l->widths[i] > l->widths[widest])) {
                widest = i;
            }
        }
        if (widest == PRINT_COLUMNS_MAX) {
            return;
        }
        l->widths[widest]--;
    }
}

static struct layout lay_out(const struct print_table *t)
{
    struct layout l = {.gap = GAP, .terminal = t->whole ? 0 : print_terminal_width()};
    size_t room = t->sentence ? SENTENCE_MIN + GAP_TIGHT : 0;
    memcpy(l.widths, t->widths, sizeof l.widths);
    if (l.terminal == 0 || line_width(t, &l, t->columns) <= l.terminal) {
        l.terminal = 0;
        return l;
    }
    l.gap = GAP_TIGHT;
    if (l.terminal > room) {
        cut_to(t, &l, t->sentence ? t->columns - 1 : t->columns, l.terminal - room);
    }
    return l;
}

/* The longest prefix of at most width columns; rest is what follows. */
static struct slice prefix(struct slice text, size_t width, struct slice *rest)
{
    size_t i = 0;
    for (size_t columns = 0; i < text.len; i++) {
        bool starts = ((unsigned char)text.data[i] & 0xc0) != 0x80;
        if (starts && columns++ == width) {
            break;
        }
    }
    *rest = slice_sub(text, i, SIZE_MAX);
    return slice_sub(text, 0, i);
}

static void print_cut(const char *cell, size_t width)
{
    struct slice rest;
    if (width_of(cell) <= width) {
        (void)fputs(cell, stdout);
    } else {
        struct slice shown = prefix(slice_of(cell), width - 1, &rest);
        (void)printf("%.*s\u2026", SLICE_ARG(shown));
    }
}

/* At spaces where there are some. */
static void print_wrapped(const char *cell, size_t margin, size_t width)
{
    struct slice rest = slice_of(cell);
    while (rest.len > 0) {
        struct slice text = rest;
        struct slice line = prefix(text, width, &rest);
        if (rest.len > 0 && rest.data[0] != ' ') {
            size_t space = line.len;
            while (space > 0 && line.data[space - 1] != ' ') {
                space--;
            }
            line = space > 0 ? slice_sub(line, 0, space) : line;
            rest = slice_sub(text, line.len, SIZE_MAX);
        }
        rest = slice_trim(rest);
        (void)printf("%.*s", SLICE_ARG(slice_trim(line)));
        if (rest.len > 0) {
            (void)printf("\n%*s", (int)margin, "");
        }
    }
}

static void print_line(const struct print_table *t, const char *const *cells,
                       const struct layout *l)
{
    size_t last = t->columns - 1;
    size_t margin = line_width(t, l, last) + (last > 0 ? l->gap : 0);
    while (last > 0 && *cells[last] == '\0') {
        last--; /* nothing but spaces would follow */
    }
    (void)printf("%*s", t->indent, "");
    for (size_t i = 0; i <= last; i++) {
        size_t width = width_of(cells[i]);
        bool sentence = t->sentence && i + 1 == t->columns && l->terminal > margin;
        if (sentence) {
            print_wrapped(cells[i], margin, l->terminal - margin);
        } else if (l->terminal > 0) {
            print_cut(cells[i], l->widths[i]);
        } else {
            (void)fputs(cells[i], stdout);
        }
        if (i < last) {
            size_t shown = width < l->widths[i] ? width : l->widths[i];
            (void)printf("%*s", (int)(l->widths[i] + l->gap - shown), "");
        }
    }
    (void)putchar('\n');
}

void print_flush(struct print_table *t, bool titles)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t title = width_of(t->titles[i]);
        t->widths[i] = title > t->widths[i] ? title : t->widths[i];
        for (size_t r = 0; r < t->rows; r++) {
            size_t w = width_of(t->cells[r * t->columns + i]);
            t->widths[i] = w > t->widths[i] ? w : t->widths[i];
        }
    }
    const struct layout l = lay_out(t);
    if (titles) {
        print_line(t, t->titles, &l);
    }
    for (size_t r = 0; r < t->rows; r++) {
        print_line(t, t->cells + r * t->columns, &l);
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
