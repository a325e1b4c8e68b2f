/* capture.c: the two streams, turned into files without a name and back. */
#include "tests/lib/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void turn(struct capture *c, int i, int fd)
{
    c->kept[i] = dup(fd);
    c->files[i] = memfd_create("capture", MFD_CLOEXEC);
    if (c->kept[i] < 0 || c->files[i] < 0 || dup2(c->files[i], fd) < 0) {
        abort();
    }
}

static void turn_back(struct capture *c, int i, int fd, struct buf *text)
{
    char chunk[4096];
    off_t at = 0;
    ssize_t n;
    if (dup2(c->kept[i], fd) < 0) {
        abort();
    }
    while ((n = pread(c->files[i], chunk, sizeof chunk, at)) > 0) {
        buf_add(text, slice_make(chunk, (size_t)n));
        at += n;
    }
    (void)close(c->kept[i]);
    (void)close(c->files[i]);
}

void capture_start(struct capture *c)
{
    *c = (struct capture){0};
    (void)fflush(NULL);
    turn(c, 0, STDOUT_FILENO);
    turn(c, 1, STDERR_FILENO);
}

void capture_end(struct capture *c)
{
    (void)fflush(NULL);
    turn_back(c, 0, STDOUT_FILENO, &c->out);
    turn_back(c, 1, STDERR_FILENO, &c->err);
}

void capture_free(struct capture *c)
{
    buf_free(&c->out);
    buf_free(&c->err);
}
