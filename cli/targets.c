/* targets.c: which objects a command line means (declared in ask.h). */
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "proto/object.h"

static void add(struct cli *c, struct targets *t, const Choreo__V1__Ref *ref)
{
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 16;
        t->refs = mem_resize(t->refs, t->cap * sizeof *t->refs);
        t->titles = mem_resize(t->titles, t->cap * sizeof *t->titles);
    }
    t->titles[t->count] = arena_printf(
        &c->arena, "%s/%s", ref->resource != NULL ? ref->resource : ref->kind, ref->name);
    t->refs[t->count++] = *ref;
}

void targets_free(struct targets *t)
{
    free(t->refs);
    free(t->titles);
    *t = (struct targets){0};
}

static int from_files(struct cli *c, struct targets *t, struct err *err)
{
    struct manifests m = {0};
    int rc = manifests_read(&m, &c->options.filename, c->options.recursive, err);
    for (size_t i = 0; rc == 0 && i < m.count; i++) {
        const json_t *tree = m.items[i].tree;
        Choreo__V1__Ref ref;
        if (object_name(tree).len == 0) {
            rc = err_set(err, ERR_INVALID, "%s:%d: metadata.name is missing", m.items[i].file,
                         m.items[i].line);
        } else {
            ask_ref_of(c, tree, c->ns, &ref);
            add(c, t, &ref);
        }
    }
    manifests_free(&m);
    return rc;
}

struct selecting {
    struct cli *cli;
    struct targets *targets;
    const Choreo__V1__Ref *kind;
};

static int on_selected(const Choreo__V1__Object *object, void *user, struct err *err)
{
    struct selecting *s = user;
    json_t *tree = NULL;
    int rc = ask_tree(object, &tree, err);
    if (rc == 0) {
        Choreo__V1__Ref ref = *s->kind;
        ref.namespace_ = arena_cstr(&s->cli->arena, object_ns(tree));
        ref.name = arena_cstr(&s->cli->arena, object_name(tree));
        add(s->cli, s->targets, &ref);
    }
    json_decref(tree);
    return rc;
}

static int selected(struct cli *c, const char *kind, struct targets *t, struct err *err)
{
    Choreo__V1__Ref ref;
    ask_ref(c, kind, c->options.all_namespaces ? "" : c->ns, &ref);
    struct selecting s = {c, t, &ref};
    struct ask_list list = {.ref = &ref,
                            .form = CHOREO__V1__FORM__FORM_METADATA,
                            .labels = c->options.selector,
                            .fields = c->options.field_selector,
                            .each = on_selected,
                            .user = &s};
    return ask_list(c, &list, err);
}

int ask_targets(struct cli *c, size_t skip, size_t last, struct targets *t, struct err *err)
{
    const struct args_list *args = &c->args;
    size_t end = last < args->count ? last : args->count;
    bool many = c->options.selector != NULL || c->options.field_selector != NULL || c->options.all;
    bool slashes = end > skip && strchr(args->items[skip], '/') != NULL;
    *t = (struct targets){0};
    if (c->options.filename.count > 0) {
        return end > skip ? err_set(err, ERR_INVALID, "both -f and \"%s\"", args->items[skip])
                          : from_files(c, t, err);
    }
    if (many && end == skip + 1 && !slashes) {
        return selected(c, args->items[skip], t, err);
    }
    if (many || end < skip + (slashes ? 1 : 2)) {
        return err_set(err, ERR_INVALID,
                       many ? "-l and --all want one KIND and no names"
                            : "which object? KIND NAME or KIND/NAME (choreo %s --help)",
                       c->command->name);
    }
    for (size_t i = slashes ? skip : skip + 1; i < end; i++) {
        Choreo__V1__Ref ref;
        ask_ref(c, slashes ? args->items[i] : args->items[skip], c->ns, &ref);
        if (!slashes) {
            ref.name = arena_cstr(&c->arena, slice_of(args->items[i]));
        }
        if (ref.name == NULL || *ref.name == '\0') {
            return err_set(err, ERR_INVALID, "\"%s\" must be KIND/NAME", args->items[i]);
        }
        add(c, t, &ref);
    }
    return 0;
}
