/* server.c: the doors over an in-memory backend, for clients from outside.
 *
 *   api-server DIR
 *
 * Serves until SIGTERM on a port that the kernel chooses. DIR gets ca.crt, a kubeconfig of an
 * administrator ("kubeconfig") and of one who may only look ("viewer.kubeconfig"), and, last,
 * "url". Only for tests: nothing is stored, and its two tokens are no secret. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/pki.h"
#include "node/api/gate.h"
#include "node/api/grpc/door.h"
#include "node/api/definitions.h"
#include "node/api/events_view.h"
#include "node/http/server.h"
#include "render/expressions.h"
#include "tests/lib/memory.h"

struct program {
    struct loop loop;
    struct memory memory;
    struct events_view events;
    struct kind_registry kinds;
    struct kind_board board;
    struct auth auth; /* of tokens that are not one of the two */
    struct api api;
    struct grpc grpc; /* all but ClusterService, which is the node's */
    struct http_server server;
    struct definitions definitions;
    uv_signal_t terminate;
    struct gate_write first; /* creates namespace default */
    struct arena arena;
    struct subject self;
    const char *dir;
    struct buf ca;
};

static void die(const struct err *err)
{
    log_error("api-server", "error=%s", log_q(err->message));
    exit(1);
}

static struct slice keep(struct arena *arena, const char *text)
{
    return arena_copy(arena, slice_of(text));
}

static int authenticate(struct api *api, const struct tls_peer *peer, struct slice authorization,
                        struct arena *arena, struct subject *subject, struct err *err)
{
    struct program *p = CONTAINER_OF(api, struct program, api);
    const char *group = NULL;
    *subject = (struct subject){.user = SLICE(USER_ANONYMOUS)};
    if (slice_eq_cstr(authorization, "Bearer admin-token")) {
        subject->user = keep(arena, "admin");
        group = GROUP_ADMIN;
    } else if (slice_eq_cstr(authorization, "Bearer viewer-token")) {
        subject->user = keep(arena, "viewer");
        group = GROUP_VIEWER;
    } else if (authorization.len != 0) {
        return auth_authenticate(&p->auth, peer, authorization, api->clock->wall_ms(api->clock),
                                 arena, subject, err);
    }
    (void)subject_add_group(subject, slice_of(group != NULL ? group : GROUP_ANONYMOUS));
    if (group != NULL) {
        (void)subject_add_group(subject, SLICE(GROUP_AUTHENTICATED));
    }
    return 0;
}

static void route(struct http_server *server, struct http_stream *stream)
{
    struct program *p = server->user;
    api_accept(&p->api, stream);
}

/* The namespaces that exist, by their rows in the memory backend. */
static bool has_namespace(struct memory *m, struct slice ns)
{
    return memory_has(m, SLICE("namespaces"), ns);
}

static struct tls *make_tls(struct program *p)
{
    struct err err = {0};
    struct buf ca_key = {0};
    struct buf key = {0};
    struct buf csr = {0};
    struct buf cert = {0};
    struct tls *tls = NULL;
    const struct pki_subject subject = {
        .common_name = "localhost",
        .dns = {"localhost"},
        .dns_count = 1,
        .ips = {"127.0.0.1"},
        .ip_count = 1,
        .server = true,
    };
    int rc = pki_new_key(&ca_key, &err);
    rc = rc != 0 ? rc : pki_new_ca(buf_slice(&ca_key), "test", 1, &p->ca, &err);
    rc = rc != 0 ? rc : pki_new_key(&key, &err);
    rc = rc != 0 ? rc : pki_new_csr(buf_slice(&key), &subject, &csr, &err);
    rc = rc != 0 ? rc
                 : pki_sign(buf_slice(&p->ca), buf_slice(&ca_key), buf_slice(&csr), &subject, 86400,
                            &cert, &err);
    const struct tls_config config = {
        .server = true,
        .ca_pem = buf_slice(&p->ca),
        .cert_pem = buf_slice(&cert),
        .key_pem = buf_slice(&key),
        .peer = TLS_PEER_OPTIONAL,
        .alpn = http_alpn,
    };
    rc = rc != 0 ? rc : tls_new(&config, &tls, &err);
    if (rc != 0) {
        die(&err);
    }
    buf_free(&ca_key);
    buf_free(&key);
    buf_free(&csr);
    buf_free(&cert);
    return tls;
}

static void write_text(struct program *p, const char *name, struct slice text)
{
    struct err err = {0};
    char *path = arena_printf(&p->arena, "%s/%s", p->dir, name);
    if (file_write(path, text, 0600, &err) != 0) {
        die(&err);
    }
}

static void write_kubeconfig(struct program *p, const char *name, const char *token)
{
    struct buf text = {0};
    buf_addf(
        &text,
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
        "clusters:\n- name: test\n  cluster:\n    server: https://127.0.0.1:%u\n"
        "    certificate-authority: %s/ca.crt\n"
        "users:\n- name: test\n  user:\n    token: %s\n"
        "contexts:\n- name: test\n  context: {cluster: test, user: test, namespace: default}\n",
        http_server_port(&p->server), p->dir, token);
    write_text(p, name, buf_slice(&text));
    buf_free(&text);
}

