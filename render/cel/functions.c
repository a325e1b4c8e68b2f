/* functions.c: the table of the language's functions.
 *
 * A row is all there is to know of a function: its overloads, as the checker reads them
 * (signature.h), and what is called for every one of them. */
#include "render/cel/functions.h"

#define DATE_TYPES "timestamp.() int | timestamp.(string) int"
#define CLOCK_TYPES DATE_TYPES " | duration.() int"

static const struct cel_function functions[] = {
    /* The standard. */
    {"size",
     "(string) int | (bytes) int | (list(A)) int | (map(A, B)) int | string.() int | bytes.() int "
     "| list(A).() int | map(A, B).() int",
     cel_fn_size},
    {"type", "(A) type(A)", cel_fn_type},
    {"dyn", "(A) dyn", cel_fn_dyn},
    {"bool", "(bool) bool | (string) bool", cel_fn_bool},
    {"int", "(int) int | (uint) int | (double) int | (string) int | (timestamp) int", cel_fn_int},
    {"uint", "(uint) uint | (int) uint | (double) uint | (string) uint", cel_fn_uint},
    {"double", "(double) double | (int) double | (uint) double | (string) double", cel_fn_double},
    {"string", CEL_STRING_TYPES, cel_fn_string},
    {"bytes", "(bytes) bytes | (string) bytes", cel_fn_bytes},
    {"timestamp", "(timestamp) timestamp | (string) timestamp | (int) timestamp", cel_fn_timestamp},
    {"duration", "(duration) duration | (string) duration | (int) duration", cel_fn_duration},
    {"contains", "string.(string) bool", cel_fn_contains},
    {"startsWith", "string.(string) bool", cel_fn_starts_with},
    {"endsWith", "string.(string) bool", cel_fn_ends_with},
    {"matches", "string.(string) bool | (string, string) bool", cel_fn_matches},
    {"getFullYear", DATE_TYPES, cel_fn_get_full_year},
    {"getMonth", DATE_TYPES, cel_fn_get_month},
    {"getDate", DATE_TYPES, cel_fn_get_date},
    {"getDayOfMonth", DATE_TYPES, cel_fn_get_day_of_month},
    {"getDayOfWeek", DATE_TYPES, cel_fn_get_day_of_week},
    {"getDayOfYear", DATE_TYPES, cel_fn_get_day_of_year},
    {"getHours", CLOCK_TYPES, cel_fn_get_hours},
    {"getMinutes", CLOCK_TYPES, cel_fn_get_minutes},
    {"getSeconds", CLOCK_TYPES, cel_fn_get_seconds},
    {"getMilliseconds", CLOCK_TYPES, cel_fn_get_milliseconds},
    /* Strings and encoders. */
    {"charAt", "string.(int) string", cel_fn_char_at},
    {"indexOf", "string.(string) int | string.(string, int) int", cel_fn_index_of},
    {"lastIndexOf", "string.(string) int | string.(string, int) int", cel_fn_last_index_of},
    {"lowerAscii", "string.() string", cel_fn_lower_ascii},
    {"upperAscii", "string.() string", cel_fn_upper_ascii},
    {"replace", "string.(string, string) string | string.(string, string, int) string",
     cel_fn_replace},
    {"split", "string.(string) list(string) | string.(string, int) list(string)", cel_fn_split},
    {"substring", "string.(int) string | string.(int, int) string", cel_fn_substring},
    {"trim", "string.() string", cel_fn_trim},
    {"join", "list(string).() string | list(string).(string) string", cel_fn_join},
    {"reverse", "string.() string | list(A).() list(A)", cel_fn_reverse},
    {"format", "string.(list(dyn)) string", cel_fn_format},
    {"strings.quote", "(string) string", cel_fn_quote},
    {"base64.encode", "(bytes) string | (string) string", cel_fn_base64_encode},
    {"base64.decode", "(string) bytes", cel_fn_base64_decode},
    /* Lists and sets. */
    {"distinct", "list(A).() list(A)", cel_fn_distinct},
    {"flatten", "list(list(A)).() list(A) | list(dyn).(int) list(dyn)", cel_fn_flatten},
    {"slice", "list(A).(int, int) list(A)", cel_fn_slice},
    {"sort", "list(C).() list(C)", cel_fn_sort},
    {"first", "list(A).() optional(A)", cel_fn_first},
    {"last", "list(A).() optional(A)", cel_fn_last},
    {"lists.range", "(int) list(int)", cel_fn_range},
    {"sets.contains", "(list(A), list(A)) bool", cel_fn_set_contains},
    {"sets.equivalent", "(list(A), list(A)) bool", cel_fn_set_equivalent},
    {"sets.intersects", "(list(A), list(A)) bool", cel_fn_set_intersects},
    /* Optionals. */
    {"optional.of", "(A) optional(A)", cel_fn_optional_of},
    {"optional.none", "() optional(A)", cel_fn_optional_none},
    {"optional.ofNonZeroValue", "(A) optional(A)", cel_fn_optional_non_zero},
    {"optional.unwrap", "(list(optional(A))) list(A)", cel_fn_unwrap},
    {"unwrapOpt", "list(optional(A)).() list(A)", cel_fn_unwrap},
    {"hasValue", "optional(A).() bool", cel_fn_optional_has},
    {"value", "optional(A).() A", cel_fn_optional_value},
    {"or", "optional(A).(optional(A)) optional(A)", cel_fn_optional_or},
    {"orValue", "optional(A).(A) A", cel_fn_optional_or_value},
    /* Math. */
    {"math.greatest", "(N, ...) N | (number, ...) dyn | (list(N)) N", cel_fn_math_greatest},
    {"math.least", "(N, ...) N | (number, ...) dyn | (list(N)) N", cel_fn_math_least},
    {"math.abs", "(N) N", cel_fn_math_abs},
    {"math.ceil", "(double) double", cel_fn_math_ceil},
    {"math.floor", "(double) double", cel_fn_math_floor},
    {"math.round", "(double) double", cel_fn_math_round},
    {"math.trunc", "(double) double", cel_fn_math_trunc},
    {"math.sign", "(N) N", cel_fn_math_sign},
    {"math.sqrt", "(double) double | (int) double | (uint) double", cel_fn_math_sqrt},
    {"math.isNaN", "(double) bool", cel_fn_math_is_nan},
    {"math.isInf", "(double) bool", cel_fn_math_is_inf},
    {"math.isFinite", "(double) bool", cel_fn_math_is_finite},
    {"math.bitAnd", "(int, int) int | (uint, uint) uint", cel_fn_math_bit_and},
    {"math.bitOr", "(int, int) int | (uint, uint) uint", cel_fn_math_bit_or},
    {"math.bitXor", "(int, int) int | (uint, uint) uint", cel_fn_math_bit_xor},
    {"math.bitNot", "(int) int | (uint) uint", cel_fn_math_bit_not},
    {"math.bitShiftLeft", "(int, int) int | (uint, int) uint", cel_fn_math_bit_shift_left},
    {"math.bitShiftRight", "(int, int) int | (uint, int) uint", cel_fn_math_bit_shift_right},
};

const struct cel_function *cel_functions(void)
{
    return functions;
}

size_t cel_function_count(void)
{
    return sizeof functions / sizeof *functions;
}
