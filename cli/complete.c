/* complete.c: `choreo __complete`, which the scripts of completion.c ask.
 *
 * It is given the words so far, the last one unfinished, and prints what may take its
 * place, "value<TAB>what it is", then ":files" if files may, ":open" if a
 * value may be the beginning of more, or ":end". What a server knows it is
 * asked within ASK_MS; silence is no candidates, never an error. */
#include <stdio.h>
#include <string.h>

#include "cli/schemas.h"
#include "proto/object.h"

enum { ASK_MS = 1000, NAMES_MAX = 500 };

struct completing {
    struct cli *cli;
    const char *partial; /* the unfinished word, or the part of it behind '=' */
    const char *lead;    /* what stands before it: "--output=", "component/" */
    bool files;
    bool open; /* no space behind a candidate */
};

static void offer(struct completing *k, const char *value, const char *about)
{
    struct slice first = slice_of(about);
    struct slice line = {0};
    if (strncmp(value, k->partial, strlen(k->partial)) != 0) {
        return;
    }
    (void)slice_split(&first, '\n', &line);
    size_t end = slice_find(line, SLICE(". "));
    line = slice_sub(line, 0, end < 60 ? end : 60);
    (void)printf("%s%s\t%.*s\n", k->lead, value, SLICE_ARG(line));
}

static void offer_words(struct completing *k, const char *const *words)
{
    for (; *words != NULL; words++) {
        offer(k, *words, "");
    }
}

/* ---- what the server knows ---- */

static bool reach(struct completing *k)
{
    k->cli->options.timeout_ms = ASK_MS;
    return cli_connect(k->cli, NULL) == 0;
}

static int on_name(const Choreo__V1__Object *object, void *user, struct err *err)
{
    struct completing *k = user;
    json_t *tree = NULL;
    int rc = ask_tree(object, &tree, err);
    if (rc == 0) {
        offer(k, arena_cstr(&k->cli->arena, object_name(tree)), "");
    }
    json_decref(tree);
    return rc;
}

/* fields: a selector, or NULL. */
static void offer_selected(struct completing *k, const char *kind, const char *fields)
{
    Choreo__V1__Ref ref;
    struct err err;
    if (!reach(k)) {
        return;
    }
    ask_ref(k->cli, kind, k->cli->options.all_namespaces ? "" : k->cli->ns, &ref);
    struct ask_list list = {.ref = &ref,
                            .form = CHOREO__V1__FORM__FORM_METADATA,
                            .fields = fields,
                            .limit = NAMES_MAX,
                            .each = on_name,
                            .user = k};
    (void)ask_list(k->cli, &list, &err);
}

static void offer_names(struct completing *k, const char *kind)
{
    offer_selected(k, kind, NULL);
}

static void offer_releases(struct completing *k, const struct args_list *before)
{
    struct slice owner = before->count > 0 ? slice_of(before->items[0]) : SLICE("");
    bool resource = slice_starts_with(owner, SLICE("resource/"));
    owner = resource ? slice_sub(owner, strlen("resource/"), SIZE_MAX) : owner;
    const char *of = owner.len == 0
                         ? NULL
                         : arena_printf(&k->cli->arena, "spec.owner.%sName=%.*s",
                                        resource ? "resource" : "component", SLICE_ARG(owner));
    offer_selected(k, resource ? "resourcereleases" : "releases", of);
}

static void offer_nodes(struct completing *k)
{
    Choreo__V1__MembersRequest request = CHOREO__V1__MEMBERS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct err err;
    if (!reach(k) || client_call(&k->cli->client, "choreo.v1.ClusterService/Members", &request.base,
                                 &choreo__v1__members_response__descriptor, &k->cli->arena,
                                 &message, &err) != 0) {
        return;
    }
    const Choreo__V1__MembersResponse *response = (const Choreo__V1__MembersResponse *)message;
    for (size_t i = 0; i < response->n_members; i++) {
        offer(k, response->members[i]->name, response->members[i]->region);
    }
}

/* The server's kinds, or those that are compiled in. */
static bool open_schemas(struct completing *k, struct schemas *s)
{
    struct err err;
    k->cli->options.timeout_ms = ASK_MS;
    if (schemas_open(s, k->cli, &err) == 0) {
        return true;
    }
    schemas_close(s);
    k->cli->options.offline = true;
    return schemas_open(s, k->cli, &err) == 0;
}

/* Is its plural an earlier kind's, too? Then it is that one which the plural alone means. */
static bool is_namesake(Choreo__V1__KindInfo **kinds, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(kinds[i]->plural, kinds[at]->plural) == 0) {
            return true;
        }
    }
    return false;
}

