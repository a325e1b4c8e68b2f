/* webhook.c: `choreo webhook`: makes what lets a git provider tell of pushes, a GitWebhook and its
 * Secret, and says how the provider is set up. Asked again, it makes nothing and says the same. */
#include "cli/ask.h"

#include <string.h>

#include "base/crypto.h"
#include "cli/print.h"
#include "proto/object.h"

enum { SECRET_BYTES = 24 };

struct webhook {
    struct cli *cli;
    const char *provider;
    const char *name;
    const char *secret_name;
    struct buf secret;
};

static const struct {
    const char *provider;
    const char *steps;
} guides[] = {
    {"github",
     "In the repository (or the organization): Settings, Webhooks, Add webhook.\n"
     "  Payload URL    %s\n"
     "  Content type   application/json\n"
     "  Secret         %s\n"
     "  Events         just the push event\n"
     "Gitea and Forgejo: Settings, Webhooks, Add webhook, Gitea or Forgejo; the same fields.\n"},
    {"gitlab", "In the project (or the group): Settings, Webhooks, Add new webhook.\n"
               "  URL            %s\n"
               "  Secret token   %s\n"
               "  Trigger        Push events, Tag push events\n"},
    {"bitbucket", "In the repository: Repository settings, Webhooks, Add webhook.\n"
                  "  URL            %s\n"
                  "  Secret         %s\n"
                  "  Triggers       Repository push\n"},
};

/* An object as it is now, if there is one; *tree is NULL otherwise. */
static int find(struct webhook *w, const json_t *object, json_t **tree, struct err *err)
{
    Choreo__V1__Ref ref;
    uint64_t version;
    *tree = NULL;
    ask_ref_of(w->cli, object, w->cli->ns, &ref);
    int rc = ask_get(w->cli, &ref, CHOREO__V1__FORM__FORM_JSON, tree, &version, err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int create(struct webhook *w, const json_t *object, struct err *err)
{
    struct ask_write write = {.body = object};
    int rc = ask_create(w->cli, &write, err);
    json_decref(write.tree);
    return rc;
}

static int need_secret(struct webhook *w, struct err *err)
{
    uint8_t random[SECRET_BYTES];
    json_t *there = NULL;
    json_t *o = object_new("v1", "Secret", slice_of(w->cli->ns), slice_of(w->secret_name));
    int rc = find(w, o, &there, err);
    if (rc == 0 && there != NULL) {
        struct slice text = json_text(json_at(there, "data", "secret", NULL));
        if (!base64_decode(&w->secret, text) || w->secret.len == 0) {
            rc = err_set(err, ERR_CONFLICT, "Secret \"%s\" has no key \"secret\"", w->secret_name);
        }
    } else if (rc == 0) {
        crypto_random(random, sizeof(random));
        hex_encode(&w->secret, slice_make(random, sizeof(random)));
        json_object_set_new(o, "data",
                            json_pack("{s:o}", "secret", json_base64(buf_slice(&w->secret))));
        rc = create(w, o, err);
    }
    json_decref(there);
    json_decref(o);
    return rc;
}

static int need_webhook(struct webhook *w, struct err *err)
{
    json_t *there = NULL;
    json_t *o = object_new("choreo.dev/v1", "GitWebhook", slice_of(w->cli->ns), slice_of(w->name));
    int rc = find(w, o, &there, err);
    if (rc == 0 && there != NULL) {
        struct slice provider = json_text(json_at(there, "spec", "provider", NULL));
        if (!slice_eq_cstr(provider, w->provider)) {
            rc = err_set(err, ERR_CONFLICT, "GitWebhook \"%s\" is of %.*s: give another name",
                         w->name, SLICE_ARG(provider));
        }
        struct slice secret = json_text(json_at(there, "spec", "secretRef", NULL));
        w->secret_name = arena_cstr(&w->cli->arena, secret);
    }
    rc = rc != 0 ? rc : need_secret(w, err);
    if (rc == 0 && there == NULL) {
        json_object_set_new(
            o, "spec",
            json_pack("{s:s, s:s}", "provider", w->provider, "secretRef", w->secret_name));
        rc = create(w, o, err);
    }
    json_decref(there);
    json_decref(o);
    return rc;
}

static void tell(struct webhook *w)
{
    const struct client *client = &w->cli->client;
    const char *url = arena_printf(&w->cli->arena, "%s/webhooks/v1/namespaces/%s/%s/%s",
                                   client->settings->endpoints[client->endpoint], w->cli->ns,
                                   w->provider, w->name);
    for (size_t i = 0; i < sizeof(guides) / sizeof(guides[0]); i++) {
        if (strcmp(guides[i].provider, w->provider) == 0) {
            struct slice rest = slice_of(guides[i].steps);
            struct buf text = {0};
            size_t at;
            for (int k = 0; (at = slice_find(rest, SLICE("%s"))) != SIZE_MAX; k++) {
                buf_add(&text, slice_sub(rest, 0, at));
                buf_add_cstr(&text, k == 0 ? url : buf_cstr(&w->secret));
                rest = slice_sub(rest, at + 2, SIZE_MAX);
            }
            buf_add(&text, rest);
            print_out("%s", buf_cstr(&text));
            buf_free(&text);
        }
    }
    print_out("What came last: choreo get gitwebhook %s -n %s\n", w->name, w->cli->ns);
}

static int run(struct cli *c, struct err *err)
{
    struct webhook w = {.cli = c};
    bool known = false;
    if (c->args.count < 1 || c->args.count > 2) {
        return err_set(err, ERR_INVALID,
                       "of whom? github, gitlab or bitbucket, and a name if there "
                       "are to be several");
    }
    w.provider = c->args.items[0];
    w.name = c->args.count > 1 ? c->args.items[1] : w.provider;
    w.secret_name = arena_printf(&c->arena, "webhook-%s", w.name);
    for (size_t i = 0; i < sizeof(guides) / sizeof(guides[0]); i++) {
        known = known || strcmp(guides[i].provider, w.provider) == 0;
    }
    if (!known) {
        return err_set(err, ERR_INVALID, "\"%s\" is no provider: github, gitlab or bitbucket",
                       w.provider);
    }
    int rc = need_webhook(&w, err);
    if (rc == 0) {
        tell(&w);
    }
    buf_free(&w.secret);
    return rc;
}

const struct command command_webhook = {
    .name = "webhook",
    .summary = "build what is pushed: set up GitHub, GitLab or Bitbucket",
    .usage = "github|gitlab|bitbucket [NAME] [OPTION...]",
    .about =
        "Makes a GitWebhook of that name (default: the provider's) and a Secret for it in the\n"
        "namespace, and prints what to enter at the provider: an address and the secret. Asked\n"
        "again it makes nothing new and prints the same.\n"
        "A push then builds each component of the namespace that has spec.autoBuild, follows the\n"
        "branch or tag that was pushed, and has files changed below its source.path. The address\n"
        "is that of the node that answers: any node's will do, or your load balancer's. The "
        "node's\n"
        "certificate must be one that the provider trusts (api.certFile).",
    .examples = "  choreo webhook github -n acme-corp\n"
                "  choreo webhook gitlab internal -n acme-corp\n"
                "  choreo get gitwebhooks -n acme-corp       # what came last, and what came of it",
    .run = run,
};
