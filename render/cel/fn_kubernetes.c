/* fn_kubernetes.c: what Kubernetes adds to the language for the rules of schemas: lists and regular
 * expressions here, the rest in files of their own, the table of all at the end. Everything that
 * visits elements is charged for them. */
#include "render/cel/kubernetes.h"

#include <string.h>

#include "render/cel/regex.h"

/* ---- lists ---- */

/* The least (order < 0) or greatest element. */
static bool extreme(struct cel_ctx *ctx, const struct cel_value *args, size_t count, int wanted,
                    struct cel_value *out)
{
    const char *name = wanted < 0 ? "min" : "max";
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, name, args, count);
    }
    const struct cel_list *list = args[0].as.list;
    if (list->count == 0) {
        return cel_fail(ctx, "%s() of an empty list", name);
    }
    if (!cel_charge(ctx, list->count)) {
        return false;
    }
    *out = cel_list_at(ctx, list, 0);
    for (size_t i = 1; i < list->count; i++) {
        struct cel_value item = cel_list_at(ctx, list, i);
        int order;
        bool ordered;
        if (!cel_compare(ctx, item, *out, &order, &ordered)) {
            return false;
        }
        if (ordered && (wanted < 0 ? order < 0 : order > 0)) {
            *out = item;
        }
    }
    return true;
}

static CEL_FN(fn_min)
{
    return extreme(ctx, args, count, -1, out);
}

static CEL_FN(fn_max)
{
    return extreme(ctx, args, count, 1, out);
}

static CEL_FN(fn_sum)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "sum", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    if (!cel_charge(ctx, list->count)) {
        return false;
    }
    *out = list->count > 0 ? cel_list_at(ctx, list, 0) : cel_int(0);
    for (size_t i = 1; i < list->count; i++) {
        if (!cel_operate(ctx, CEL_OP_ADD, *out, cel_list_at(ctx, list, i), out)) {
            return false;
        }
    }
    return true;
}

static CEL_FN(fn_is_sorted)
{
    if (args[0].type != CEL_LIST) {
        return cel_no_overload(ctx, "isSorted", args, count);
    }
    const struct cel_list *list = args[0].as.list;
    bool sorted = true;
    if (!cel_charge(ctx, list->count)) {
        return false;
    }
    for (size_t i = 1; i < list->count && sorted; i++) {
        int order;
        bool ordered;
        if (!cel_compare(ctx, cel_list_at(ctx, list, i - 1), cel_list_at(ctx, list, i), &order,
                         &ordered)) {
            return false;
        }
        sorted = ordered && order <= 0;
    }
    *out = cel_bool(sorted);
    return true;
}

/* The first (step 1) or last (-1) element that equals the argument. */
static bool find_item(struct cel_ctx *ctx, const struct cel_value *args, int step,
                      struct cel_value *out)
{
    const struct cel_list *list = args[0].as.list;
    bool equal = false;
    *out = cel_int(-1);
    for (size_t i = 0; i < list->count && !equal; i++) {
        size_t at = step > 0 ? i : list->count - 1 - i;
        if (!cel_equal(ctx, cel_list_at(ctx, list, at), args[1], &equal)) {
            return false;
        }
        *out = cel_int(equal ? (int64_t)at : -1);
    }
    return true;
}

static CEL_FN(fn_index_of)
{
    return args[0].type == CEL_LIST && count == 2 ? find_item(ctx, args, 1, out)
                                                  : cel_fn_index_of(ctx, args, count, out);
}

static CEL_FN(fn_last_index_of)
{
    return args[0].type == CEL_LIST && count == 2 ? find_item(ctx, args, -1, out)
                                                  : cel_fn_last_index_of(ctx, args, count, out);
}

/* ---- regular expressions ---- */

enum { FIND_COST = 50 }; /* each search may take REGEX_STEPS_MIN steps */

static CEL_FN(fn_find)
{
    bool found = false;
    size_t start = 0;
    size_t end = 0;
    if (args[0].type != CEL_STRING || args[1].type != CEL_STRING) {
        return cel_no_overload(ctx, "find", args, count);
    }
    struct slice text = args[0].as.text;
    struct cel_regex *regex = cel_charge(ctx, 500 + text.len + args[1].as.text.len)
                                  ? cel_regex_new(ctx, "find", args[1].as.text)
                                  : NULL;
    if (regex == NULL) {
        return false;
    }
    bool ok = cel_regex_find(regex, text, 0, &found, &start, &end);
    cel_regex_free(regex);
    *out = cel_string(slice_sub(text, start, end - start));
    return ok;
}

struct values {
    struct cel_value *items;
    size_t count;
    size_t cap;
};

static void add(struct arena *arena, struct values *values, struct cel_value value)
{
    if (values->count == values->cap) {
        values->cap = values->cap > 0 ? 2 * values->cap : 8;
        struct cel_value *more = arena_alloc(arena, values->cap * sizeof *more);
        if (values->count > 0) {
            memcpy(more, values->items, values->count * sizeof *more);
        }
        values->items = more;
    }
    values->items[values->count++] = value;
}