static void offer_kinds(struct completing *k)
{
    struct schemas s;
    Choreo__V1__KindInfo **kinds;
    size_t count;
    struct err err;
    if (open_schemas(k, &s) && schemas_kinds(&s, &kinds, &count, &err) == 0) {
        for (size_t i = 0; i < count; i++) {
            const char *full = arena_printf(&k->cli->arena, "%s.%s", kinds[i]->plural,
                                            kinds[i]->group != NULL ? kinds[i]->group : "");
            offer(k, is_namesake(kinds, i) ? full : kinds[i]->plural, kinds[i]->doc);
        }
    }
    schemas_close(&s);
}

/* "component.spec.end": the fields of component.spec. */
static void offer_fields(struct completing *k)
{
    struct schemas s;
    Choreo__V1__KindInfo *kind;
    json_t *root = NULL;
    struct err err;
    const char *dot = strrchr(k->partial, '.');
    k->open = true;
    if (dot == NULL) {
        offer_kinds(k);
        return;
    }
    struct slice path = slice_make(k->partial, (size_t)(dot - k->partial));
    struct slice word = {0};
    k->lead = arena_printf(&k->cli->arena, "%.*s.", SLICE_ARG(path));
    k->partial = dot + 1;
    (void)slice_split(&path, '.', &word);
    if (open_schemas(k, &s) &&
        schemas_get(&s, arena_cstr(&k->cli->arena, word), &kind, &root, &err) == 0) {
        const json_t *at = root;
        const char *name;
        json_t *field;
        while (at != NULL && slice_split(&path, '.', &word)) {
            at = schemas_member(root, at, word);
        }
        at = schemas_resolve(root, at);
        at = json_at(at, "items", NULL) != NULL ? schemas_resolve(root, json_at(at, "items", NULL))
                                                : at;
        json_object_foreach(json_at(at, "properties", NULL), name, field)
        {
            offer(k, name, json_string_value(json_at(field, "description", NULL)));
        }
    }
    json_decref(root);
    schemas_close(&s);
}

static void offer_objects(struct completing *k, const struct args_list *before)
{
    const char *slash = strchr(k->partial, '/');
    if (slash != NULL) {
        struct slice kind = slice_make(k->partial, (size_t)(slash - k->partial));
        k->lead = arena_printf(&k->cli->arena, "%.*s/", SLICE_ARG(kind));
        k->partial = slash + 1;
        offer_names(k, arena_cstr(&k->cli->arena, kind));
    } else if (before->count == 0 || strchr(before->items[0], '/') != NULL) {
        offer_kinds(k);
    } else {
        offer_names(k, before->items[0]);
    }
}

