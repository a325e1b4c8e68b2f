/* tenant.c: what was seen, and what may not be there.
 *
 * A fault is known by its rule and by all that it is about: a container that the platform's type
 * made privileged stays allowed as long as it is that container. Were only the privilege compared,
 * a tenant's trait could put another image into it. */
#include "render/tenant.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "render/manifest.h"
#include "render/tenant_internal.h"

struct tenant_mark {
    json_t *object; /* owned, so that no other one can come to lie there */
    uint8_t digest[SHA256_BYTES];
    uint64_t place;       /* of the fault in the object */
    char *only_platforms; /* "KIND NAME" of what a tenant could not have made at all; or NULL */
};

bool tenant_is(const struct render_maker *maker)
{
    return maker->by_hand || !slice_starts_with(maker->kind, SLICE("Cluster"));
}

void tenant_built_in(const struct template_scope *scope, const json_t *templates,
                     struct resource_list *list)
{
    size_t i;
    json_t *template;
    json_array_foreach(templates, i, template)
    {
        struct template_scope own = *scope;
        struct err ignored = {0};
        json_t *one = json_pack("[O]", template);
        own.trace = NULL;
        (void)resources_render(&own, one, SLICE("built-in"), list, &ignored);
        json_decref(one);
    }
}

void tenant__fault(struct tenant_look *look, const char *rule, const json_t *holder,
                   const char *reason, const char *knob)
{
    const struct tenant_fault fault = {rule, holder, reason, knob};
    look->each(look, &fault);
}

void tenant__fault_at(struct tenant_look *look, const char *member, const json_t *holder,
                      const char *reason, const char *knob)
{
    size_t len = look->path.len;
    buf_addf(&look->path, "%s%s", len > 0 ? "." : "", member);
    tenant__fault(look, member, holder, reason, knob);
    look->path.len = len;
}

static void look_at(struct tenant_look *look)
{
    tenant__look_at_kind(look);
    tenant__look_at_pods(look);
    buf_free(&look->path);
}

static void digest_tree(const char *rule, const json_t *tree, uint8_t out[SHA256_BYTES])
{
    struct buf text = {0};
    buf_add_cstr(&text, rule);
    buf_add_char(&text, '\0');
    json_canonical(tree, &text);
    crypto_sha256(buf_slice(&text), out);
    buf_free(&text);
}

static void digest_of(const struct tenant_fault *fault, uint8_t out[SHA256_BYTES])
{
    digest_tree(fault->rule, fault->holder, out);
}

/* ---- what was there ---- */

static struct tenant_mark *add_mark(struct tenant_seen *seen, json_t *object)
{
    if (seen->count == seen->cap) {
        seen->cap = seen->cap == 0 ? 16 : seen->cap * 2;
        seen->marks = mem_resize(seen->marks, seen->cap * sizeof *seen->marks);
    }
    struct tenant_mark *mark = &seen->marks[seen->count++];
    *mark = (struct tenant_mark){.object = json_incref(object)};
    return mark;
}

static void remember(struct tenant_look *look, const struct tenant_fault *fault)
{
    struct tenant_mark *mark = add_mark(look->user, look->r->object);
    digest_of(fault, mark->digest);
    mark->place = slice_hash(buf_slice(&look->path));
}

/* What only the platform makes stays as it is altogether. */
static void remember_whole(struct tenant_seen *seen, json_t *object)
{
    struct tenant_mark *mark = add_mark(seen, object);
    struct buf name = {0};
    buf_addf(&name, "%.*s %.*s", SLICE_ARG(json_text_at(object, "kind")),
             SLICE_ARG(json_text(json_at(object, "metadata", "name", NULL))));
    mark->only_platforms = buf_take(&name);
    digest_tree("", object, mark->digest);
}

void tenant_see(const struct tenancy *t, const struct resource_list *list, struct tenant_seen *seen)
{
    struct arena arena = {0};
    *seen = (struct tenant_seen){0};
    for (size_t i = 0; i < list->count; i++) {
        struct tenant_look look = {
            .t = t, .r = &list->items[i], .arena = &arena, .each = remember, .user = seen};
        if (!tenant__may_make(t, list->items[i].object)) {
            remember_whole(seen, list->items[i].object);
        }
        look_at(&look);
    }
    arena_free(&arena);
}

void tenant_forget(struct tenant_seen *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        json_decref(seen->marks[i].object);
        free(seen->marks[i].only_platforms);
    }
    free(seen->marks);
    *seen = (struct tenant_seen){0};
}

enum seen { SEEN_NOT, SEEN_OTHERWISE, SEEN_SAME };