static void on_ready(struct gate_write *w, int rc, const struct err *err)
{
    struct program *p = w->user;
    if (rc != 0) {
        die(err);
    }
    p->memory.has_namespace = has_namespace;
    write_text(p, "ca.crt", buf_slice(&p->ca));
    write_kubeconfig(p, "kubeconfig", "admin-token");
    write_kubeconfig(p, "viewer.kubeconfig", "viewer-token");
    char *url = arena_printf(&p->arena, "https://127.0.0.1:%u", http_server_port(&p->server));
    write_text(p, "url", slice_of(url));
}

static void release_tree(void *tree)
{
    json_decref(tree);
}

static void create_default(struct program *p)
{
    struct err err = {0};
    json_t *object = object_new("v1", "Namespace", (struct slice){0}, SLICE("default"));
    arena_own(&p->arena, object, release_tree);
    p->self = (struct subject){.user = SLICE("system:test")};
    p->first = (struct gate_write){
        .api = &p->api,
        .loop = &p->loop,
        .arena = &p->arena,
        .subject = &p->self,
        .kind = kind_by_resource(&p->kinds, SLICE("namespaces")),
        .op = ADMIT_CREATE,
        .incoming = object,
        .user = p,
        .done = on_ready,
    };
    if (p->first.kind == NULL) {
        (void)err_set(&err, ERR_INTERNAL, "no kind namespaces");
        die(&err);
    }
    gate_write(&p->first);
}

static void on_definitions_closed(struct definitions *d)
{
    struct program *p = CONTAINER_OF(d, struct program, definitions);
    uv_close((uv_handle_t *)&p->terminate, NULL);
    loop_stop(&p->loop);
}

static void on_server_closed(struct http_server *server)
{
    struct program *p = server->user;
    definitions_close(&p->definitions, on_definitions_closed);
}

static void on_terminate(uv_signal_t *handle, int number)
{
    struct program *p = handle->data;
    (void)number;
    memory_end_watches(&p->memory);
    http_server_close(&p->server, 1000, on_server_closed);
}

static int check_fine(struct api *api, void *user, struct err *err)
{
    (void)api;
    (void)user;
    (void)err;
    return 0;
}

struct start_msg {
    struct loop_msg msg;
    struct program *p;
};

static void start(struct loop_msg *msg)
{
    struct program *p = CONTAINER_OF(msg, struct start_msg, msg)->p;
    struct err err = {0};
    struct tls *tls = make_tls(p);
    const struct http_server_config config = {.tls = tls, .address = "127.0.0.1:0", .route = route};
    p->server.user = p;
    if (http_server_start(&p->server, &p->loop, &config, &err) != 0) {
        die(&err);
    }
    tls_unref(tls);
    const struct definitions_config definitions = {.api = &p->api, .loop = &p->loop};
    definitions_start(&p->definitions, &definitions);
    create_default(p);
}

int main(int argc, char **argv)
{
    static struct program p;
    struct err err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: api-server DIR\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    p.dir = argv[1];
    if (loop_init(&p.loop, "api", &err) != 0) {
        die(&err);
    }
    struct token_key *key = NULL;
    if (token_key_new(&key, &err) != 0) {
        die(&err);
    }
    p.auth = (struct auth){.cluster = "test", .token_key = key};
    kind_registry_init(&p.kinds);
    kind_registry_builtin(&p.kinds);
    kind_registry_workloads(&p.kinds);
    kind_board_init(&p.board, &p.kinds);
    memory_init(&p.memory, &p.loop);
    events_view_init(&p.events, &p.memory.backend);
    const struct api_config config = {
        .backend = &p.events.backend,
        .kinds = &p.board,
        .expressions = &expressions_cel,
        .auth = &p.auth,
        .authenticate = authenticate,
        .name = "api-server",
        .grpc = grpc_accept,
        .grpc_user = &p.grpc,
    };
    grpc_init(&p.grpc);
    grpc_add(&p.grpc, &grpc_resource_service);
    api_init(&p.api, &config);
    const struct api_check check = {.name = "memory", .check = check_fine, .live = true};
    api_add_check(&p.api, &check);
    uv_signal_init(&p.loop.uv, &p.terminate);
    p.terminate.data = &p;
    uv_signal_start(&p.terminate, on_terminate, SIGTERM);
    struct start_msg first = {.msg.run = start, .p = &p};
    loop_post(&p.loop, &first.msg);
    loop_run(&p.loop);
    loop_join(&p.loop);
    api_free(&p.api);
    memory_free(&p.memory);
    kind_board_free(&p.board);
    kind_registry_free(&p.kinds);
    token_key_free(key);
    arena_free(&p.arena);
    buf_free(&p.ca);
    return 0;
}
