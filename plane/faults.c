/* faults.c: dropping, delaying and refusing requests.
 *
 * A stream is decided on when its head comes. A delayed one is collected by our own handler; after
 * the delay it is handed to the door as if it had just come whole. The dice are cheap and not
 * reproducible: what is tested is the other side.
 * Invariant: a stream that we keep is released exactly once: when dropped, when refused, or when
 * the client went away during the delay; else the door releases it. */
#include "plane/faults.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "node/api/status.h"

enum { LATENCY_MAX_MS = 60000, DOWN_MAX_MS = 3600000 };

/* A stream on its way through. */
struct passage {
    struct faults *faults;
    struct api *api;
    struct http_stream *stream;
    struct loop_timer timer;
    uint64_t delay_ms;
    int error; /* enum err_code; 0: none */
    int rc;    /* of the body */
    bool gone; /* the client, during the delay */
};

static uint64_t dice(void)
{
    static _Thread_local uint64_t seed;
    if (seed == 0) {
        crypto_random(&seed, sizeof seed);
        seed |= 1;
    }
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t now_ms(void)
{
    return clock_system.mono_ms(&clock_system);
}

/* ---- passing on ---- */

static void refuse(struct passage *p)
{
    const struct status status = {
        .code = p->error,
        .message = SLICE("the simulated cluster refuses this request on purpose"),
        .retry_after_s = p->error == ERR_BUSY ? 1 : 0};
    const struct http_header headers[] = {{SLICE("content-type"), SLICE("application/json")},
                                          {SLICE("retry-after"), SLICE("1")}};
    struct buf body = {0};
    status_write(&status, &body);
    http_stream_respond(p->stream, status_http(&status), headers, p->error == ERR_BUSY ? 2 : 1,
                        buf_slice(&body));
    buf_free(&body);
    atomic_fetch_add(&p->faults->refused, 1);
    http_stream_release(p->stream);
}

/* The body is here and the delay over. */
static void go_on(struct passage *p)
{
    struct http_stream *s = p->stream;
    if (p->gone) {
        http_stream_release(s);
    } else if (p->error != 0) {
        refuse(p);
    } else {
        api_accept(p->api, s);
        s->handler->on_request(s, p->rc);
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    go_on(CONTAINER_OF(timer, struct passage, timer));
}

static void on_timer(struct loop_timer *timer)
{
    loop_timer_close(timer, on_timer_closed);
}

static void on_request(struct http_stream *s, int rc)
{
    struct passage *p = s->user;
    p->rc = rc;
    if (p->delay_ms == 0) {
        go_on(p);
        return;
    }
    loop_timer_init(s->loop, &p->timer, on_timer);
    loop_timer_start(&p->timer, p->delay_ms, 0);
    p->timer.loop = s->loop;
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    struct passage *p = s->user;
    (void)why;
    p->gone = true;
    if (p->timer.loop == NULL) {
        http_stream_release(s); /* before its body was whole */
    }
}

static const struct http_handler passing = {.on_request = on_request, .on_reset = on_reset};

static void on_dropped_request(struct http_stream *s, int rc)
{
    (void)rc;
    http_stream_reset(s);
    http_stream_release(s);
}

static void on_dropped_reset(struct http_stream *s, const struct err *why)
{
    (void)why;
    http_stream_release(s);
}

static const struct http_handler dropping = {.on_request = on_dropped_request,
                                             .on_reset = on_dropped_reset};

/* ---- deciding ---- */

static bool is_write(const struct http_stream *s)
{
    return !slice_eq_cstr(s->method, "GET") && !slice_eq_cstr(s->method, "HEAD");
}

/* One of the configured errors that fits, or 0. */
static int choose_error(const struct faults *f, const struct http_stream *s)
{
    static const struct {
        unsigned bit;
        int code;
    } codes[] = {{FAULT_429, ERR_BUSY}, {FAULT_500, ERR_INTERNAL}, {FAULT_409, ERR_CONFLICT}};
    if (!slice_starts_with(s->path, SLICE("/api")) ||
        dice() % FAULT_PER_MILLE >= atomic_load(&f->error_per_mille)) {
        return 0;
    }
    unsigned wanted = atomic_load(&f->error_codes);
    if (!is_write(s)) {
        wanted &= ~(unsigned)FAULT_409;
    }
    size_t start = dice() % 3;
    for (size_t i = 0; i < 3; i++) {
        if ((wanted & codes[(start + i) % 3].bit) != 0) {
            return codes[(start + i) % 3].code;
        }
    }
    return 0;
}

void faults_route(struct faults *f, struct api *api, struct http_stream *s)
{
    if (slice_starts_with(s->path, SLICE(PLANE_ADMIN_PATH))) {
        api_accept(api, s);
        return;
    }
    if (now_ms() < atomic_load(&f->down_until_ms)) {
        atomic_fetch_add(&f->dropped, 1);
        s->handler = &dropping;
        return;
    }
    uint64_t delay = atomic_load(&f->latency_ms);
    unsigned jitter = atomic_load(&f->jitter_ms);
    delay += jitter > 0 ? dice() % (jitter + 1) : 0;
    int error = choose_error(f, s);
    if (delay == 0 && error == 0) {
        api_accept(api, s);
        return;
    }
    struct passage *p = ARENA_NEW(&s->arena, struct passage);
    *p = (struct passage){.faults = f, .api = api, .stream = s, .delay_ms = delay, .error = error};
    s->handler = &passing;
    s->user = p;
}

/* ---- settings ---- */

int faults_read_ms(const json_t *wanted, const char *key, uint64_t most, uint64_t *value,
                   struct err *err)
{
    const json_t *v = json_object_get(wanted, key);
    if (v == NULL) {
        return 0;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        (uint64_t)json_integer_value(v) > most) {
        return err_set(err, ERR_INVALID, "%s: must be from 0 to %llu milliseconds", key,
                       (unsigned long long)most);
    }
    *value = (uint64_t)json_integer_value(v);
    return 0;
}

static int read_codes(const json_t *wanted, unsigned *codes, struct err *err)
{
    const json_t *list = json_object_get(wanted, "errorCodes");
    if (list == NULL) {
        return 0;
    }
    unsigned found = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t code = json_integer_value(json_array_get(list, i));
        unsigned bit = code == 429 ? FAULT_429 : code == 500 ? FAULT_500 : 0;
        bit = code == 409 ? FAULT_409 : bit;
        if (bit == 0) {
            return err_set(err, ERR_INVALID, "errorCodes: must be some of 429, 500, 409");
        }
        found |= bit;
    }
    if (found == 0) {
        return err_set(err, ERR_INVALID, "errorCodes: must be a list of 429, 500, 409");
    }
    *codes = found;
    return 0;
}

static int read_rate(const json_t *wanted, unsigned *per_mille, struct err *err)
{
    const json_t *v = json_object_get(wanted, "errorRate");
    if (v == NULL) {
        return 0;
    }
    if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 1) {
        return err_set(err, ERR_INVALID, "errorRate: must be from 0 to 1");
    }
    *per_mille = (unsigned)(json_number_value(v) * FAULT_PER_MILLE + 0.5);
    return 0;
}

