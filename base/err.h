/* err.h: what went wrong, as a value.
 *
 * A function that can fail returns int, 0 or an ERR_* code, and fills a caller's struct err with
 * the same code and one sentence for a person: what failed, where, and what to do about it. Each
 * layer wraps once, adding what its caller lacks: "shard 2: open state.db: disk is full".
 * Owner: the caller, usually on its stack. Thread: any; no state is shared. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum err_code {
    ERR_OK = 0,
#define ERR(name, grpc, http, reason, exit, meaning) name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

enum { ERR_MESSAGE_MAX = 512 };

struct err {
    int code; /* enum err_code */
    char message[ERR_MESSAGE_MAX];
};

/* Fills err (which may be NULL) and returns code, so that callers write
 * `return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno))`. Truncates, never fails. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message; keeps and returns the code. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* err_set() with the text of errno_value behind the message. */
int err_errno(struct err *err, int code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The one mapping of codes to the outside, from err.def. ERR_OK maps to 0, 200, "", 0. */
int err_grpc_status(int code);
int err_http_status(int code);
int err_exit_code(int code);
const char *err_reason(int code);  /* Kubernetes' Status.reason */
const char *err_name(int code);    /* "ERR_IO" */
const char *err_meaning(int code); /* err.def's last column */

#endif