/* Whether the object had the same fault, of the same thing or of what was there before. */
static enum seen how_seen(const struct tenant_look *look, const struct tenant_seen *seen,
                          const struct tenant_fault *fault)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t place = slice_hash(buf_slice(&look->path));
    enum seen result = SEEN_NOT;
    digest_of(fault, digest);
    for (size_t i = 0; seen != NULL && i < seen->count && result != SEEN_SAME; i++) {
        const struct tenant_mark *mark = &seen->marks[i];
        bool same = mark->object == look->r->object;
        if (same && memcmp(mark->digest, digest, SHA256_BYTES) == 0) {
            result = SEEN_SAME;
        } else if (same && mark->place == place) {
            result = SEEN_OTHERWISE;
        }
    }
    return result;
}

/* ---- what is there now ---- */

struct judging {
    const struct tenant_seen *seen;
    struct err *err;
    int rc;
};

/* "a type of a namespace (ComponentType web) may not, unless ...; a ClusterComponentType may". */
static const char *verdict(struct arena *arena, const struct tenancy *t, const char *knob)
{
    struct slice kind = t->maker->kind;
    const char *unless = knob == NULL
                             ? ""
                             : arena_printf(arena, ", unless Organization %.*s says ownTypes.%s",
                                            SLICE_ARG(t->id->ns), knob);
    if (t->maker->by_hand) {
        return arena_printf(arena,
                            "a release that was written by hand may not%s; one that the control "
                            "plane makes of a type of the cluster may",
                            unless);
    }
    bool trait = slice_eq_cstr(kind, "Trait");
    return arena_printf(arena, "%s of a namespace (%.*s %.*s) may not%s; a Cluster%.*s may",
                        trait ? "a trait" : "a type", SLICE_ARG(kind), SLICE_ARG(t->maker->name),
                        unless, SLICE_ARG(kind));
}

static void decide(struct tenant_look *look, const struct tenant_fault *fault)
{
    struct judging *j = look->user;
    enum seen seen = j->rc == 0 ? how_seen(look, j->seen, fault) : SEEN_SAME;
    if (seen == SEEN_SAME) {
        return;
    }
    bool whole = look->path.len == 0;
    const char *has = whole ? "" : seen == SEEN_OTHERWISE ? "changes what has " : "has ";
    j->rc =
        manifest_refuse(j->err, look->r,
                        arena_printf(look->arena, "%s%s%s%s: %s", has,
                                     whole ? "" : buf_cstr(&look->path), whole ? "" : ", which ",
                                     fault->reason, verdict(look->arena, look->t, fault->knob)));
}

/* Whether the platform would make the same. */
static bool is_built_in(const struct tenancy *t, const json_t *object)
{
    static const char *const same[] = {"apiVersion", "kind", "spec"};
    for (size_t i = 0; t->built_in != NULL && i < t->built_in->count; i++) {
        const json_t *other = t->built_in->items[i].object;
        const json_t *name = json_at(other, "metadata", "name", NULL);
        bool equal =
            slice_eq(json_text(name), json_text(json_at(object, "metadata", "name", NULL)));
        for (size_t k = 0; equal && k < sizeof same / sizeof *same; k++) {
            const json_t *value = json_object_get(object, same[k]);
            equal = value != NULL && json_equal(json_object_get(other, same[k]), value);
        }
        if (equal) {
            return true;
        }
    }
    return false;
}

/* What only the platform makes, only the platform changes and takes away. */
static int judge_platforms(const struct tenancy *t, struct arena *arena,
                           const struct resource_list *list, const struct tenant_seen *seen,
                           struct err *err)
{
    for (size_t i = 0; seen != NULL && i < seen->count; i++) {
        const struct tenant_mark *mark = &seen->marks[i];
        uint8_t digest[SHA256_BYTES];
        size_t k = 0;
        if (mark->only_platforms == NULL) {
            continue;
        }
        while (k < list->count && list->items[k].object != mark->object) {
            k++;
        }
        digest_tree("", mark->object, digest);
        if (k == list->count || memcmp(digest, mark->digest, SHA256_BYTES) != 0) {
            return err_set(err, ERR_UNPROCESSABLE, "%s %s: %s",
                           k == list->count ? "takes away" : "changes", mark->only_platforms,
                           verdict(arena, t, NULL));
        }
    }
    return 0;
}

int tenant_judge(const struct tenancy *t, const struct resource_list *list,
                 const struct tenant_seen *seen, struct err *err)
{
    struct arena arena = {0};
    struct judging j = {.seen = seen, .err = err};
    for (size_t i = 0; j.rc == 0 && i < list->count; i++) {
        struct tenant_look look = {
            .t = t, .r = &list->items[i], .arena = &arena, .each = decide, .user = &j};
        if (!is_built_in(t, list->items[i].object)) {
            look_at(&look);
        }
    }
    int rc = j.rc == 0 ? judge_platforms(t, &arena, list, seen, err) : j.rc;
    arena_free(&arena);
    return rc;
}