int faults_set(struct faults *f, const json_t *wanted, struct err *err)
{
    uint64_t latency = atomic_load(&f->latency_ms);
    uint64_t jitter = atomic_load(&f->jitter_ms);
    uint64_t down = UINT64_MAX;
    unsigned per_mille = atomic_load(&f->error_per_mille);
    unsigned codes = atomic_load(&f->error_codes);
    int rc = faults_read_ms(wanted, "latencyMs", LATENCY_MAX_MS, &latency, err);
    rc = rc != 0 ? rc : faults_read_ms(wanted, "jitterMs", LATENCY_MAX_MS, &jitter, err);
    rc = rc != 0 ? rc : faults_read_ms(wanted, "downMs", DOWN_MAX_MS, &down, err);
    rc = rc != 0 ? rc : read_rate(wanted, &per_mille, err);
    rc = rc != 0 ? rc : read_codes(wanted, &codes, err);
    if (rc != 0) {
        return rc;
    }
    atomic_store(&f->latency_ms, (unsigned)latency);
    atomic_store(&f->jitter_ms, (unsigned)jitter);
    atomic_store(&f->error_per_mille, per_mille);
    atomic_store(&f->error_codes, codes != 0 ? codes : FAULT_429 | FAULT_500 | FAULT_409);
    if (down != UINT64_MAX) {
        atomic_store(&f->down_until_ms, now_ms() + down);
    }
    return 0;
}

json_t *faults_get(const struct faults *f)
{
    uint64_t until = atomic_load(&f->down_until_ms);
    unsigned codes = atomic_load(&f->error_codes);
    json_t *list = json_array();
    const json_int_t numbers[] = {429, 500, 409};
    for (size_t i = 0; i < 3; i++) {
        if ((codes & (1U << i)) != 0) {
            json_array_append_new(list, json_integer(numbers[i]));
        }
    }
    return json_pack(
        "{s:i, s:i, s:f, s:o, s:I, s:I, s:I}", "latencyMs", (int)atomic_load(&f->latency_ms),
        "jitterMs", (int)atomic_load(&f->jitter_ms), "errorRate",
        (double)atomic_load(&f->error_per_mille) / FAULT_PER_MILLE, "errorCodes", list, "downMs",
        (json_int_t)(until > now_ms() ? until - now_ms() : 0), "dropped",
        (json_int_t)atomic_load(&f->dropped), "refused", (json_int_t)atomic_load(&f->refused));
}
