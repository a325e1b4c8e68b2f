/* login.c: `choreo login`: a token into a context, tried before it is kept.
 *
 * The token comes from standard input or a file, never from the command line, which every process
 * of the machine can read. */
#include "cli/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "cli/ask.h"
#include "cli/print.h"

enum { TOKEN_MAX = 16 * 1024, PEM_MAX = 1 << 20 };

static int set_path(json_t *context, const char *key, const char *path, struct err *err)
{
    char *absolute = realpath(path, NULL);
    if (absolute == NULL) {
        return err_errno(err, ERR_NOT_FOUND, errno, "%s", path);
    }
    json_object_set_new(context, key, json_string(absolute));
    free(absolute);
    return 0;
}

static int set_ca(json_t *context, const char *path, struct err *err)
{
    struct buf pem = {0};
    struct buf text = {0};
    int rc = file_read(path, PEM_MAX, &pem, err);
    if (rc == 0 && slice_find(buf_slice(&pem), SLICE("-----BEGIN CERTIFICATE-----")) == SIZE_MAX) {
        rc = err_set(err, ERR_INVALID, "%s: no PEM certificate", path);
    }
    if (rc == 0) {
        base64_encode(&text, buf_slice(&pem));
        json_object_set_new(context, "certificateAuthorityData", json_str(buf_slice(&text)));
        (void)json_object_del(context, "certificateAuthority");
    }
    buf_free(&pem);
    buf_free(&text);
    return rc;
}

int login_fill(struct cli *c, json_t *context, struct err *err)
{
    const struct options *o = &c->options;
    int rc = 0;
    if (o->endpoint.count > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < o->endpoint.count; i++) {
            json_array_append_new(list, json_string(o->endpoint.items[i]));
        }
        json_object_set_new(context, "endpoints", list);
    }
    if (o->ns != NULL) {
        json_object_set_new(context, "namespace", json_string(o->ns));
    }
    if ((o->client_certificate == NULL) != (o->client_key == NULL)) {
        rc = err_set(err, ERR_INVALID, "--client-certificate and --client-key go together");
    }
    rc = rc != 0 || o->ca == NULL ? rc : set_ca(context, o->ca, err);
    if (rc == 0 && o->client_certificate != NULL) {
        rc = set_path(context, "clientCertificate", o->client_certificate, err);
        rc = rc != 0 ? rc : set_path(context, "clientKey", o->client_key, err);
        (void)json_object_del(context, "token");
    }
    return rc;
}

/* ---- the token ---- */

/* A person types it unseen. */
static int read_typed(struct buf *out, struct err *err)
{
    struct termios before;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)fputs("Token: ", stderr);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    buf_reserve(out, TOKEN_MAX + 1);
    out->len = fread(out->data, 1, terminal ? 0 : TOKEN_MAX + 1, stdin);
    if (terminal) {
        bool got = fgets(out->data, TOKEN_MAX, stdin) != NULL;
        out->len = got ? strlen(out->data) : 0;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    return out->len > TOKEN_MAX
               ? err_set(err, ERR_TOO_LARGE, "the token is longer than %d bytes", TOKEN_MAX)
               : 0;
}

static int read_token(struct cli *c, const char **token, struct err *err)
{
    struct buf text = {0};
    int rc = c->options.token_file != NULL ? file_read(c->options.token_file, TOKEN_MAX, &text, err)
                                           : read_typed(&text, err);
    struct slice trimmed = slice_trim(buf_slice(&text));
    for (size_t i = 0; rc == 0 && i < trimmed.len; i++) {
        if (trimmed.data[i] <= ' ' || trimmed.data[i] > '~') {
            rc = err_set(err, ERR_INVALID,
                         "this is no token: it holds spaces or control characters");
        }
    }
    if (rc == 0 && trimmed.len == 0) {
        rc = err_set(err, ERR_INVALID, "no token was given: on standard input, or --token-file");
    }
    *token = arena_cstr(&c->arena, trimmed);
    buf_free(&text);
    return rc;
}

