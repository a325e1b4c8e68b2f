/* err.c: error values.
 *
 * The table is generated from err.def; the functions only format. A message that does not fit is
 * cut, for an error must never fail to be reported. */
#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    const char *name;
    int grpc;
    int http;
    const char *reason;
    int exit;
    const char *meaning;
};

static const struct err_row rows[ERR_COUNT] = {
    [ERR_OK] = {"ERR_OK", 0, 200, "", 0, "success"},
#define ERR(name, grpc, http, reason, exit, meaning)                                               \
    [name] = {#name, grpc, http, reason, exit, meaning},
#include "base/err.def"
#undef ERR
};

static const struct err_row *row_of(int code)
{
    assert(code >= 0 && code < ERR_COUNT);
    return &rows[code];
}

int err_set(struct err *err, int code, const char *format, ...)
{
    assert(code > ERR_OK && code < ERR_COUNT);
    if (err == NULL) {
        return code;
    }
    /* The arguments may point into err itself, so format beside it first. */
    char text[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->code = code;
    memcpy(err->message, text, sizeof text);
    return code;
}

int err_wrap(struct err *err, const char *format, ...)
{
    assert(err != NULL && err->code != ERR_OK);
    char context[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof context, format, args);
    va_end(args);
    return err_set(err, err->code, "%s: %s", context, err->message);
}

int err_errno(struct err *err, int code, int errno_value, const char *format, ...)
{
    char context[ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof context, format, args);
    va_end(args);
    char reason[128];
    /* The GNU strerror_r may return a static string instead of filling the buffer. */
    const char *text = strerror_r(errno_value, reason, sizeof reason);
    return err_set(err, code, "%s: %s", context, text);
}

int err_grpc_status(int code)
{
    return row_of(code)->grpc;
}

int err_http_status(int code)
{
    return row_of(code)->http;
}

int err_exit_code(int code)
{
    return row_of(code)->exit;
}

const char *err_reason(int code)
{
    return row_of(code)->reason;
}

const char *err_name(int code)
{
    return row_of(code)->name;
}

const char *err_meaning(int code)
{
    return row_of(code)->meaning;
}
