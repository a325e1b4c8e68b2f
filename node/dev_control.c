/* dev_control.c: `choreod dev restart NAME`, over a Unix socket in the directory.
 *
 * The running `choreod dev` listens on DIR/dev.sock; a client sends one line, "restart NAME", and
 * gets one line back, "ok PID" once the child answers again, or "error WHY". The socket lies in a
 * 0700 directory: who may connect may do anything to the cluster anyway. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "node/dev_internal.h"

enum { LINE_MAX_BYTES = 128 };

struct dev_control {
    struct dev *dev;
    uv_pipe_t listener;
    struct list clients;
};

struct client {
    struct dev *dev;
    uv_pipe_t pipe;
    uv_write_t write;
    struct list link;
    char line[LINE_MAX_BYTES];
    size_t len;
    char answer[ERR_MESSAGE_MAX + 16];
    struct dev_child *waits_for;
    bool closing;
};

static void on_client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    list_remove(&c->link);
    free(c);
}

static void close_client(struct client *c)
{
    if (!c->closing) {
        c->closing = true;
        uv_close((uv_handle_t *)&c->pipe, on_client_closed);
    }
}

static void on_answered(uv_write_t *write, int status)
{
    (void)status; /* the client may be gone: nobody is left to tell */
    close_client(write->data);
}

static void answer(struct client *c, const char *word, const char *text)
{
    c->waits_for = NULL;
    (void)snprintf(c->answer, sizeof c->answer, "%s %s\n", word, text);
    uv_buf_t buf = uv_buf_init(c->answer, (unsigned)strlen(c->answer));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buf, 1, on_answered) != 0) {
        close_client(c);
    }
}

static void handle_line(struct client *c)
{
    static const char verb[] = "restart ";
    struct err err = {0};
    struct dev_child *child = NULL;
    if (strncmp(c->line, verb, sizeof verb - 1) != 0) {
        answer(c, "error", "the only request is: restart NAME");
    } else if (dev_restart(c->dev, c->line + sizeof verb - 1, &child, &err) != 0) {
        answer(c, "error", err.message);
    } else {
        c->waits_for = child;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct client *c = handle->data;
    *buf = uv_buf_init(c->line + c->len, (unsigned)(sizeof c->line - c->len - 1));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct client *c = stream->data;
    if (got < 0) {
        close_client(c);
        return;
    }
    c->len += (size_t)got;
    c->line[c->len] = '\0';
    char *end = strchr(c->line, '\n');
    if (end != NULL) {
        *end = '\0';
        (void)uv_read_stop(stream);
        handle_line(c);
    } else if (c->len + 1 == sizeof c->line) {
        close_client(c);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dev_control *control = listener->data;
    if (status != 0) {
        return;
    }
    struct client *c = mem_zero(sizeof *c);
    c->dev = control->dev;
    c->pipe.data = c;
    (void)uv_pipe_init(&c->dev->loop.uv, &c->pipe, 0);
    list_push_back(&control->clients, &c->link);
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
        close_client(c);
    }
}

int dev_control_open(struct dev *d, struct err *err)
{
    char path[DEV_PATH_MAX];
    struct dev_control *control = mem_zero(sizeof *control);
    control->dev = d;
    list_init(&control->clients);
    control->listener.data = control;
    d->control = control;
    dev_path(d, "dev.sock", path);
    (void)unlink(path); /* of a parent that was killed */
    (void)uv_pipe_init(&d->loop.uv, &control->listener, 0);
    int rc = uv_pipe_bind(&control->listener, path);
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&control->listener, 8, on_connection);
    }
    return rc == 0 ? 0 : err_set(err, ERR_IO, "listen on %s: %s", path, uv_strerror(rc));
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void dev_control_close(struct dev *d)
{
    if (d->control == NULL) {
        return;
    }
    LIST_FOREACH(link, &d->control->clients)
    {
        list_remove(link); /* libuv may free the list's head before the clients are closed */
        close_client(CONTAINER_OF(link, struct client, link));
    }
    uv_close((uv_handle_t *)&d->control->listener, on_listener_closed);
    d->control = NULL;
}

void dev_control_ready(struct dev *d, struct dev_child *child, int rc)
{
    if (d->control == NULL) {
        return;
    }
    LIST_FOREACH(link, &d->control->clients)
    {
        struct client *c = CONTAINER_OF(link, struct client, link);
        if (c->waits_for != child) {
            continue;
        }
        char text[96];
        (void)snprintf(text, sizeof text, rc == 0 ? "%d" : "%d: ended before it was ready",
                       child->process.pid);
        answer(c, rc == 0 ? "ok" : "error", text);
    }
}

/* ---- the client ---- */

int dev_control_restart(const char *dir, const char *name, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/dev.sock", dir);
    if (len < 0 || (size_t)len >= sizeof address.sun_path) {
        return err_set(err, ERR_INVALID, "--dir %s: the path is too long for a socket", dir);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int rc = err_errno(err, ERR_UNAVAILABLE, errno, "no `choreod dev` runs in %s", dir);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    char line[ERR_MESSAGE_MAX + 32];
    int put = snprintf(line, sizeof line, "restart %s\n", name);
    size_t got = 0;
    if (put > 0 && write(fd, line, (size_t)put) == put) {
        ssize_t n;
        while (got < sizeof line - 1 && (n = read(fd, line + got, sizeof line - 1 - got)) > 0) {
            got += (size_t)n;
        }
    }
    (void)close(fd);
    line[got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "ok ", 3) == 0) {
        return 0;
    }
    return err_set(err, ERR_UNAVAILABLE, "restart %s: %s", name,
                   strncmp(line, "error ", 6) == 0 ? line + 6 : "the cluster ended meanwhile");
}
