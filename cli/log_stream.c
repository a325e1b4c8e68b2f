/* log_stream.c: LogService.Read, again and again until it has ended by itself.
 *
 * Happy path: one call; each message is cut into lines, each line into its time and its text.
 * Failure path: a call that breaks off is made again, from the time of the oldest of the last lines
 * of each container on. Of a container, lines up to the last that was seen are left out then: those
 * of an earlier time, and as many of that very time as had come. */
#include "cli/log_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { TRIES_MAX = 5, PAUSE_MS = 500, TIME_MIN = 20, TIME_MAX = 40 };

/* ---- lines ---- */

/* "2026-01-31T12:00:00.123456789Z text" */
static void cut_time(struct slice *line, struct slice *time)
{
    size_t space = slice_find(*line, SLICE(" "));
    bool is_time = space != SIZE_MAX && space >= TIME_MIN && space <= TIME_MAX &&
                   line->data[4] == '-' && line->data[10] == 'T';
    *time = is_time ? slice_sub(*line, 0, space) : (struct slice){0};
    *line = is_time ? slice_sub(*line, space + 1, SIZE_MAX) : *line;
}

/* Fractions may lack their zeros: without the zone's letter the order is that of the bytes. */
static int time_order(struct slice a, struct slice b)
{
    return slice_cmp(slice_sub(a, 0, a.len - 1), slice_sub(b, 0, b.len - 1));
}

static int64_t number(const json_t *origin, const char *key)
{
    return json_integer_value(json_object_get(origin, key));
}

static void set(json_t *origin, const char *key, int64_t value)
{
    json_object_set_new(origin, key, json_integer(value));
}

/* Has it come before? Notes it, if not. */
static bool is_old(struct log_stream *s, const char *from, struct slice time)
{
    json_t *origin = json_object_get(s->origins, from);
    if (time.len == 0) {
        return false;
    }
    if (origin == NULL) {
        origin = json_pack("{s:o, s:i, s:i}", "time", json_str(time), "same", 1, "left", 0);
        json_object_set_new(s->origins, from, origin);
        return false;
    }
    int order = time_order(time, json_text_at(origin, "time"));
    if (order < 0) {
        return number(origin, "again") != 0;
    }
    if (order == 0 && number(origin, "left") > 0) {
        set(origin, "left", number(origin, "left") - 1);
        return true;
    }
    set(origin, "again", 0);
    set(origin, "left", 0);
    set(origin, "same", order == 0 ? number(origin, "same") + 1 : 1);
    json_object_set_new(origin, "time", json_str(time));
    return false;
}

/* The next call repeats lines: from when on? */
static const char *repeat_from(struct log_stream *s)
{
    struct slice oldest = {0};
    const char *from;
    json_t *origin;
    json_object_foreach(s->origins, from, origin)
    {
        struct slice time = json_text_at(origin, "time");
        oldest = oldest.len == 0 || time_order(time, oldest) < 0 ? time : oldest;
        set(origin, "left", number(origin, "same"));
        set(origin, "again", 1);
    }
    return oldest.len > 0 ? arena_cstr(&s->cli->arena, oldest) : NULL;
}

static const char *text(const char *field)
{
    return field != NULL ? field : "";
}

static void take_lines(struct log_stream *s, const Choreo__V1__LogLines *m)
{
    struct slice rest = slice_make(m->lines.data, m->lines.len);
    struct log_line line = {.cluster = text(m->cluster),
                            .pod = text(m->pod),
                            .container = text(m->container),
                            .label = text(m->label)};
    char from[1024];
    snprintf(from, sizeof from, "%s/%s/%s", line.cluster, line.pod, line.container);
    while (slice_split(&rest, '\n', &line.text)) {
        cut_time(&line.text, &line.time);
        if (!is_old(s, from, line.time)) {
            s->lines++;
            s->line(s, &line);
        }
    }
    if (s->flush != NULL) {
        s->flush(s);
    }
}

static bool on_message(const ProtobufCMessage *message, void *user)
{
    struct log_stream *s = user;
    const Choreo__V1__LogLines *m = (const Choreo__V1__LogLines *)message;
    const char *notice = text(m->notice);
    if (*notice != '\0' && (s->told == NULL || strcmp(s->told, notice) != 0)) {
        free(s->told);
        s->told = mem_strdup(notice);
        s->notice(s, notice);
    }
    take_lines(s, m);
    return !s->stop;
}

/* ---- calls ---- */

static bool broke_off(int rc)
{
    return rc == ERR_UNAVAILABLE || rc == ERR_CLOSED || rc == ERR_NOT_LEADER || rc == ERR_UPSTREAM;
}

static int read_on(struct log_stream *s, struct err *err)
{
    uint64_t seen = 0;
    int tries = 0;
    for (;;) {
        uint64_t now_ms = uv_hrtime() / 1000000;
        uint32_t left_ms = s->end_ms == 0 ? 0 : (uint32_t)(s->end_ms - now_ms);
        if (s->end_ms != 0 && now_ms >= s->end_ms) {
            return err_set(err, ERR_TIMEOUT, "the log goes on; timed out reading it");
        }
        int rc = client_stream(&s->cli->client, "choreo.v1.LogService/Read", &s->request.base,
                               &choreo__v1__log_lines__descriptor, left_ms, on_message, s, err);
        tries = s->lines > seen ? 1 : tries + 1;
        seen = s->lines;
        if (s->stop || !broke_off(rc) || seen == 0 || tries == TRIES_MAX) {
            return rc;
        }
        s->request.since_time = (char *)(uintptr_t)repeat_from(s);
        s->request.has_since_seconds = s->request.has_tail_lines = false;
        uv_sleep(PAUSE_MS);
    }
}

int log_stream_read(struct log_stream *s, struct err *err)
{
    s->origins = json_object();
    s->told = NULL;
    s->lines = 0;
    s->request.has_timestamps = s->request.timestamps = true;
    int rc = read_on(s, err);
    json_decref(s->origins);
    free(s->told);
    return rc;
}
