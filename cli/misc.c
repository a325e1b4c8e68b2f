/* misc.c: `choreo kubeconfig`, `choreo context`, `choreo version`. */
#include <stdio.h>
#include <string.h>

#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/print.h"

static const char kubeconfig_help[] =
    "usage: choreo kubeconfig [--context NAME] > FILE\n"
    "\n"
    "Prints a kubeconfig with the credentials of the context, for kubectl and every other client "
    "of\n"
    "Kubernetes. It holds a secret: keep FILE to yourself (umask 077).\n";

int command_kubeconfig(int argc, char **argv)
{
    struct cli c;
    struct err err = {0};
    int code;
    if (!cli_begin(&c, argc, argv, NULL, 0, kubeconfig_help, false, &code)) {
        return code;
    }
    const struct settings *s = &c.settings;
    const char *name = s->context != NULL ? s->context : "choreod";
    json_t *user = json_object();
    json_t *cluster = json_pack("{s:s}", "server", s->endpoints[0]);
    if (s->ca_pem.len > 0) {
        json_object_set_new(cluster, "certificate-authority-data",
                            json_base64(buf_slice(&s->ca_pem)));
    }
    if (s->token != NULL) {
        json_object_set_new(user, "token", json_string(s->token));
    } else {
        json_object_set_new(user, "client-certificate-data", json_base64(buf_slice(&s->cert_pem)));
        json_object_set_new(user, "client-key-data", json_base64(buf_slice(&s->key_pem)));
    }
    json_t *tree =
        json_pack("{s:s, s:s, s:[{s:s, s:o}], s:[{s:s, s:o}], s:[{s:s, s:{s:s, s:s, s:s}}], s:s}",
                  "apiVersion", "v1", "kind", "Config", "clusters", "name", name, "cluster",
                  cluster, "users", "name", name, "user", user, "contexts", "name", name, "context",
                  "cluster", name, "user", name, "namespace", c.ns, "current-context", name);
    print_yaml(tree);
    json_decref(tree);
    return cli_end(&c, 0, &err);
}

static const char context_help[] =
    "usage: choreo context             list them; * is the current\n"
    "       choreo context use NAME    choose another\n"
    "\n"
    "Contexts stand in a file: --config, else $CHOREO_CONFIG, else ~/.config/choreo/config.yaml, "
    "else\n"
    "./.choreod/choreo.yaml. `choreod init` and `choreod dev` write one each.\n"
    "\n"
    "  current-context: prod\n"
    "  contexts:\n"
    "    - name: prod\n"
    "      endpoints: [https://cp1.example.com:7443, https://cp2.example.com:7443]\n"
    "      certificateAuthority: /path/to/ca.crt   or certificateAuthorityData: BASE64\n"
    "      token: TOKEN                            or clientCertificate and clientKey\n"
    "      namespace: acme-corp                    default: default\n";

static void print_contexts(const struct settings *s)
{
    struct args_list names = {0};
    settings_contexts(s, &names);
    for (size_t i = 0; i < names.count; i++) {
        bool current = s->context != NULL && strcmp(names.items[i], s->context) == 0;
        print_out("%s %s\n", current ? "*" : " ", names.items[i]);
    }
}

/* Offline: a context that cannot be used is one more reason to choose another. */
int command_context(int argc, char **argv)
{
    struct cli c;
    struct err err = {0};
    int code;
    if (!cli_begin(&c, argc, argv, NULL, 0, context_help, true, &code)) {
        return code;
    }
    bool use = c.args.count == 2 && strcmp(c.args.items[0], "use") == 0;
    if (c.args.count != 0 && !use) {
        int rc = err_set(&err, ERR_INVALID, "usage: choreo context [use NAME]");
        return cli_end(&c, rc, &err);
    }
    struct settings s;
    int rc = settings_open(&s, c.config, &err);
    if (rc == 0) {
        if (use) {
            rc = settings_use(&s, c.args.items[1], &err);
        } else {
            print_contexts(&s);
        }
        settings_free(&s);
    }
    return cli_end(&c, rc, &err);
}

static const char version_help[] = "usage: choreo version [--client]\n"
                                   "\n"
                                   "  --client   this program's only; asks no server\n";

int command_version(int argc, char **argv)
{
    struct cli c;
    struct err err = {0};
    bool client = false;
    int code;
    const struct args_option options[] = {{"client", 0, ARGS_FLAG, &client, 0, 0}};
    if (!cli_begin(&c, argc, argv, options, 1, version_help, true, &code)) {
        return code;
    }
    print_out("choreo %s\n", CHOREO_VERSION);
    int rc = client ? 0 : cli_connect(&c, &err);
    if (rc == 0 && !client) {
        Choreo__V1__StatusRequest request = CHOREO__V1__STATUS_REQUEST__INIT;
        ProtobufCMessage *message = NULL;
        rc = client_call(&c.client, "choreo.v1.ClusterService/Status", &request.base,
                         &choreo__v1__status_response__descriptor, &c.arena, &message, &err);
        if (rc == 0) {
            const Choreo__V1__StatusResponse *s = (const Choreo__V1__StatusResponse *)message;
            print_out("choreod %s (%s)\n", s->version, s->node);
        }
    }
    return cli_end(&c, rc, &err);
}
