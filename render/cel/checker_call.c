/* checker_call.c: which overload a call means.
 *
 * All overloads of the name are tried in order. One that fits without any dyn is the one; where
 * something is dyn, others may fit as well, and if their results differ the result is dyn. */
#include "render/cel/checker_internal.h"

#include "base/suggest.h"
#include "render/cel/functions.h"
#include "render/cel/signature.h"

enum { ARGS_SHOWN_MAX = 8 };

/* The host's functions come first: one of them hides the language's of the same name. */
static const struct cel_function *function_of(const struct cel__checker *c, struct slice name)
{
    const struct cel_function *tables[] = {c->env->functions, cel_functions()};
    const size_t counts[] = {c->env->function_count, cel_function_count()};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const struct cel_function *f = &tables[t][i];
            if (name.data[0] == f->name[0] && slice_eq_cstr(name, f->name)) {
                return f;
            }
        }
    }
    return NULL;
}

static bool takes(const struct cel_function *f, bool receiver, size_t count)
{
    struct slice overload;
    for (const char *at = f->types; cel_signature_next(&at, &overload);) {
        if (cel_signature_takes(overload, receiver, count)) {
            return true;
        }
    }
    return false;
}

static bool has_form(const struct cel_function *f, bool receiver)
{
    struct slice overload;
    for (const char *at = f->types; cel_signature_next(&at, &overload);) {
        if ((overload.data[0] != '(') == receiver) {
            return true;
        }
    }
    return false;
}

/* "; did you mean 'size'?", where a function of that form has nearly the name; else "". */
static const char *meant(struct cel__checker *c, struct slice name, bool receiver)
{
    const struct cel_function *tables[] = {c->env->functions, cel_functions()};
    const size_t counts[] = {c->env->function_count, cel_function_count()};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const struct cel_function *f = &tables[t][i];
            if (suggest_close(slice_of(f->name), name) && has_form(f, receiver)) {
                return arena_printf(&c->work, "; did you mean '%s'?", f->name);
            }
        }
    }
    return "";
}

static bool fits_all(struct cel__checker *c, const struct cel_signature *s,
                     const struct cel_shape *const *args, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t param = i < s->count ? i : s->count - 1;
        if (!cel_unify_fits(&c->unify, args[i], s->params[param])) {
            return false;
        }
    }
    return true;
}

static const struct cel_shape *no_overload(struct cel__checker *c, const struct cel_expr *e,
                                           const char *name, bool receiver,
                                           const struct cel_shape *const *args, size_t count)
{
    struct buf text = {0};
    for (size_t i = receiver ? 1 : 0; i < count && i < ARGS_SHOWN_MAX; i++) {
        buf_addf(&text, "%s%s", i > (receiver ? 1U : 0U) ? ", " : "", cel__shown(c, args[i]));
    }
    const struct cel_shape *shape =
        cel__mistyped(c, e, "found no matching overload for '%s' applied to '%s%s(%s%s)'", name,
                      receiver ? cel__shown(c, args[0]) : "", receiver ? "." : "", buf_cstr(&text),
                      count > ARGS_SHOWN_MAX ? ", ..." : "");
    buf_free(&text);
    return shape;
}

/* One overload, in all its variants, merged into *result. True: it is certain, look no further. */
static bool try_overload(struct cel__checker *c, struct slice overload, bool receiver,
                         const struct cel_shape *const *args, size_t count,
                         const struct cel_shape **result)
{
    bool before = c->unify.loose;
    size_t variants =
        cel_signature_takes(overload, receiver, count) ? cel_signature_variants(overload) : 0;
    for (size_t v = 0; v < variants; v++) {
        struct cel_signature s;
        size_t mark = cel_unify_mark(&c->unify);
        c->unify.loose = false;
        bool ok = cel_signature_read(&c->unify, overload, v, &s) && fits_all(c, &s, args, count);
        bool loose = c->unify.loose;
        c->unify.loose = before;
        if (!ok) {
            cel_unify_undo(&c->unify, mark);
            continue;
        }
        if (*result == NULL || !loose) {
            *result = s.result;
        } else if (!cel_unify_same(&c->unify, *result, s.result)) {
            *result = cel_shape_of(CEL_S_DYN);
        }
        if (!loose) {
            return true;
        }
        c->dynamic = true;
    }
    return false;
}

const struct cel_shape *cel__apply(struct cel__checker *c, const struct cel_expr *e,
                                   const char *name, const char *types, bool receiver,
                                   const struct cel_shape *const *args, size_t count)
{
    const struct cel_shape *result = NULL;
    struct slice overload;
    while (cel_signature_next(&types, &overload)) {
        if (try_overload(c, overload, receiver, args, count, &result)) {
            break;
        }
    }
    return result != NULL ? result : no_overload(c, e, name, receiver, args, count);
}

/* "math.greatest(1, 2)" parsed as the method greatest of math. */
static const struct cel_function *namespaced(struct cel__checker *c, const struct cel__scope *scope,
                                             struct cel_expr *e)
{
    struct slice text;
    const struct cel_expr *root;
    if (!e->as.call.receiver || !cel__chain_of(c, e->as.call.args[0], &text, &root) ||
        cel__local_of(scope, root->as.name.text) != NULL) {
        return NULL;
    }
    struct slice name =
        slice_of(arena_printf(&c->work, "%.*s.%.*s", SLICE_ARG(text), SLICE_ARG(e->as.call.name)));
    const struct cel_function *f = function_of(c, name);
    if (f == NULL || !has_form(f, false)) {
        return NULL;
    }
    e->as.call.receiver = false;
    e->as.call.args++;
    e->as.call.count--;
    return f;
}

const struct cel_shape *cel__check_call(struct cel__checker *c, const struct cel__scope *scope,
                                        struct cel_expr *e)
{
    const struct cel_function *f = namespaced(c, scope, e);
    f = f != NULL ? f : function_of(c, e->as.call.name);
    bool receiver = e->as.call.receiver;
    if (f == NULL || !has_form(f, receiver)) {
        return cel__mistyped(c, e, "unknown '%.*s' %s%s", SLICE_ARG(e->as.call.name),
                             receiver ? "method" : "function",
                             f == NULL ? meant(c, e->as.call.name, receiver) : "");
    }
    size_t count = e->as.call.count;
    const struct cel_shape **args = arena_alloc(&c->work, (count + 1) * sizeof(*args));
    for (size_t i = 0; i < count; i++) {
        args[i] = cel__check(c, scope, e->as.call.args[i]);
        if (args[i] == NULL) {
            return NULL;
        }
    }
    e->as.call.function = takes(f, receiver, count) ? f : NULL;
    return cel__apply(c, e, f->name, f->types, receiver, args, count);
}
