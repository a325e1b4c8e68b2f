/* flood.c: three budgets and their names.
 *
 * A bucket is full at first and refilled by time; work gives some back. So an honest client, whose
 * frames come with requests and bytes, never meets a limit, however much it does, and one that only
 * sends frames meets it in the first second. */
#include "node/http/flood.h"

#include "base/log.h"
#include "node/http/server.h"

enum { EARN_BYTES = 1024 };

static uint32_t per_second(uint32_t per_minute)
{
    return per_minute / 60 + 1;
}

const char *flood_frame(struct flood *f, const struct http_limits *limits, uint64_t now_ms)
{
    uint32_t most = limits->control_per_minute;
    return bucket_take(&f->frames, now_ms, most, per_second(most), 1) ? NULL : "too_many_frames";
}

const char *flood_reset(struct flood *f, const struct http_limits *limits, uint64_t now_ms)
{
    uint32_t most = limits->resets_per_minute;
    return bucket_take(&f->resets, now_ms, most, per_second(most), 1) ? NULL : "too_many_resets";
}

const char *flood_head(struct flood *f, const struct http_limits *limits, uint64_t now_ms)
{
    uint32_t most = limits->resets_per_minute;
    bool paid = bucket_take(&f->resets, now_ms, most, per_second(most), FLOOD_HEAD_COSTS);
    return paid ? NULL : "too_large_heads";
}

const char *flood_ping(struct flood *f, const struct http_limits *limits, uint64_t now_ms)
{
    bool early = f->pinged_ms != 0 && now_ms - f->pinged_ms < limits->ping_ms;
    f->pinged_ms = now_ms;
    f->strikes += early ? 1 : 0;
    return f->strikes <= FLOOD_PING_STRIKES ? NULL : "too_many_pings";
}

void flood_request(struct flood *f)
{
    bucket_give(&f->frames, FLOOD_REQUEST_EARNS);
}

void flood_moved(struct flood *f, size_t bytes)
{
    size_t all = f->moved_bytes + bytes;
    bucket_give(&f->frames, (uint32_t)(all / EARN_BYTES));
    f->moved_bytes = (uint32_t)(all % EARN_BYTES);
}

void flood_answered(struct flood *f)
{
    f->strikes = 0;
    f->pinged_ms = 0;
}

void flood_tell(struct http_measure *m, const char *what, const char *remote, uint64_t now_ms)
{
    static struct log_limit limit; /* of all servers together */
    uint64_t times = log_limit(&limit, now_ms);
    metric_add(m->floods, 1);
    if (times > 0) {
        log_warn("http.flood", "remote=%s what=%s times=%llu", remote, what,
                 (unsigned long long)times);
    }
}
