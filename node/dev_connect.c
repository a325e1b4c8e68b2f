/* dev_connect.c: joins the simulated clusters to the control plane, and tells scripts where all is.
 *
 * For each cluster, one after the other, its kubeconfig is applied as the Secret
 * choreo-system/cluster-PLANE-CLUSTER through the first node's API, as any client would. The first
 * failure ends it. dev.json appears last, atomically: who sees it may use everything in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "node/dev_internal.h"

enum { CONNECT_TIMEOUT_MS = 10000, RESPONSE_MAX = 64 * 1024, KUBECONFIG_MAX = 64 * 1024 };

static void connect_next(struct dev *d);

static int render_secret(struct dev_child *plane, struct buf *out, struct err *err)
{
    struct buf kubeconfig = {0};
    char name[2 * NODE_NAME_MAX + 16];
    (void)snprintf(name, sizeof name, "cluster-%s-%s", plane->plane, plane->name);
    int rc = file_read(plane->kubeconfig, KUBECONFIG_MAX, &kubeconfig, err);
    if (rc == 0) {
        json_t *tree =
            json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:{s:o}}", "apiVersion", "v1", "kind",
                      "Secret", "metadata", "name", name, "namespace", "choreo-system", "type",
                      "Opaque", "data", "kubeconfig", json_base64(buf_slice(&kubeconfig)));
        json_canonical(tree, out);
        json_decref(tree);
    }
    buf_free(&kubeconfig);
    return rc;
}

/* A cluster this young may still be making its own namespaces, or electing. */
static bool too_early(const struct dev *d, int status)
{
    bool passing = status == 404 || status == 503 || status == 504;
    return passing && loop_now_ms(d->fetcher.loop) - d->started_ms < DEV_START_LIMIT_MS;
}

static void on_connected(struct fetch *f, int rc, const struct err *err)
{
    struct dev *d = f->user;
    struct err why = {0};
    if (rc == 0 && too_early(d, f->status)) {
        fetch_clear(f);
        d->connect_again = true; /* at the next tick */
        return;
    }
    if (rc != 0) {
        why = *err;
    } else if (f->status != 200 && f->status != 201) {
        rc = err_set(&why, ERR_INTERNAL, "apply %s's credentials: HTTP %d: %.*s",
                     d->children[d->connecting].name, f->status,
                     (int)(f->response.len < 300 ? f->response.len : 300), buf_cstr(&f->response));
    }
    fetch_clear(f);
    if (rc != 0) {
        dev_connected(d, rc, &why);
        return;
    }
    d->connecting++;
    connect_next(d);
}

static void connect_next(struct dev *d)
{
    d->connect_again = false;
    struct err err = {0};
    if (d->connecting == d->child_count) {
        dev_connected(d, 0, NULL);
        return;
    }
    struct dev_child *plane = &d->children[d->connecting];
    buf_clear(&d->connect_body);
    buf_clear(&d->connect_url);
    int rc = render_secret(plane, &d->connect_body, &err);
    if (rc != 0) {
        dev_connected(d, rc, &err);
        return;
    }
    buf_addf(&d->connect_url,
             "%s/api/v1/namespaces/choreo-system/secrets/cluster-%s-%s"
             "?fieldManager=choreod-dev&force=true",
             d->children[0].url, plane->plane, plane->name);
    static const char apply_type[] = "content-type: application/apply-patch+yaml";
    static const char *headers[3];
    headers[0] = d->authorization;
    headers[1] = apply_type;
    d->connect = (struct fetch){.method = "PATCH",
                                .url = buf_cstr(&d->connect_url),
                                .headers = headers,
                                .body = buf_slice(&d->connect_body),
                                .timeout_ms = CONNECT_TIMEOUT_MS,
                                .response_max = RESPONSE_MAX,
                                .user = d,
                                .done = on_connected};
    fetch_start(&d->fetcher, &d->connect);
}

void dev_connect(struct dev *d)
{
    d->connecting = d->node_count;
    connect_next(d);
}

void dev_connect_again(struct dev *d)
{
    if (d->connect_again) {
        connect_next(d);
    }
}

static json_t *describe_child(const struct dev_child *c)
{
    json_t *o = json_pack("{s:s, s:s, s:I}", "name", c->name, "region", c->region, "pid",
                          (json_int_t)(c->running ? c->process.pid : 0));
    json_object_set_new(o, c->is_node ? "api" : "url", json_string(c->url));
    if (!c->is_node) {
        json_object_set_new(o, "kubeconfig", json_string(c->kubeconfig));
    }
    return o;
}

/* DIR/choreo.yaml: the context of the choreo CLI, with every node as an endpoint. */
static int write_context(struct dev *d, struct err *err)
{
    char path[DEV_PATH_MAX];
    const char *others[DEV_NODES_MAX];
    const struct kubeconfig k = {.name = "dev",
                                 .server = d->children[0].url,
                                 .ca_pem = buf_slice(&d->credentials.ca_cert),
                                 .token = slice_of(d->token)};
    for (size_t i = 1; i < d->node_count; i++) {
        others[i - 1] = d->children[i].url;
    }
    dev_path(d, "choreo.yaml", path);
    return contexts_write(path, &k, others, d->node_count - 1, err);
}

int dev_write_json(struct dev *d, struct err *err)
{
    char path[DEV_PATH_MAX];
    json_t *nodes = json_array();
    json_t *planes = json_array();
    for (size_t i = 0; i < d->child_count; i++) {
        json_array_append_new(i < d->node_count ? nodes : planes, describe_child(&d->children[i]));
    }
    json_t *tree = json_pack("{s:o, s:o}", "nodes", nodes, "planes", planes);
    dev_path(d, "kubeconfig", path);
    json_object_set_new(tree, "kubeconfig", json_string(path));
    json_object_set_new(tree, "token", json_string(d->token));
    dev_path(d, "pki/ca.crt", path);
    json_object_set_new(tree, "ca", json_string(path));
    struct buf text = {0};
    json_pretty(tree, &text);
    buf_add_char(&text, '\n');
    dev_path(d, "dev.json", path);
    int rc = write_context(d, err);
    rc = rc != 0 ? rc : file_write(path, buf_slice(&text), 0600, err);
    buf_free(&text);
    json_decref(tree);
    return rc;
}
