/* log.h: one event, one line, on stderr:
 *   2026-01-02T03:04:05.678Z info  raft.elected shard=2 term=7 took_ms=412
 * or, with LOG_JSON, one JSON object a line. Values are quoted when they need it; what
 * may not be shown (text.h) never reaches the terminal. Log where an error is handled, not where it
 * passes. Never secrets or bodies.
 * Thread: any; a line is one write(2).
 *
 *   log_info("raft.elected", "shard=%u term=%llu", shard, term);
 *   log_error("store.open", "shard=%u error=%s", shard, log_q(err.message)); */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_setup(enum log_level least, enum log_format format);
bool log_enabled(enum log_level level);
/* fields is a printf format that yields space-separated key=value pairs; wrap strings that may hold
 * spaces in log_q(). May be "". */
void log_event(enum log_level level, const char *event, const char *fields, ...)
    __attribute__((format(printf, 3, 4)));
/* s as a quoted value; the text lives until the same thread's eighth next call. */
const char *log_q(const char *s);

/* For lines that the world can provoke as often as it likes: one a second. Owner: whoever logs
 * them, zeroed at first. Thread: any. */
struct log_limit {
    _Atomic uint64_t next_ms;
    _Atomic uint64_t times;
};
/* One more happened, at now_ms of a monotonic clock. 0: say nothing now. Else: log it, and that it
 * was the so-manieth since the last line. */
uint64_t log_limit(struct log_limit *limit, uint64_t now_ms);

#define log_debug(...) (log_enabled(LOG_DEBUG) ? log_event(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...) log_event(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_event(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)

#endif
