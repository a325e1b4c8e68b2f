/* Any bytes on a connection: the first chooses HTTP/1.1 or HTTP/2 and how they are cut, the rest is
 * what the client sends. Nothing crashes, nothing leaks, every stream given to a handler is ended
 * once, and a connection that has been finished is written to no more. */
#include <string.h>

#include "node/http/conn.h"
#include "tests/fuzz/fuzz.h"

static struct {
    struct loop loop;
    struct http_server server;
    struct http_wire wire;
    bool ready;
    bool finished;
    int streams; /* with the handler */
} world;

static void wire_write(struct http_wire *wire, struct slice bytes)
{
    (void)wire;
    (void)bytes;
    PROPERTY(!world.finished);
}

static size_t wire_pending(const struct http_wire *wire)
{
    (void)wire;
    return 0;
}

static void wire_read(struct http_wire *wire, bool on)
{
    (void)wire;
    (void)on;
}

static void wire_finish(struct http_wire *wire)
{
    (void)wire;
    PROPERTY(!world.finished);
    world.finished = true;
}

static const struct http_wire_ops wire_ops = {wire_write, wire_pending, wire_read, wire_finish,
                                              wire_finish};

static void release(struct http_stream *s)
{
    world.streams--;
    PROPERTY(world.streams >= 0);
    http_stream_release(s);
}

static void on_request(struct http_stream *s, int rc)
{
    const struct http_header type = {SLICE("content-type"), SLICE("text/plain")};
    struct slice value;
    (void)http_stream_param(s, "x", &value);
    if (slice_starts_with(s->path, SLICE("/stream"))) {
        http_stream_start(s, 200, &type, 1);
        (void)http_stream_write(s, s->path);
        http_stream_end(s, &type, 1);
    } else if (slice_starts_with(s->path, SLICE("/reset"))) {
        http_stream_reset(s);
    } else {
        http_stream_respond(s, rc == 0 ? 200 : 413, &type, 1, s->body);
    }
    release(s);
}

static void on_data(struct http_stream *s, struct slice data)
{
    (void)data;
    if (slice_starts_with(s->path, SLICE("/streampause"))) {
        http_stream_pause(s);
    }
}

static void on_reset(struct http_stream *s, const struct err *why)
{
    PROPERTY(why->code != 0);
    release(s);
}

static const struct http_handler handler = {
    .on_request = on_request, .on_data = on_data, .on_reset = on_reset};

static void route(struct http_server *server, struct http_stream *s)
{
    (void)server;
    PROPERTY(s->path.len != 0);
    world.streams++;
    s->handler = &handler;
    s->streaming = slice_starts_with(s->path, SLICE("/stream"));
    s->body_max = 1000;
}

static void prepare(void)
{
    if (!world.ready) {
        struct err err;
        const struct http_server_config config = {.route = route};
        PROPERTY(loop_init(&world.loop, "fuzz", &err) == 0);
        world.wire.ops = &wire_ops;
        http_server_init(&world.server, &world.loop, &config);
        world.server.by_hand = true;
        world.ready = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    prepare();
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct http_conn conn;
    bool http2 = (data[0] & 1) != 0;
    size_t step = (data[0] >> 1) != 0 ? data[0] >> 1 : size;
    world.finished = false;
    world.streams = 0;
    http_conn_init(&conn, &world.server, &world.wire, http2, NULL, "fuzz");
    if (http2) {
        http_conn_input(&conn, slice_make(preface, sizeof(preface) - 1));
    }
    for (size_t at = 1; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;
        http_conn_input(&conn, slice_make(data + at, len));
        http_conn_pump(&conn);
    }
    struct err why = {.code = ERR_CANCELED, .message = "the input has ended"};
    http_conn_free(&conn, &why);
    PROPERTY(world.streams == 0);
    PROPERTY(conn.stream_count == 0);
    return 0;
}
