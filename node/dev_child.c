/* dev_child.c: a node or a simulated cluster as a child process.
 *
 * Each child runs in a session of its own, so that Ctrl-C reaches only the parent, which stops them
 * in order; and through `setpriv --pdeathsig` where there is one, so that none outlives a parent
 * that was killed. What a child prints goes to DIR/log/NAME.log. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "node/dev_internal.h"

enum { ARGS_MAX = 24 };

static void on_closed(uv_handle_t *handle)
{
    struct dev_child *c = handle->data;
    c->spawned = false;
}

static void on_exit(uv_process_t *process, int64_t status, int signal)
{
    struct dev_child *c = process->data;
    c->running = false;
    c->ready = false;
    dev_child_exited(c, status, signal);
    uv_close((uv_handle_t *)process, on_closed);
}

/* The program NAME that stands beside this one. */
static int sibling(const char *name, char *out, size_t size, struct err *err)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0) {
        return err_errno(err, ERR_IO, errno, "find my own program");
    }
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    (void)snprintf(out, size, "%s/%s", self, name);
    return access(out, X_OK) == 0
               ? 0
               : err_set(err, ERR_NOT_FOUND, "%s is missing: build it first", out);
}

static int spawn(struct dev_child *c, char **args, int log, struct err *err)
{
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = log},
                                     {.flags = UV_INHERIT_FD, .data.fd = log}};
    uv_process_options_t options = {.exit_cb = on_exit,
                                    .file = args[0],
                                    .args = args,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    c->process.data = c;
    int rc = uv_spawn(&c->dev->loop.uv, &c->process, &options);
    c->spawned = true; /* also after a failure: the handle wants closing */
    c->running = rc == 0;
    if (rc != 0) {
        uv_close((uv_handle_t *)&c->process, on_closed);
        return err_set(err, ERR_IO, "start %s: %s", c->name, uv_strerror(rc));
    }
    return 0;
}

int dev_child_start(struct dev_child *c, struct err *err)
{
    char program[PATH_MAX + 32];
    char log_path[DEV_PATH_MAX + NODE_NAME_MAX + 16];
    char config[DEV_PATH_MAX + 32];
    char listen[64];
    char files[3][DEV_PATH_MAX + 16];
    int rc = sibling(c->is_node ? "choreod" : "choreo-plane", program, sizeof program, err);
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(config, sizeof config, "%s/choreod.yaml", c->dir);
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", c->port);
    static const char *const plane_files[3] = {"tls.crt", "tls.key", "token"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(files[i], sizeof files[i], "%s/%s", c->dir, plane_files[i]);
    }
    char *args[ARGS_MAX] = {0};
    size_t n = 0;
    char death[] = "/usr/bin/setpriv";
    char *const before[] = {death, "--pdeathsig", "TERM", "--"};
    char *const node[] = {program, "run", "--config", config};
    char *const plane[] = {program,  "--name", c->name,    "--region",     c->region,
                           "--dir",  c->dir,   "--listen", listen,         "--cert",
                           files[0], "--key",  files[1],   "--token-file", files[2]};
    if (access(death, X_OK) == 0) {
        memcpy(args, before, sizeof before);
        n = sizeof before / sizeof before[0];
    }
    memcpy(args + n, c->is_node ? node : plane, c->is_node ? sizeof node : sizeof plane);

    (void)snprintf(log_path, sizeof log_path, "%s/log/%s.log", c->dev->dir, c->name);
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) {
        return err_errno(err, ERR_IO, errno, "open %s", log_path);
    }
    rc = spawn(c, args, log, err);
    (void)close(log);
    return rc;
}

void dev_child_stop(struct dev_child *c, int signal)
{
    if (c->running) {
        (void)uv_process_kill(&c->process, signal);
    }
}
