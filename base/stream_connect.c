/* stream_connect.c: how streams begin: listening, accepting, connecting.
 *
 * Connecting, happy path: a numeric address is used at once; a name is resolved on the worker pool
 * and its addresses are tried one after the other (localhost is often ::1 first, where nobody
 * listens).
 * Failure path: the last address's error is the stream's. A stream may be closed at any point; the
 * resolver's callback then finds CLOSING and only lets go. */
#include "base/stream_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HOST_MAX = 256, PORT_MAX = 8, BACKLOG = 1024 };

int stream__split_address(const char *address, char *host, size_t host_max, char *port,
                          size_t port_max, struct err *err)
{
    struct slice all = slice_of(address);
    const char *colon = strrchr(address, ':');
    struct slice name = slice_sub(all, 0, colon != NULL ? (size_t)(colon - address) : 0);
    struct slice number = slice_sub(all, name.len + 1, SIZE_MAX);
    uint64_t value = 0;
    bool bracketed = slice_starts_with(name, SLICE("[")) && slice_ends_with(name, SLICE("]"));
    if (bracketed) {
        name = slice_sub(name, 1, name.len - 2);
    }
    bool colon_in_name = slice_find(name, SLICE(":")) != SIZE_MAX;
    if (colon == NULL || !slice_u64(number, &value) || value > 65535 || number.len >= port_max ||
        name.len >= host_max || (colon_in_name && !bracketed)) {
        return err_set(err, ERR_INVALID, "\"%s\" is no HOST:PORT or [IPv6]:PORT", address);
    }
    (void)snprintf(host, host_max, "%.*s", SLICE_ARG(name));
    (void)snprintf(port, port_max, "%.*s", SLICE_ARG(number));
    return 0;
}

/* ---- connecting ---- */

static void try_address(struct stream_impl *i, const struct sockaddr *address);

static void free_addresses(struct stream_impl *i)
{
    uv_freeaddrinfo(i->addresses);
    i->addresses = NULL;
    i->next = NULL;
}

static void on_retry_closed(uv_handle_t *handle)
{
    struct stream_impl *i = handle->data;
    if (stream__is_closing(i)) {
        free_addresses(i);
    } else {
        const struct sockaddr *address = i->next->ai_addr;
        i->next = i->next->ai_next;
        try_address(i, address);
    }
    stream__release(i);
}

/* One address did not work: the next one, or the end. */
static void connect_failed(struct stream_impl *i, int status)
{
    if (i->next == NULL) {
        free_addresses(i);
        stream__failf(i, ERR_UNAVAILABLE, "connect: %s", uv_strerror(status));
        return;
    }
    i->tcp_open = false; /* a socket connects once: the next address needs a new one */
    uv_close((uv_handle_t *)&i->tcp, on_retry_closed);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct stream_impl *i = req->data;
    if (stream__is_closing(i)) {
        free_addresses(i);
    } else if (status != 0) {
        connect_failed(i, status);
    } else {
        free_addresses(i);
        stream__connected(i);
    }
}

