/* log.c: lines on stderr.
 *
 * Happy path: the fields are formatted into a buffer on the stack, made harmless, put behind time,
 * level and event, and leave in one write(2), so that lines of threads and children never mix. As
 * JSON, the same fields are taken apart again: a field is key=value, its value quoted or bare.
 * Failure path: a line that is too long is cut; a write that fails is given up, for there is no
 * place left to say so.
 * Invariant: no byte below 0x20, no DEL, no C1 control and no malformed UTF-8 leaves this file:
 * what users send must not be able to drive an operator's terminal or to forge a line. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

enum { LINE_MAX_BYTES = 4096, QUOTED_MAX_BYTES = 1024, QUOTED_SLOTS = 8 };

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

/* Length of a UTF-8 character of two bytes or more that may be shown, else 0. C1 controls are
 * U+0080 to U+009F. */
static size_t shown_utf8(const unsigned char *p)
{
    size_t len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* the NUL at the end stops it here at the latest */
            return 0;
        }
    }
    bool odd = (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
               (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
               (p[0] == 0xf4 && p[1] > 0x8f);
    return odd ? 0 : len;
}

const char *log_q(const char *s)
{
    static _Thread_local char slots[QUOTED_SLOTS][QUOTED_MAX_BYTES];
    static _Thread_local unsigned next;
    const unsigned char *p = (const unsigned char *)(s != NULL ? s : "");
    size_t plain = 0;
    while (is_bare(p[plain])) {
        plain++;
    }
    char *out = slots[next++ % QUOTED_SLOTS];
    if (plain > 0 && p[plain] == '\0' && plain < QUOTED_MAX_BYTES) {
        memcpy(out, p, plain + 1);
        return out;
    }
    size_t len = 0;
    out[len++] = '"';
    while (*p != '\0' && len < QUOTED_MAX_BYTES - 16) {
        size_t wide = shown_utf8(p);
        if (wide > 0) {
            memcpy(out + len, p, wide);
            len += wide;
            p += wide;
        } else if (*p == '"' || *p == '\\') {
            out[len++] = '\\';
            out[len++] = (char)*p++;
        } else if (*p == '\n' || *p == '\t') {
            out[len++] = '\\';
            out[len++] = *p++ == '\n' ? 'n' : 't';
        } else if (*p < 0x20 || *p >= 0x7f) {
            len += (size_t)snprintf(out + len, 7, "\\u%04x", *p++);
        } else {
            out[len++] = (char)*p++;
        }
    }
    memcpy(out + len, *p != '\0' ? "...\"" : "\"", *p != '\0' ? 5 : 2);
    return out;
}

/* Replaces what must not be shown; the text is NUL-terminated. */
static void make_harmless(char *text)
{
    unsigned char *p = (unsigned char *)text;
    while (*p != '\0') {
        size_t wide = shown_utf8(p);
        if (wide == 0 && (*p < 0x20 || *p >= 0x7f)) {
            *p = '?';
        }
        p += wide > 0 ? wide : 1;
    }
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
    make_harmless(text);

    char when[21];
    uint64_t now_ms = clock_system.wall_ms(&clock_system);
    clock_rfc3339(now_ms, when);
    when[19] = '\0'; /* the Z goes behind the milliseconds */
    struct buf line = {0};
    if (atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON) {
        buf_addf(&line, "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":", when,
                 (unsigned)(now_ms % 1000), level_names[level]);
        json_quote(&line, slice_of(event));
        add_json_fields(&line, slice_of(text));
        buf_add_cstr(&line, "}\n");
    } else {
        buf_addf(&line, "%s.%03uZ %-5s %s%s%s\n", when, (unsigned)(now_ms % 1000),
                 level_names[level], event, text[0] != '\0' ? " " : "", text);
    }
    int saved = errno; /* callers log between a failure and its use of errno */
    write_all(buf_slice(&line));
    errno = saved;
    buf_free(&line);
}
