/* log.c: lines on stderr.
 *
 * Happy path: the fields are formatted into a buffer on the stack, made harmless, put behind time,
 * level and event, and leave in one write(2), so that lines of threads and children never mix. As
 * JSON, the same fields are taken apart again: a field is key=value, its value quoted or bare.
 * Failure path: a line that is too long is cut; a write that fails is given up, for there is no
 * place left to say so.
 * Invariant: nothing that may not be shown (text.h) leaves this file: what users send must not be
 * able to drive an operator's terminal or to forge a line. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 4096, QUOTED_MAX_BYTES = 1024, QUOTED_SLOTS = 8, LIMIT_MS = 1000 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static atomic_int least_level = LOG_INFO;
static atomic_int line_format = LOG_TEXT;

void log_setup(enum log_level least, enum log_format format)
{
    atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

static bool is_bare(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

const char *log_q(const char *s)
{
    static _Thread_local char slots[QUOTED_SLOTS][QUOTED_MAX_BYTES];
    static _Thread_local unsigned next;
    struct slice rest = slice_of(s);
    char *out = slots[next++ % QUOTED_SLOTS];
    size_t len = 0;
    while (len < rest.len && is_bare((unsigned char)rest.data[len])) {
        len++;
    }
    if (len > 0 && len == rest.len && len < QUOTED_MAX_BYTES) {
        memcpy(out, rest.data, len);
        out[len] = '\0';
        return out;
    }
    len = 0;
    out[len++] = '"';
    while (rest.len > 0 && len < QUOTED_MAX_BYTES - 16) {
        struct text_char c = text_first(rest);
        if (c.code == '"' || c.code == '\\' || c.code == '\n' || c.code == '\t') {
            out[len++] = '\\';
            out[len++] = c.code == '\n' ? 'n' : c.code == '\t' ? 't' : (char)c.code;
        } else if (c.shown) {
            memcpy(out + len, rest.data, c.len);
            len += c.len;
        } else {
            len += text_escape(out + len, c.code, TEXT_JSON);
        }
        rest = slice_sub(rest, c.len, SIZE_MAX);
    }
    memcpy(out + len, rest.len > 0 ? "...\"" : "\"", rest.len > 0 ? 5 : 2);
    return out;
}

static size_t quoted_length(struct slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '\\') {
            i++;
        } else if (text.data[i] == '"') {
            return i + 1;
        }
    }
    return 0;
}

static void add_json_value(struct buf *line, struct slice value)
{
    int64_t number;
    bool canonical = slice_i64(value, &number) && (value.data[0] != '0' || value.len == 1) &&
                     !slice_starts_with(value, SLICE("-0"));
    if (canonical || slice_eq(value, SLICE("true")) || slice_eq(value, SLICE("false"))) {
        buf_add(line, value);
    } else {
        json_quote(line, value);
    }
}

/* Takes "a=1 b=\"x y\"" apart. What is no pair goes into "text" as a whole. */
static void add_json_fields(struct buf *line, struct slice fields)
{
    for (;;) {
        fields = slice_trim(fields);
        size_t equals = slice_find(fields, SLICE("="));
        size_t space = slice_find(fields, SLICE(" "));
        if (fields.len == 0) {
            return;
        }
        buf_add_char(line, ',');
        if (equals == SIZE_MAX || equals == 0 || equals > space) {
            buf_add_cstr(line, "\"text\":");
            json_quote(line, fields);
            return;
        }
        json_quote(line, slice_sub(fields, 0, equals));
        buf_add_char(line, ':');
        fields = slice_sub(fields, equals + 1, SIZE_MAX);
        size_t quoted = fields.len > 0 && fields.data[0] == '"' ? quoted_length(fields) : 0;
        if (quoted > 0) {
            buf_add(line, slice_sub(fields, 0, quoted)); /* log_q() wrote a JSON string */
            fields = slice_sub(fields, quoted, SIZE_MAX);
        } else {
            struct slice value = slice_sub(fields, 0, slice_find(fields, SLICE(" ")));
            add_json_value(line, value);
            fields = slice_sub(fields, value.len, SIZE_MAX);
        }
    }
}

static void write_all(struct slice line)
{
    while (line.len > 0) {
        ssize_t n = write(STDERR_FILENO, line.data, line.len);
        if (n < 0 && errno != EINTR) {
            return;
        }
        line = slice_sub(line, n > 0 ? (size_t)n : 0, SIZE_MAX);
    }
}

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
    if (!log_enabled(level)) {
        return;
    }
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fields);
    (void)vsnprintf(text, sizeof text, fields, args);
    va_end(args);
    struct buf shown = {0};
    text_add_shown(&shown, slice_of(text), "");

    char when[21];
    uint64_t now_ms = clock_system.wall_ms(&clock_system);
    clock_rfc3339(now_ms, when);
    when[19] = '\0'; /* the Z goes behind the milliseconds */
    struct buf line = {0};
    if (atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON) {
        buf_addf(&line, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":", when,
                 (unsigned)(now_ms % 1000), level_names[level]);
        json_quote(&line, slice_of(event));
        add_json_fields(&line, buf_slice(&shown));
        buf_add_cstr(&line, "}\n");
    } else {
        buf_addf(&line, "%s.%03uZ %-5s %s%s", when, (unsigned)(now_ms % 1000), level_names[level],
                 event, shown.len > 0 ? " " : "");
        buf_add(&line, buf_slice(&shown));
        buf_add_char(&line, '\n');
    }
    int saved = errno; /* callers log between a failure and its use of errno */
    write_all(buf_slice(&line));
    errno = saved;
    buf_free(&shown);
    buf_free(&line);
}

uint64_t log_limit(struct log_limit *limit, uint64_t now_ms)
{
    uint64_t next_ms = limit->next_ms;
    limit->times++;
    bool due = now_ms >= next_ms &&
               atomic_compare_exchange_strong(&limit->next_ms, &next_ms, now_ms + LIMIT_MS);
    return due ? atomic_exchange(&limit->times, 0) : 0;
}
