/* checker_internal.h: what checker.c, checker_call.c and checker_type.c share.
 *
 * Every check of a node returns the node's type, or NULL once the expression is refused. Owner: one
 * check. Thread: one at a time. */
#ifndef RENDER_CEL_CHECKER_INTERNAL_H
#define RENDER_CEL_CHECKER_INTERNAL_H

#include "render/cel/checker.h"
#include "render/cel/unify.h"

/* A macro's variable. */
struct cel__scope {
    const struct cel__scope *outer;
    struct slice name;
    size_t slot;
    const struct cel_shape *shape;
};

struct cel__checker {
    struct arena *arena; /* the program's */
    struct arena work;   /* gone after the check */
    struct cel_unify unify;
    const struct cel_env *env;
    bool qualified_names; /* some declared name has a dot, or there is a container */
    bool dynamic;         /* something was dyn where a type mattered */
    size_t depth;         /* locals in scope */
    size_t locals;        /* most that ever were */
    uint32_t offset;
    struct err *err;
};

const struct cel_shape *cel__check(struct cel__checker *c, const struct cel__scope *scope,
                                   struct cel_expr *e);

/* Refuses e: the message is printf's. Returns NULL. */
const struct cel_shape *cel__refuse(struct cel__checker *c, const struct cel_expr *e,
                                    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a wrong type, which an unchecked environment leaves to the evaluation: then dyn. */
const struct cel_shape *cel__mistyped(struct cel__checker *c, const struct cel_expr *e,
                                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A type for a message. */
const char *cel__shown(struct cel__checker *c, const struct cel_shape *shape);
/* Whether e, which is of the type, is wanted's; refuses it otherwise. */
bool cel__expect(struct cel__checker *c, const struct cel_expr *e, const struct cel_shape *shape,
                 enum cel_shape_kind wanted);

/* checker.c */
const struct cel__scope *cel__local_of(const struct cel__scope *scope, struct slice name);
/* The text of a chain of plain selections on a name: "a.b.c"; *root is the name. False if e is no
 * such chain. */
bool cel__chain_of(struct cel__checker *c, const struct cel_expr *e, struct slice *text,
                   const struct cel_expr **root);

/* checker_call.c. types are a table's text (signature.h). */
const struct cel_shape *cel__check_call(struct cel__checker *c, const struct cel__scope *scope,
                                        struct cel_expr *e);
const struct cel_shape *cel__apply(struct cel__checker *c, const struct cel_expr *e,
                                   const char *name, const char *types, bool receiver,
                                   const struct cel_shape *const *args, size_t count);

/* checker_type.c */
const struct cel_shape *cel__check_select(struct cel__checker *c, const struct cel_expr *e,
                                          const struct cel_shape *operand);
const struct cel_shape *cel__check_items(struct cel__checker *c, const struct cel__scope *scope,
                                         struct cel_expr *e);
const struct cel_shape *cel__check_macro(struct cel__checker *c, const struct cel__scope *scope,
                                         struct cel_expr *e);

#endif
