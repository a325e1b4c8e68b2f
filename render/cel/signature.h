/* signature.h: the types of functions and operators, as texts.
 *
 *     (string) int                     a function of one string
 *     string.(int) string              a method of strings
 *     (number, ...) dyn                one or more numbers
 *     (A, list(A)) bool | (A, map(A, B)) bool      two overloads
 *
 * A capital letter is a type variable, a new one in each use. Two are special: an overload with C
 * (N) stands for as many overloads as there are types whose values have an order (numbers), in
 * which C (N) is that type. Names that are no type of the language are a host's types: net.IP.
 * Texts are read where they are needed, each time: that costs less than to keep what they say.
 * Owner: the unifier's arena. Thread: the caller's. */
#ifndef RENDER_CEL_SIGNATURE_H
#define RENDER_CEL_SIGNATURE_H

#include "render/cel/unify.h"

enum { CEL_PARAMS_MAX = 4 };

struct cel_signature {
    bool receiver; /* params[0] is what the method is called on */
    bool variadic; /* the last parameter may be given again */
    size_t count;
    const struct cel_shape *params[CEL_PARAMS_MAX];
    const struct cel_shape *result;
};

/* The overloads of a text, one after the other: cut off *types. False once there are none. */
bool cel_signature_next(const char **types, struct slice *overload);
/* How many overloads one with C or N stands for. */
size_t cel_signature_variants(struct slice overload);
/* False, for a text that is none: only in tables that are wrong. */
bool cel_signature_read(struct cel_unify *u, struct slice overload, size_t variant,
                        struct cel_signature *out);
/* Whether the name is that of a host's type in some overload of the text. */
bool cel_signature_names(const char *types, struct slice name);
/* Whether the overload is called in this form with so many arguments, a receiver included. */
bool cel_signature_takes(struct slice overload, bool receiver, size_t count);

#endif
