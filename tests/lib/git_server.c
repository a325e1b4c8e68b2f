/* git_server.c: the child, and just enough HTTP to tell it something. */
#include "tests/lib/git_server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

void git_server_start(struct git_server *g, struct slice cert_pem, struct slice key_pem)
{
    int in[2];
    int out[2];
    char line[16] = "";
    bool tls = cert_pem.len > 0;
    *g = (struct git_server){.scheme = tls ? "https" : "http"};
    tmpdir_make(&g->dir);
    const char *cert = tls ? tmpdir_write(&g->dir, "cert.pem", cert_pem) : NULL;
    const char *key = tls ? tmpdir_write(&g->dir, "key.pem", key_pem) : NULL;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    g->pid = fork();
    assert_true(g->pid >= 0);
    if (g->pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        (void)close(in[1]);
        (void)close(out[0]);
        execlp("python3", "python3", SOURCE_DIR "/tests/lib/git_server.py", g->dir.path, cert, key,
               (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    g->input = in[1];
    FILE *f = fdopen(out[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    g->port = (uint16_t)strtoul(line, NULL, 10);
    assert_true(g->port > 0);
}

void git_server_stop(struct git_server *g)
{
    int status;
    (void)close(g->input);
    assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
    tmpdir_remove(&g->dir);
}

const char *git_server_url(struct git_server *g, const char *path)
{
    return arena_printf(&g->dir.names, "%s://127.0.0.1:%u/%s", g->scheme, g->port, path);
}

void git_server_ask(struct git_server *g, const char *method, const char *path, struct buf *body)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(g->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct buf text = {0};
    char piece[4096];
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    buf_addf(&text, "%s /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
    buf_clear(&text);
    while ((got = read(fd, piece, sizeof(piece))) > 0) {
        buf_add(&text, slice_make(piece, (size_t)got));
    }
    (void)close(fd);
    size_t end = slice_find(buf_slice(&text), SLICE("\r\n\r\n"));
    assert_true(slice_starts_with(buf_slice(&text), SLICE("HTTP/1.1 200")) && end != SIZE_MAX);
    buf_add(body, slice_sub(buf_slice(&text), end + 4, SIZE_MAX));
    buf_free(&text);
}

struct slice git_server_log(struct git_server *g)
{
    return tmpdir_read(&g->dir, "requests.log");
}

void git_server_push(struct git_server *g, const char *branch, struct buf *commit)
{
    buf_clear(commit);
    git_server_ask(g, "POST", arena_printf(&g->dir.names, "push/shop/%s", branch), commit);
    assert_int_equal(commit->len, 40);
}

void git_server_commit(struct git_server *g, const char *ref, struct buf *commit)
{
    struct slice rest = tmpdir_read(&g->dir, "shop.refs");
    struct slice line;
    buf_clear(commit);
    while (slice_split(&rest, '\n', &line)) {
        size_t space = slice_find(line, SLICE(" "));
        if (slice_eq_cstr(slice_sub(line, 0, space), ref)) {
            buf_add(commit, slice_sub(line, space + 1, SIZE_MAX));
        }
    }
    assert_int_equal(commit->len, 40);
}
