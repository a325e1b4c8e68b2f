/* kubeconfig.c: `choreo kubeconfig`: the context's credentials, for kubectl and its kin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/print.h"

enum { FILE_MAX = 4 << 20 };

static json_t *cluster_of(const struct settings *s)
{
    json_t *cluster = json_pack("{s:s}", "server", s->endpoints[0]);
    if (s->ca_pem.len > 0) {
        json_object_set_new(cluster, "certificate-authority-data",
                            json_base64(buf_slice(&s->ca_pem)));
    }
    return cluster;
}

static json_t *user_of(const struct settings *s)
{
    json_t *user = json_object();
    if (s->token != NULL) {
        json_object_set_new(user, "token", json_string(s->token));
    } else if (s->cert_pem.len > 0) {
        json_object_set_new(user, "client-certificate-data", json_base64(buf_slice(&s->cert_pem)));
        json_object_set_new(user, "client-key-data", json_base64(buf_slice(&s->key_pem)));
    }
    return user;
}

/* Puts {name, KEY: value} in the place of the list's element of that name, or behind it. Takes
 * value. */
static void put(json_t *tree, const char *list_key, const char *name, const char *key,
                json_t *value)
{
    json_t *list = json_object_get(tree, list_key);
    json_t *entry = json_pack("{s:s, s:o}", "name", name, key, value);
    if (!json_is_array(list)) {
        list = json_array();
        json_object_set_new(tree, list_key, list);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (slice_eq_cstr(json_text_at(json_array_get(list, i), "name"), name)) {
            json_array_set_new(list, i, entry);
            return;
        }
    }
    json_array_append_new(list, entry);
}

static void fill(struct cli *c, json_t *tree)
{
    const struct settings *s = &c->settings;
    const char *name = c->options.name != NULL ? c->options.name
                       : s->context != NULL    ? s->context
                                               : "choreod";
    json_object_set_new(tree, "apiVersion", json_string("v1"));
    json_object_set_new(tree, "kind", json_string("Config"));
    put(tree, "clusters", name, "cluster", cluster_of(s));
    put(tree, "users", name, "user", user_of(s));
    put(tree, "contexts", name, "context",
        json_pack("{s:s, s:s, s:s}", "cluster", name, "user", name, "namespace", c->ns));
    if (c->options.use || json_object_get(tree, "current-context") == NULL) {
        json_object_set_new(tree, "current-context", json_string(name));
    }
}

/* --merge's, else the first of $KUBECONFIG, else ~/.kube/config. */
static const char *file_to_merge(struct cli *c)
{
    const char *list = getenv("KUBECONFIG"); // NOLINT(concurrency-mt-unsafe)
    const char *home = getenv("HOME");       // NOLINT(concurrency-mt-unsafe)
    struct slice rest = slice_of(list);
    struct slice first;
    if (*c->options.merge != '\0') {
        return c->options.merge;
    }
    while (slice_split(&rest, ':', &first)) {
        if (first.len > 0) {
            return arena_cstr(&c->arena, first);
        }
    }
    return arena_printf(&c->arena, "%s/.kube/config", home != NULL ? home : "");
}

static int read_existing(const char *file, json_t **tree, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(file, FILE_MAX, &text, err);
    *tree = NULL;
    if (rc == 0 && slice_trim(buf_slice(&text)).len > 0) {
        rc = yaml_parse(buf_slice(&text), file, tree, err);
        if (rc == 0 && !json_is_object(*tree)) {
            rc = err_set(err, ERR_INVALID, "%s: not a kubeconfig", file);
        }
    } else if (rc == 0 || rc == ERR_NOT_FOUND) {
        *tree = json_object();
        rc = 0;
    }
    buf_free(&text);
    return rc;
}

static int merge(struct cli *c, struct err *err)
{
    const char *file = file_to_merge(c);
    const char *slash = strrchr(file, '/');
    json_t *tree = NULL;
    struct buf text = {0};
    int rc = read_existing(file, &tree, err);
    if (rc == 0 && slash != NULL && slash != file) {
        rc = file_make_dir(arena_cstr(&c->arena, slice_make(file, (size_t)(slash - file))), 0700,
                           err);
    }
    if (rc == 0) {
        fill(c, tree);
        yaml_emit(tree, &text);
        rc = file_write(file, buf_slice(&text), 0600, err);
    }
    if (rc == 0) {
        print_err("Written to %s.\n", file);
    }
    buf_free(&text);
    json_decref(tree);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    int rc = cli_load(c, err);
    if (rc != 0 || c->options.merge != NULL) {
        return rc != 0 ? rc : merge(c, err);
    }
    json_t *tree = json_object();
    fill(c, tree);
    print_yaml(tree);
    json_decref(tree);
    return 0;
}

const struct command command_kubeconfig = {
    .name = "kubeconfig",
    .summary = "print a kubeconfig for kubectl, or write it into one",
    .usage = "[--context NAME] > FILE\n[--context NAME] --merge[=FILE] [--use]",
    .about =
        "The credentials of the context, for kubectl and every other client of Kubernetes. It\n"
        "holds a secret: keep FILE to yourself (umask 077); --merge writes it with mode 0600.",
    .examples =
        "  choreo kubeconfig > kubeconfig && kubectl --kubeconfig kubeconfig get components\n"
        "  choreo kubeconfig --merge --use",
    .options = {OPTION_name, OPTION_merge, OPTION_use},
    .offline = true,
    .run = run,
};