static void offer_contexts(struct completing *k)
{
    struct contexts contexts;
    if (contexts_open(&contexts, k->cli->options.config, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < json_array_size(contexts_list(&contexts)); i++) {
        const json_t *one = json_array_get(contexts_list(&contexts), i);
        offer(k, arena_cstr(&k->cli->arena, json_text_at(one, "name")), "");
    }
    contexts_free(&contexts);
}

static void offer_forms(struct completing *k)
{
    for (int form = OUTPUT_TABLE; form <= OUTPUT_COLUMNS; form++) {
        if ((k->cli->command->forms & 1u << form) != 0) {
            offer(k, output_name((enum output_form)form), "");
        }
    }
}

static void offer_values(struct completing *k, enum complete what, const struct args_list *before)
{
    static const char *const dry[] = {"server", "client", "none", NULL};
    static const char *const patches[] = {"merge", "json", "apply", "strategic", NULL};
    static const char *const subresources[] = {"status", "scale", NULL};
    static const char *const cascades[] = {"background", "foreground", "orphan", NULL};
    static const char *const shells[] = {"bash", "zsh", "fish", NULL};
    static const char *const *const fixed[] = {[COMPLETE_DRY_RUN] = dry,
                                               [COMPLETE_PATCH_TYPE] = patches,
                                               [COMPLETE_SUBRESOURCE] = subresources,
                                               [COMPLETE_CASCADE] = cascades,
                                               [COMPLETE_SHELL] = shells};
    switch (what) {
    case COMPLETE_NOTHING:
        break;
    case COMPLETE_FILE:
        k->files = true;
        break;
    case COMPLETE_KIND:
        offer_kinds(k);
        break;
    case COMPLETE_OBJECTS:
        offer_objects(k, before);
        break;
    case COMPLETE_COMPONENT:
        if (before->count == 0) {
            offer_names(k, "components");
        }
        break;
    case COMPLETE_ENVIRONMENT:
        offer_names(k, "environments");
        break;
    case COMPLETE_RELEASE:
        offer_releases(k, before);
        break;
    case COMPLETE_CONTEXT:
        offer_contexts(k);
        break;
    case COMPLETE_NAMESPACE:
        offer_names(k, "namespaces");
        break;
    case COMPLETE_NODE:
        offer_nodes(k);
        break;
    case COMPLETE_FIELD:
        offer_fields(k);
        break;
    case COMPLETE_FORM:
        offer_forms(k);
        break;
    case COMPLETE_DRY_RUN:
    case COMPLETE_PATCH_TYPE:
    case COMPLETE_SUBRESOURCE:
    case COMPLETE_CASCADE:
    case COMPLETE_SHELL:
        offer_words(k, fixed[what]);
        break;
    }
}

/* ---- where in the line ---- */

static bool has_option(const struct command *command, int id)
{
    return id <= OPTION_COMMON_LAST || (id == OPTION_output && command->forms != 0) ||
           memchr(command->options, id, COMMAND_OPTIONS_MAX) != NULL;
}

static void offer_options(struct completing *k, const struct command *command)
{
    for (int id = 1; id < OPTION_COUNT; id++) {
        if (has_option(command, id)) {
            offer(k, arena_printf(&k->cli->arena, "--%s", option_infos[id].name),
                  option_infos[id].help);
        }
    }
    offer(k, "--help", "how to use it");
}

/* The option that a word names: "--output", "-o". NULL: none that the command has. */
static const struct option_info *option_of(const struct command *command, struct slice word)
{
    for (int id = 1; id < OPTION_COUNT; id++) {
        const struct option_info *o = &option_infos[id];
        bool named = slice_starts_with(word, SLICE("--"))
                         ? slice_eq_cstr(slice_sub(word, 2, SIZE_MAX), o->name)
                         : word.len == 2 && word.data[1] == o->letter && o->letter != 0;
        if (named && has_option(command, id)) {
            return o;
        }
    }
    return NULL;
}

static bool wants_word(const struct option_info *o)
{
    return o != NULL && o->type != ARGS_FLAG && o->type != ARGS_OPTIONAL;
}

static void offer_commands(struct completing *k, const struct command *const *list, size_t count)
{
    for (size_t i = 0; i < count && list[i] != NULL; i++) {
        if (!list[i]->hidden) {
            offer(k, list[i]->name, list[i]->summary);
        }
    }
}

/* words[0..count) stand behind the command's name; the last is unfinished. */
static void complete_word(struct completing *k, int count, char **words)
{
    const struct command *command = k->cli->command;
    struct slice last = slice_of(words[count - 1]);
    struct slice before = slice_of(count > 1 ? words[count - 2] : NULL);
    const struct option_info *pending = option_of(command, before);
    size_t equal = slice_find(last, SLICE("="));
    k->partial = words[count - 1];
    if (wants_word(pending)) {
        offer_values(k, pending->complete, &k->cli->args);
    } else if (slice_starts_with(last, SLICE("-")) && equal != SIZE_MAX) {
        const struct option_info *o = option_of(command, slice_sub(last, 0, equal));
        k->lead = arena_cstr(&k->cli->arena, slice_sub(last, 0, equal + 1));
        k->partial = last.data + equal + 1;
        if (o != NULL) {
            offer_values(k, o->complete, &k->cli->args);
        }
    } else if (slice_starts_with(last, SLICE("-"))) {
        offer_options(k, command);
    } else {
        offer_values(k, command->args, &k->cli->args);
    }
}

static int run_complete(struct cli *c, struct err *err)
{
    struct cli inner = {0};
    struct completing k = {.cli = &inner, .lead = ""};
    char *words[ARGS_LIST_MAX + 1] = {0};
    int count = (int)c->args.count;
    int used = 0;
    bool help = false;
    (void)err;
    for (int i = 0; i < count; i++) {
        words[i] = arena_cstr(&c->arena, slice_of(c->args.items[i]));
    }
    k.partial = count > 0 ? words[count - 1] : "";
    inner.command = cli_find(&inner.parent, count - 1, words, &used);
    if (inner.command != NULL) {
        char *finished[ARGS_LIST_MAX + 1] = {0}; /* parsing reorders it */
        memcpy(finished, words + used - 1, (size_t)(count - used) * sizeof *finished);
        (void)cli_parse(&inner, count - used, finished, &help, NULL);
        complete_word(&k, count - used, words + used);
    } else if (inner.parent != NULL && count - used == 1) {
        offer_commands(&k, inner.parent->subcommands, SIZE_MAX);
    } else if (count <= 1) {
        size_t all;
        const struct command *const *list = cli_commands(&all);
        offer_commands(&k, list, all);
    }
    (void)puts(k.files ? ":files" : k.open ? ":open" : ":end");
    cli_free(&inner);
    return 0;
}

const struct command command_complete = {
    .name = "__complete",
    .summary = "what may take the place of the last word",
    .usage = "-- WORD...",
    .offline = true,
    .hidden = true,
    .run = run_complete,
};