/* All matches that do not overlap, at most `most`. An empty one next to the one before is none. */
static bool find_all(struct cel_ctx *ctx, struct cel_regex *regex, struct slice text, size_t most,
                     struct values *values)
{
    size_t last = SIZE_MAX; /* where the match before ended */
    for (size_t from = 0; values->count < most && from <= text.len;) {
        bool found;
        size_t start;
        size_t end;
        uint32_t point;
        if (!cel_charge(ctx, FIND_COST) || !cel_charge_bytes(ctx, text.len - from) ||
            !cel_regex_find(regex, text, from, &found, &start, &end)) {
            return false;
        }
        if (!found) {
            return true;
        }
        if (end > start || end != last) {
            add(ctx->arena, values, cel_string(slice_sub(text, start, end - start)));
        }
        last = end;
        from = end > start      ? end
               : end < text.len ? end + cel_utf8_next(text, end, &point)
                                : end + 1;
    }
    return true;
}

static CEL_FN(fn_find_all)
{
    if (args[0].type != CEL_STRING || args[1].type != CEL_STRING ||
        (count == 3 && args[2].type != CEL_INT)) {
        return cel_no_overload(ctx, "findAll", args, count);
    }
    struct slice text = args[0].as.text;
    int64_t most = count == 3 ? args[2].as.integer : -1;
    struct cel_regex *regex = cel_charge(ctx, 500 + text.len + args[1].as.text.len)
                                  ? cel_regex_new(ctx, "findAll", args[1].as.text)
                                  : NULL;
    if (regex == NULL) {
        return false;
    }
    struct values values = {0};
    bool ok = find_all(ctx, regex, text, most < 0 ? SIZE_MAX : (size_t)most, &values);
    cel_regex_free(regex);
    *out = cel_list_of(ctx->arena, values.items, values.count);
    return ok;
}

/* ---- quantities and versions are compared alike ---- */

static bool compare(struct cel_ctx *ctx, const char *name, const struct cel_value *args, int *order)
{
    if (cel_is_opaque(args[0], &cel_quantity_type) && cel_is_opaque(args[1], &cel_quantity_type)) {
        *order = cel_quantity_compare(args[0].as.opaque, args[1].as.opaque);
        return true;
    }
    if (cel_is_opaque(args[0], &cel_semver_type) && cel_is_opaque(args[1], &cel_semver_type)) {
        *order = cel_semver_compare(args[0].as.opaque, args[1].as.opaque);
        return true;
    }
    return cel_no_overload(ctx, name, args, 2);
}

static CEL_FN(fn_compare_to)
{
    int order = 0;
    (void)count;
    bool ok = compare(ctx, "compareTo", args, &order);
    *out = cel_int(order < 0 ? -1 : order > 0);
    return ok;
}

static CEL_FN(fn_is_less_than)
{
    int order = 0;
    (void)count;
    bool ok = compare(ctx, "isLessThan", args, &order);
    *out = cel_bool(order < 0);
    return ok;
}

static CEL_FN(fn_is_greater_than)
{
    int order = 0;
    (void)count;
    bool ok = compare(ctx, "isGreaterThan", args, &order);
    *out = cel_bool(order > 0);
    return ok;
}

/* ---- the table ---- */

