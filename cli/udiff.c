/* udiff.c: the shortest edit script, greedily (Myers 1986), then hunks.
 *
 * Common lines at both ends are cut off first. For each number of edits d the furthest x of every
 * diagonal is kept, so that the way can be walked back. Texts that differ in more than EDITS_MAX
 * lines are shown as one replacement: nobody reads the shortest script of that. */
#include "cli/udiff.h"

#include <stdlib.h>
#include <string.h>

enum { EDITS_MAX = 2000 };

struct text {
    struct slice *lines;
    size_t count;
};

/* One line of the script, in order. */
struct edit {
    char mark; /* ' ', '-', '+' */
    struct slice line;
};

struct script {
    struct edit *items;
    size_t count;
    size_t cap;
};

static struct text split(struct slice s)
{
    struct text t = {0};
    size_t cap = 0;
    struct slice line;
    while (slice_split(&s, '\n', &line)) {
        if (t.count == cap) {
            cap = cap > 0 ? cap * 2 : 64;
            t.lines = mem_resize(t.lines, cap * sizeof *t.lines);
        }
        t.lines[t.count++] = line;
    }
    return t;
}

static void add(struct script *s, char mark, struct slice line)
{
    if (s->count == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 64;
        s->items = mem_resize(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->count++] = (struct edit){mark, line};
}

/* ---- the shortest script ---- */

/* Where d edits lead on diagonal k, from what d - 1 edits reached; v[k + d] of the round d. */
static int step(const int *before, int d, int k)
{
    if (d == 0) {
        return 0;
    }
    /* round d - 1 has diagonals -(d-1)..d-1 at offset d-1 */
    bool down = k == -d || (k != d && before[k - 1 + d - 1] < before[k + 1 + d - 1]);
    return down ? before[k + 1 + d - 1] : before[k - 1 + d - 1] + 1;
}

/* Rounds until the end of both is reached: how many, or -1. rounds[d] is allocated. */
static int search(const struct text *a, const struct text *b, int **rounds)
{
    int n = (int)a->count;
    int m = (int)b->count;
    for (int d = 0; d <= EDITS_MAX && d <= n + m; d++) {
        rounds[d] = mem_alloc((size_t)(2 * d + 1) * sizeof(int));
        for (int k = -d; k <= d; k += 2) {
            int x = step(d > 0 ? rounds[d - 1] : NULL, d, k);
            int y = x - k;
            while (x < n && y < m && y >= 0 && slice_eq(a->lines[x], b->lines[y])) {
                x++;
                y++;
            }
            rounds[d][k + d] = x;
            if (x >= n && y >= m) {
                return d;
            }
        }
    }
    return -1;
}

/* From the end of both back to their start; the script comes out reversed. */
static void walk_back(const struct text *a, const struct text *b, int *const *rounds, int d,
                      struct script *out)
{
    int x = (int)a->count;
    int y = (int)b->count;
    for (; d >= 0; d--) {
        int k = x - y;
        int start = step(d > 0 ? rounds[d - 1] : NULL, d, k);
        while (x > start) {
            add(out, ' ', a->lines[--x]);
            y--;
        }
        if (d == 0) {
            break;
        }
        bool down = k == -d || (k != d && rounds[d - 1][k - 1 + d - 1] < rounds[d - 1][k + d]);
        if (down) {
            add(out, '+', b->lines[--y]);
        } else {
            add(out, '-', a->lines[--x]);
        }
    }
}

static void shortest(const struct text *a, const struct text *b, struct script *out)
{
    int **rounds = mem_zero((EDITS_MAX + 1) * sizeof *rounds);
    int d = search(a, b, rounds);
    size_t first = out->count;
    if (d >= 0) {
        walk_back(a, b, rounds, d, out);
        for (size_t i = first, j = out->count; i + 1 < j; i++) {
            struct edit swap = out->items[i];
            out->items[i] = out->items[--j];
            out->items[j] = swap;
        }
    } else {
        for (size_t i = 0; i < a->count; i++) {
            add(out, '-', a->lines[i]);
        }
        for (size_t i = 0; i < b->count; i++) {
            add(out, '+', b->lines[i]);
        }
    }
    for (size_t i = 0; i <= EDITS_MAX; i++) {
        free(rounds[i]);
    }
    free(rounds);
}

/* ---- hunks ---- */

static void add_line(struct buf *out, const char *colour, char mark, struct slice line)
{
    buf_addf(out, "%s%c%.*s%s\n", colour, mark, SLICE_ARG(line), *colour != '\0' ? "\033[0m" : "");
}

/* The first change at or after i, or count. */
static size_t next_change(const struct script *s, size_t i)
{
    while (i < s->count && s->items[i].mark == ' ') {
        i++;
    }
    return i;
}

/* Where the hunk around the change at i ends: context lines after its last change. */
static size_t hunk_end(const struct script *s, size_t i)
{
    size_t end = i;
    for (size_t next = i; next < s->count && next <= end + 2 * UDIFF_CONTEXT;
         next = next_change(s, end)) {
        end = next;
        while (end < s->count && s->items[end].mark != ' ') {
            end++;
        }
    }
    return end + UDIFF_CONTEXT < s->count ? end + UDIFF_CONTEXT : s->count;
}

static void add_hunk(struct buf *out, const struct script *s, size_t from, size_t to, bool colours)
{
    size_t a = 1; /* line numbers at `from` */
    size_t b = 1;
    size_t a_count = 0;
    size_t b_count = 0;
    for (size_t i = 0; i < to; i++) {
        bool in = i >= from;
        bool old = s->items[i].mark != '+';
        bool new = s->items[i].mark != '-';
        a += !in && old;
        b += !in && new;
        a_count += in && old;
        b_count += in && new;
    }
    buf_addf(out, "%s@@ -%zu,%zu +%zu,%zu @@%s\n", colours ? "\033[36m" : "",
             a_count > 0 ? a : a - 1, a_count, b_count > 0 ? b : b - 1, b_count,
             colours ? "\033[0m" : "");
    for (size_t i = from; i < to; i++) {
        char mark = s->items[i].mark;
        const char *colour = !colours || mark == ' ' ? "" : mark == '-' ? "\033[31m" : "\033[32m";
        add_line(out, colour, mark, s->items[i].line);
    }
}

bool udiff(struct slice before, struct slice after, const char *before_name, const char *after_name,
           bool colours, struct buf *out)
{
    struct text a = split(before);
    struct text b = split(after);
    struct script s = {0};
    size_t head = 0;
    size_t tail = 0;
    while (head < a.count && head < b.count && slice_eq(a.lines[head], b.lines[head])) {
        add(&s, ' ', a.lines[head++]);
    }
    while (tail < a.count - head && tail < b.count - head &&
           slice_eq(a.lines[a.count - 1 - tail], b.lines[b.count - 1 - tail])) {
        tail++;
    }
    const struct text a_middle = {a.lines + head, a.count - head - tail};
    const struct text b_middle = {b.lines + head, b.count - head - tail};
    shortest(&a_middle, &b_middle, &s);
    for (size_t i = 0; i < tail; i++) {
        add(&s, ' ', a.lines[a.count - tail + i]);
    }
    size_t change = next_change(&s, 0);
    bool differs = change < s.count;
    if (differs) {
        buf_addf(out, "%s--- %s\n+++ %s%s\n", colours ? "\033[1m" : "", before_name, after_name,
                 colours ? "\033[0m" : "");
    }
    while (change < s.count) {
        size_t end = hunk_end(&s, change);
        add_hunk(out, &s, change > UDIFF_CONTEXT ? change - UDIFF_CONTEXT : 0, end, colours);
        change = next_change(&s, end);
    }
    free(a.lines);
    free(b.lines);
    free(s.items);
    return differs;
}
