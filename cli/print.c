/* print.c: tables as kubectl prints them: upper-case titles, three spaces between columns.
 *
 * What objects say may hold anything, so control characters never reach the terminal. */
#include "cli/print.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

enum { GAP = 3 };

/* Code points, for alignment: continuation bytes of UTF-8 take no column. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    }
    return width;
}

static const char *harmless(struct print_table *t, const char *text)
{
    char *copy = arena_cstr(&t->arena, slice_of(text));
    for (char *p = copy; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
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

void print_yaml(const json_t *tree)
{
    struct buf text = {0};
    yaml_emit(tree, &text);
    print_text(&text);
}