static const struct cel_function functions[] = {
    {"min", "list(C).() C", fn_min},
    {"max", "list(C).() C", fn_max},
    {"sum", "list(N).() N | list(duration).() duration", fn_sum},
    {"isSorted", "list(C).() bool", fn_is_sorted},
    {"indexOf", "list(A).(A) int | string.(string) int | string.(string, int) int", fn_index_of},
    {"lastIndexOf", "list(A).(A) int | string.(string) int | string.(string, int) int",
     fn_last_index_of},
    {"find", "string.(string) string", fn_find},
    {"findAll", "string.(string) list(string) | string.(string, int) list(string)", fn_find_all},
    /* URLs. */
    {"url", "(string) kubernetes.URL", cel_fn_url},
    {"isURL", "(string) bool", cel_fn_is_url},
    {"getScheme", "kubernetes.URL.() string", cel_fn_url_scheme},
    {"getHost", "kubernetes.URL.() string", cel_fn_url_host},
    {"getHostname", "kubernetes.URL.() string", cel_fn_url_hostname},
    {"getPort", "kubernetes.URL.() string", cel_fn_url_port},
    {"getEscapedPath", "kubernetes.URL.() string", cel_fn_url_path},
    {"getQuery", "kubernetes.URL.() map(string, list(string))", cel_fn_url_query},
    /* IP addresses and CIDRs. */
    {"ip", "(string) net.IP | net.CIDR.() net.IP", cel_fn_ip},
    {"isIP", "(string) bool", cel_fn_is_ip},
    {"ip.isCanonical", "(string) bool", cel_fn_ip_is_canonical},
    {"family", "net.IP.() int", cel_fn_ip_family},
    {"isUnspecified", "net.IP.() bool", cel_fn_ip_is_unspecified},
    {"isLoopback", "net.IP.() bool", cel_fn_ip_is_loopback},
    {"isLinkLocalMulticast", "net.IP.() bool", cel_fn_ip_is_link_local_multicast},
    {"isLinkLocalUnicast", "net.IP.() bool", cel_fn_ip_is_link_local_unicast},
    {"isGlobalUnicast", "net.IP.() bool", cel_fn_ip_is_global_unicast},
    {"string", CEL_STRING_TYPES " | (net.IP) string | (net.CIDR) string", cel_fn_ip_string},
    {"cidr", "(string) net.CIDR", cel_fn_cidr},
    {"isCIDR", "(string) bool", cel_fn_is_cidr},
    {"containsIP", "net.CIDR.(string) bool | net.CIDR.(net.IP) bool", cel_fn_cidr_contains_ip},
    {"containsCIDR", "net.CIDR.(string) bool | net.CIDR.(net.CIDR) bool",
     cel_fn_cidr_contains_cidr},
    {"masked", "net.CIDR.() net.CIDR", cel_fn_cidr_masked},
    {"prefixLength", "net.CIDR.() int", cel_fn_cidr_prefix_length},
    /* Quantities and semantic versions. */
    {"quantity", "(string) kubernetes.Quantity", cel_fn_quantity},
    {"isQuantity", "(string) bool", cel_fn_is_quantity},
    {"isInteger", "kubernetes.Quantity.() bool", cel_fn_quantity_is_integer},
    {"asInteger", "kubernetes.Quantity.() int", cel_fn_quantity_as_integer},
    {"asApproximateFloat", "kubernetes.Quantity.() double", cel_fn_quantity_as_float},
    {"sign", "kubernetes.Quantity.() int", cel_fn_quantity_sign},
    {"add",
     "kubernetes.Quantity.(kubernetes.Quantity) kubernetes.Quantity | kubernetes.Quantity.(int) "
     "kubernetes.Quantity",
     cel_fn_quantity_add},
    {"sub",
     "kubernetes.Quantity.(kubernetes.Quantity) kubernetes.Quantity | kubernetes.Quantity.(int) "
     "kubernetes.Quantity",
     cel_fn_quantity_sub},
    {"semver", "(string) kubernetes.Semver | (string, bool) kubernetes.Semver", cel_fn_semver},
    {"isSemver", "(string) bool | (string, bool) bool", cel_fn_is_semver},
    {"major", "kubernetes.Semver.() int", cel_fn_semver_major},
    {"minor", "kubernetes.Semver.() int", cel_fn_semver_minor},
    {"patch", "kubernetes.Semver.() int", cel_fn_semver_patch},
    {"compareTo",
     "kubernetes.Quantity.(kubernetes.Quantity) int | kubernetes.Semver.(kubernetes.Semver) int",
     fn_compare_to},
    {"isLessThan",
     "kubernetes.Quantity.(kubernetes.Quantity) bool | kubernetes.Semver.(kubernetes.Semver) bool",
     fn_is_less_than},
    {"isGreaterThan",
     "kubernetes.Quantity.(kubernetes.Quantity) bool | kubernetes.Semver.(kubernetes.Semver) bool",
     fn_is_greater_than},
    /* Formats. */
    {"format.named", "(string) optional(kubernetes.NamedFormat)", cel_fn_format_named},
    {"validate", "kubernetes.NamedFormat.(string) optional(list(string))", cel_fn_format_validate},
    {"format.dns1123Label", "() kubernetes.NamedFormat", cel_fn_format_dns_label},
    {"format.dns1123Subdomain", "() kubernetes.NamedFormat", cel_fn_format_dns_name},
    {"format.dns1035Label", "() kubernetes.NamedFormat", cel_fn_format_dns_1035},
    {"format.qualifiedName", "() kubernetes.NamedFormat", cel_fn_format_qualified_name},
    {"format.dns1123LabelPrefix", "() kubernetes.NamedFormat", cel_fn_format_dns_label_prefix},
    {"format.dns1123SubdomainPrefix", "() kubernetes.NamedFormat", cel_fn_format_dns_name_prefix},
    {"format.dns1035LabelPrefix", "() kubernetes.NamedFormat", cel_fn_format_dns_1035_prefix},
    {"format.labelValue", "() kubernetes.NamedFormat", cel_fn_format_label_value},
    {"format.uri", "() kubernetes.NamedFormat", cel_fn_format_uri},
    {"format.uuid", "() kubernetes.NamedFormat", cel_fn_format_uuid},
    {"format.byte", "() kubernetes.NamedFormat", cel_fn_format_byte},
    {"format.date", "() kubernetes.NamedFormat", cel_fn_format_date},
    {"format.datetime", "() kubernetes.NamedFormat", cel_fn_format_datetime},
};

const struct cel_function *cel_kubernetes_functions(void)
{
    return functions;
}

size_t cel_kubernetes_function_count(void)
{
    return sizeof functions / sizeof functions[0];
}