static void try_address(struct stream_impl *i, const struct sockaddr *address)
{
    stream__open_tcp(i);
    i->connecting.data = i;
    int rc = uv_tcp_connect(&i->connecting, &i->tcp, address, on_connect);
    if (rc != 0) {
        connect_failed(i, rc);
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct stream_impl *i = req->data;
    i->resolve_busy = false;
    i->addresses = found;
    if (stream__is_closing(i)) {
        free_addresses(i);
    } else if (status != 0 || found == NULL) {
        free_addresses(i);
        stream__failf(i, ERR_UNAVAILABLE, "resolve: %s",
                      status != 0 ? uv_strerror(status) : "the name has no address");
    } else {
        i->next = found->ai_next;
        try_address(i, found->ai_addr);
    }
    stream__release(i);
}

static bool parse_numeric(const char *host, const char *port, struct sockaddr_storage *out)
{
    int number = (int)strtol(port, NULL, 10);
    return uv_ip4_addr(host, number, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, number, (struct sockaddr_in6 *)out) == 0;
}

void stream_connect(struct stream *s, struct loop *loop, const char *address,
                    const char *server_name, const struct stream_config *config)
{
    char host[HOST_MAX];
    char port[PORT_MAX];
    struct sockaddr_storage numeric;
    struct err why;
    assert(!config->tls->server);
    struct stream_impl *i = stream__new(s, loop, server_name, config);
    (void)snprintf(i->remote, sizeof i->remote, "%s", address);
    if (stream__is_closing(i)) {
        return;
    }
    int rc = stream__split_address(address, host, sizeof host, port, sizeof port, &why);
    if (rc == 0 && host[0] == '\0') {
        rc = err_set(&why, ERR_INVALID, "\"%s\" names no host to connect to", address);
    }
    if (rc != 0) {
        stream__fail(i, &why);
        return;
    }
    if (parse_numeric(host, port, &numeric)) {
        try_address(i, (struct sockaddr *)&numeric);
        return;
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    i->resolving.data = i;
    rc = uv_getaddrinfo(&loop->uv, &i->resolving, on_resolved, host, port, &hints);
    if (rc != 0) {
        stream__failf(i, ERR_UNAVAILABLE, "resolve: %s", uv_strerror(rc));
        return;
    }
    i->resolve_busy = true;
    i->held_count++;
}

/* ---- listening ---- */

struct stream_listener_impl {
    struct stream_listener *listener;
    uv_tcp_t tcp;
    struct loop *loop;
    bool waiting; /* a connection waits to be accepted or rejected */
    void (*closed)(struct stream_listener *l);
};

static void on_connection(uv_stream_t *tcp, int status)
{
    struct stream_listener_impl *i = tcp->data;
    if (status != 0) {
        return; /* it went away, or libuv was out of descriptors and dropped it */
    }
    i->waiting = true;
    i->listener->on_accept(i->listener);
    assert((!i->waiting || uv_is_closing((uv_handle_t *)tcp)) && "accept or reject it");
}

static void on_orphan_closed(uv_handle_t *handle)
{
    free(handle->data); /* never started listening */
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct stream_listener_impl *i = handle->data;
    if (i->closed != NULL) {
        i->closed(i->listener);
    }
    free(i);
}

static int share_port(uv_tcp_t *tcp)
{
    uv_os_fd_t fd;
    int on = 1;
    int rc = uv_fileno((uv_handle_t *)tcp, &fd);
    if (rc == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
        rc = -errno;
    }
    return rc;
}

/* The first to have a port binds it before it shares it: who else has it, sharing or not, is an
 * error. */
static int listen_on(struct stream_listener_impl *i, const struct sockaddr *address,
                     enum stream_port sharing)
{
    i->tcp.data = i;
    int rc = sharing == STREAM_PORT_SHARED ? share_port(&i->tcp) : 0;
    if (rc == 0) {
        rc = uv_tcp_bind(&i->tcp, address, 0);
    }
    if (rc == 0 && sharing == STREAM_PORT_FIRST) {
        rc = share_port(&i->tcp);
    }
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&i->tcp, BACKLOG, on_connection);
    }
    return rc;
}

int stream_listen(struct stream_listener *l, struct loop *loop, const char *address,
                  enum stream_port sharing, struct err *err)
{
    char host[HOST_MAX];
    char port[PORT_MAX];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    assert(loop_is_current(loop) || loop_current() == NULL);
    l->impl = NULL;
    int rc = stream__split_address(address, host, sizeof host, port, sizeof port, err);
    if (rc != 0) {
        return rc;
    }
    rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        return err_set(err, ERR_IO, "listen on %s: %s", address, gai_strerror(rc));
    }
    struct stream_listener_impl *i = mem_zero(sizeof *i);
    i->listener = l;
    i->loop = loop;
    /* With a family libuv makes the socket now, which sharing the port needs. */
    rc = uv_tcp_init_ex(&loop->uv, &i->tcp, (unsigned)found->ai_family);
    if (rc != 0) {
        free(i);
    } else {
        rc = listen_on(i, found->ai_addr, sharing);
        if (rc != 0) {
            uv_close((uv_handle_t *)&i->tcp, on_orphan_closed);
        }
    }
    freeaddrinfo(found);
    if (rc != 0) {
        return err_set(err, ERR_IO, "listen on %s: %s", address, uv_strerror(rc));
    }
    l->impl = i;
    return 0;
}

uint16_t stream_listener_port(const struct stream_listener *l)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    int rc = uv_tcp_getsockname(&l->impl->tcp, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

void stream_listener_close(struct stream_listener *l, void (*closed)(struct stream_listener *l))
{
    l->impl->closed = closed;
    uv_close((uv_handle_t *)&l->impl->tcp, on_listener_closed);
}

void stream_accept(struct stream_listener *l, struct stream *s, const struct stream_config *config)
{
    struct stream_listener_impl *from = l->impl;
    assert(from->waiting && config->tls->server);
    struct stream_impl *i = stream__new(s, from->loop, NULL, config);
    if (stream__is_closing(i)) {
        stream_reject(l);
        return;
    }
    from->waiting = false;
    stream__open_tcp(i);
    int rc = uv_accept((uv_stream_t *)&from->tcp, (uv_stream_t *)&i->tcp);
    if (rc != 0) {
        stream__failf(i, ERR_UNAVAILABLE, "accept: %s", uv_strerror(rc));
        return;
    }
    stream__connected(i);
}

static void on_rejected(uv_handle_t *handle)
{
    free(handle);
}

void stream_reject(struct stream_listener *l)
{
    struct stream_listener_impl *from = l->impl;
    assert(from->waiting);
    from->waiting = false;
    uv_tcp_t *tcp = mem_zero(sizeof *tcp);
    int rc = uv_tcp_init(&from->loop->uv, tcp);
    assert(rc == 0);
    (void)uv_accept((uv_stream_t *)&from->tcp, (uv_stream_t *)tcp); /* closed either way */
    uv_close((uv_handle_t *)tcp, on_rejected);
}
