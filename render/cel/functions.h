/* functions.h: the language's functions, and what its operators do.
 * Owner: constants. Thread: any. */
#ifndef RENDER_CEL_FUNCTIONS_H
#define RENDER_CEL_FUNCTIONS_H

#include "render/cel/ast.h"
#include "render/cel/cel.h"

const struct cel_function *cel_functions(void);
size_t cel_function_count(void);

/* An operator's name in messages, "_+_", and the types of its operands. */
const char *cel_operator_name(enum cel_kind kind, enum cel_op op, const char **types);
/* The types of operand[key] and operand[?key]. */
const char *cel_index_types(bool optional);

/* What string() takes; an environment whose types have a text, too, adds its own. */
#define CEL_STRING_TYPES                                                                           \
    "(string) string | (bool) string | (int) string | (uint) string | (double) string | "          \
    "(bytes) string | (timestamp) string | (duration) string"

/* a op b; IN included. */
bool cel_operate(struct cel_ctx *ctx, enum cel_op op, struct cel_value a, struct cel_value b,
                 struct cel_value *out);
bool cel_negate(struct cel_ctx *ctx, struct cel_value a, struct cel_value *out);

/* operand[key]; *found is false (and nothing is an error) when there is no such element. */
bool cel_index(struct cel_ctx *ctx, struct cel_value operand, struct cel_value key,
               struct cel_value *out, bool *found);

/* The functions of each family, listed in functions.c. */
#define CEL_FN(name)                                                                               \
    bool name(struct cel_ctx *ctx, const struct cel_value *args, size_t count,                     \
              struct cel_value *out)

CEL_FN(cel_fn_size);
CEL_FN(cel_fn_type);
CEL_FN(cel_fn_dyn);
CEL_FN(cel_fn_bool);
CEL_FN(cel_fn_int);
CEL_FN(cel_fn_uint);
CEL_FN(cel_fn_double);
CEL_FN(cel_fn_string);
CEL_FN(cel_fn_bytes);
CEL_FN(cel_fn_timestamp);
CEL_FN(cel_fn_duration);

CEL_FN(cel_fn_contains);
CEL_FN(cel_fn_starts_with);
CEL_FN(cel_fn_ends_with);
CEL_FN(cel_fn_matches);
CEL_FN(cel_fn_char_at);
CEL_FN(cel_fn_index_of);
CEL_FN(cel_fn_last_index_of);
CEL_FN(cel_fn_lower_ascii);
CEL_FN(cel_fn_upper_ascii);
CEL_FN(cel_fn_replace);
CEL_FN(cel_fn_split);
CEL_FN(cel_fn_substring);
CEL_FN(cel_fn_trim);
CEL_FN(cel_fn_join);
CEL_FN(cel_fn_reverse);
CEL_FN(cel_fn_quote);
CEL_FN(cel_fn_format);
CEL_FN(cel_fn_base64_encode);
CEL_FN(cel_fn_base64_decode);

CEL_FN(cel_fn_distinct);
CEL_FN(cel_fn_flatten);
CEL_FN(cel_fn_slice);
CEL_FN(cel_fn_sort);
CEL_FN(cel_fn_first);
CEL_FN(cel_fn_last);
CEL_FN(cel_fn_range);
CEL_FN(cel_fn_set_contains);
CEL_FN(cel_fn_set_equivalent);
CEL_FN(cel_fn_set_intersects);

CEL_FN(cel_fn_optional_of);
CEL_FN(cel_fn_optional_none);
CEL_FN(cel_fn_optional_non_zero);
CEL_FN(cel_fn_optional_has);
CEL_FN(cel_fn_optional_value);
CEL_FN(cel_fn_optional_or);
CEL_FN(cel_fn_optional_or_value);
CEL_FN(cel_fn_unwrap);

CEL_FN(cel_fn_math_greatest);
CEL_FN(cel_fn_math_least);
CEL_FN(cel_fn_math_abs);
CEL_FN(cel_fn_math_ceil);
CEL_FN(cel_fn_math_floor);
CEL_FN(cel_fn_math_round);
CEL_FN(cel_fn_math_trunc);
CEL_FN(cel_fn_math_sign);
CEL_FN(cel_fn_math_sqrt);
CEL_FN(cel_fn_math_is_nan);
CEL_FN(cel_fn_math_is_inf);
CEL_FN(cel_fn_math_is_finite);
CEL_FN(cel_fn_math_bit_and);
CEL_FN(cel_fn_math_bit_or);
CEL_FN(cel_fn_math_bit_xor);
CEL_FN(cel_fn_math_bit_not);
CEL_FN(cel_fn_math_bit_shift_left);
CEL_FN(cel_fn_math_bit_shift_right);

CEL_FN(cel_fn_get_full_year);
CEL_FN(cel_fn_get_month);
CEL_FN(cel_fn_get_date);
CEL_FN(cel_fn_get_day_of_month);
CEL_FN(cel_fn_get_day_of_week);
CEL_FN(cel_fn_get_day_of_year);
CEL_FN(cel_fn_get_hours);
CEL_FN(cel_fn_get_minutes);
CEL_FN(cel_fn_get_seconds);
CEL_FN(cel_fn_get_milliseconds);

#endif
