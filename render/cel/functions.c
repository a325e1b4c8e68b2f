/* functions.c: the table of the language's functions.
 *
 * A name may occur more than once, with different forms or numbers of arguments; which types a
 * function takes is its own matter. */
#include "render/cel/functions.h"

static const struct cel_function functions[] = {
    /* The standard. */
    {"size", false, 1, 1, cel_fn_size},
    {"size", true, 1, 1, cel_fn_size},
    {"type", false, 1, 1, cel_fn_type},
    {"dyn", false, 1, 1, cel_fn_dyn},
    {"bool", false, 1, 1, cel_fn_bool},
    {"int", false, 1, 1, cel_fn_int},
    {"uint", false, 1, 1, cel_fn_uint},
    {"double", false, 1, 1, cel_fn_double},
    {"string", false, 1, 1, cel_fn_string},
    {"bytes", false, 1, 1, cel_fn_bytes},
    {"timestamp", false, 1, 1, cel_fn_timestamp},
    {"duration", false, 1, 1, cel_fn_duration},
    {"contains", true, 2, 2, cel_fn_contains},
    {"startsWith", true, 2, 2, cel_fn_starts_with},
    {"endsWith", true, 2, 2, cel_fn_ends_with},
    {"matches", true, 2, 2, cel_fn_matches},
    {"matches", false, 2, 2, cel_fn_matches},
    {"getFullYear", true, 1, 2, cel_fn_get_full_year},
    {"getMonth", true, 1, 2, cel_fn_get_month},
    {"getDate", true, 1, 2, cel_fn_get_date},
    {"getDayOfMonth", true, 1, 2, cel_fn_get_day_of_month},
    {"getDayOfWeek", true, 1, 2, cel_fn_get_day_of_week},
    {"getDayOfYear", true, 1, 2, cel_fn_get_day_of_year},
    {"getHours", true, 1, 2, cel_fn_get_hours},
    {"getMinutes", true, 1, 2, cel_fn_get_minutes},
    {"getSeconds", true, 1, 2, cel_fn_get_seconds},
    {"getMilliseconds", true, 1, 2, cel_fn_get_milliseconds},
    /* Strings and encoders. */
    {"charAt", true, 2, 2, cel_fn_char_at},
    {"indexOf", true, 2, 3, cel_fn_index_of},
    {"lastIndexOf", true, 2, 3, cel_fn_last_index_of},
    {"lowerAscii", true, 1, 1, cel_fn_lower_ascii},
    {"upperAscii", true, 1, 1, cel_fn_upper_ascii},
    {"replace", true, 3, 4, cel_fn_replace},
    {"split", true, 2, 3, cel_fn_split},
    {"substring", true, 2, 3, cel_fn_substring},
    {"trim", true, 1, 1, cel_fn_trim},
    {"join", true, 1, 2, cel_fn_join},
    {"reverse", true, 1, 1, cel_fn_reverse},
    {"format", true, 2, 2, cel_fn_format},
    {"strings.quote", false, 1, 1, cel_fn_quote},
    {"base64.encode", false, 1, 1, cel_fn_base64_encode},
    {"base64.decode", false, 1, 1, cel_fn_base64_decode},
    /* Lists and sets. */
    {"distinct", true, 1, 1, cel_fn_distinct},
    {"flatten", true, 1, 2, cel_fn_flatten},
    {"slice", true, 3, 3, cel_fn_slice},
    {"sort", true, 1, 1, cel_fn_sort},
    {"first", true, 1, 1, cel_fn_first},
    {"last", true, 1, 1, cel_fn_last},
    {"lists.range", false, 1, 1, cel_fn_range},
    {"sets.contains", false, 2, 2, cel_fn_set_contains},
    {"sets.equivalent", false, 2, 2, cel_fn_set_equivalent},
    {"sets.intersects", false, 2, 2, cel_fn_set_intersects},
    /* Optionals. */
    {"optional.of", false, 1, 1, cel_fn_optional_of},
    {"optional.none", false, 0, 0, cel_fn_optional_none},
    {"optional.ofNonZeroValue", false, 1, 1, cel_fn_optional_non_zero},
    {"optional.unwrap", false, 1, 1, cel_fn_unwrap},
    {"unwrapOpt", true, 1, 1, cel_fn_unwrap},
    {"hasValue", true, 1, 1, cel_fn_optional_has},
    {"value", true, 1, 1, cel_fn_optional_value},
    {"or", true, 2, 2, cel_fn_optional_or},
    {"orValue", true, 2, 2, cel_fn_optional_or_value},
    /* Math. */
    {"math.greatest", false, 1, CEL_ARGS_ANY, cel_fn_math_greatest},
    {"math.least", false, 1, CEL_ARGS_ANY, cel_fn_math_least},
    {"math.abs", false, 1, 1, cel_fn_math_abs},
    {"math.ceil", false, 1, 1, cel_fn_math_ceil},
    {"math.floor", false, 1, 1, cel_fn_math_floor},
    {"math.round", false, 1, 1, cel_fn_math_round},
    {"math.trunc", false, 1, 1, cel_fn_math_trunc},
    {"math.sign", false, 1, 1, cel_fn_math_sign},
    {"math.isNaN", false, 1, 1, cel_fn_math_is_nan},
    {"math.isInf", false, 1, 1, cel_fn_math_is_inf},
    {"math.isFinite", false, 1, 1, cel_fn_math_is_finite},
    {"math.bitAnd", false, 2, 2, cel_fn_math_bit_and},
    {"math.bitOr", false, 2, 2, cel_fn_math_bit_or},
    {"math.bitXor", false, 2, 2, cel_fn_math_bit_xor},
    {"math.bitNot", false, 1, 1, cel_fn_math_bit_not},
    {"math.bitShiftLeft", false, 2, 2, cel_fn_math_bit_shift_left},
    {"math.bitShiftRight", false, 2, 2, cel_fn_math_bit_shift_right},
};

const struct cel_function *cel_functions(void)
{
    return functions;
}

size_t cel_function_count(void)
{
    return sizeof functions / sizeof *functions;
}