/* ---- login ---- */

/* "cp1.example.com" of https://cp1.example.com:7443, "::1" of https://[::1]:7443 */
static const char *host_of(struct cli *c, const char *url)
{
    struct slice s = slice_of(url);
    size_t scheme = slice_find(s, SLICE("://"));
    s = scheme != SIZE_MAX ? slice_sub(s, scheme + 3, SIZE_MAX) : s;
    if (slice_starts_with(s, SLICE("["))) {
        return arena_cstr(&c->arena, slice_sub(s, 1, strcspn(s.data, "]") - 1));
    }
    return arena_cstr(&c->arena, slice_sub(s, 0, strcspn(s.data, ":/")));
}

/* Whether the cluster lets us in. */
static int try(struct cli *c, const json_t *context, struct err *err)
{
    Choreo__V1__KindsResponse *kinds;
    int rc = settings_read(&c->settings, context, err);
    c->loaded = true;
    if (rc == 0 && c->settings.endpoint_count == 0) {
        return err_set(err, ERR_INVALID, "which cluster? --endpoint https://HOST:PORT");
    }
    rc = rc != 0 ? rc : cli_connect(c, err);
    rc = rc != 0 ? rc : ask_kinds(c, &kinds, err);
    return rc == 0 ? 0 : err_wrap(err, "nothing was kept");
}

static int run(struct cli *c, struct err *err)
{
    struct contexts contexts = {0};
    const struct options *o = &c->options;
    const char *token = NULL;
    int rc = c->args.count > 0 ? err_set(err, ERR_INVALID,
                                         "what is \"%s\"? A token is read from standard input "
                                         "or --token-file, never from the command line",
                                         c->args.items[0])
                               : contexts_open(&contexts, o->config, err);
    if (rc != 0) {
        return rc;
    }
    const char *name = o->name != NULL         ? o->name
                       : o->context != NULL    ? o->context
                       : o->endpoint.count > 0 ? host_of(c, o->endpoint.items[0])
                                               : contexts_current(&contexts);
    name = name != NULL ? arena_cstr(&c->arena, slice_of(name)) : "default";
    json_t *context = contexts_need(&contexts, name);
    rc = login_fill(c, context, err);
    rc = rc != 0 || o->client_certificate != NULL ? rc : read_token(c, &token, err);
    if (rc == 0 && token != NULL) {
        json_object_set_new(context, "token", json_string(token));
        (void)json_object_del(context, "clientCertificate");
        (void)json_object_del(context, "clientKey");
    }
    rc = rc != 0 ? rc : try(c, context, err);
    rc = rc != 0 ? rc : contexts_use(&contexts, name, err);
    rc = rc != 0 ? rc : contexts_save(&contexts, err);
    if (rc == 0) {
        print_err("Logged in to %s; context %s is the current one, in %s.\n",
                  c->settings.endpoints[c->client.endpoint], name, contexts.file);
    }
    contexts_free(&contexts);
    return rc;
}

const struct command command_login = {
    .name = "login",
    .summary = "try a token and keep it in a context",
    .usage = "--endpoint URL [--endpoint URL...] [--name CONTEXT] < TOKEN\n"
             "[--context CONTEXT] --token-file FILE",
    .about =
        "Reads a token from standard input (unseen, if you type it) or a file, asks the cluster\n"
        "whether it is good, and only then keeps it, in a file that only you can read.",
    .examples =
        "  choreo login --endpoint https://cp1.example.com:7443 \\\n"
        "      --certificate-authority ca.crt --name production\n"
        "  choreod token create --dir /var/lib/choreod --user ada --group choreo:viewers |\n"
        "      choreo login --context dev\n"
        "  choreo login --endpoint https://cp1:7443 --token-file token -n acme-corp",
    .options = {OPTION_name, OPTION_token_file, OPTION_ca, OPTION_client_certificate,
                OPTION_client_key},
    .offline = true,
    .run = run,
};
