/* fn_semver.c: semantic versions (Semantic Versioning 2.0.0) as values that rules compare.
 *
 * semver(text, true) is lenient as Kubernetes is: a leading 'v', missing minor and patch numbers
 * and leading zeros are taken. */
#include "render/cel/kubernetes.h"

#include <ctype.h>
#include <string.h>

struct semver {
    struct cel_opaque opaque;
    uint64_t numbers[3];
    struct slice pre; /* "rc.1"; empty: a release */
};

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.data[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* Identifiers between dots; numbers are numbers, and come before words. */
static int compare_pre(struct slice a, struct slice b)
{
    if (a.len == 0 || b.len == 0) {
        return (a.len == 0) - (b.len == 0);
    }
    while (a.len > 0 && b.len > 0) {
        struct slice x;
        struct slice y;
        (void)slice_split(&a, '.', &x);
        (void)slice_split(&b, '.', &y);
        bool numbers = is_number(x) && is_number(y);
        int order = numbers && x.len != y.len      ? (x.len < y.len ? -1 : 1)
                    : is_number(x) != is_number(y) ? (is_number(x) ? -1 : 1)
                                                   : slice_cmp(x, y);
        if (order != 0) {
            return order;
        }
    }
    return (a.len > 0) - (b.len > 0);
}

int cel_semver_compare(const struct cel_opaque *a, const struct cel_opaque *b)
{
    const struct semver *x = (const struct semver *)a;
    const struct semver *y = (const struct semver *)b;
    for (int i = 0; i < 3; i++) {
        if (x->numbers[i] != y->numbers[i]) {
            return x->numbers[i] < y->numbers[i] ? -1 : 1;
        }
    }
    return compare_pre(x->pre, y->pre);
}

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return cel_semver_compare(a, b) == 0;
}

const struct cel_opaque_type cel_semver_type = {{"kubernetes.Semver", 17}, same};

/* Dotted identifiers of letters, digits and dashes; numbers without leading zeros, unless of a
 * build. */
static bool are_identifiers(struct slice s, bool build)
{
    struct slice one;
    if (s.len == 0 || s.data[s.len - 1] == '.') {
        return false;
    }
    while (slice_split(&s, '.', &one)) {
        for (size_t i = 0; i < one.len; i++) {
            if (!isalnum((unsigned char)one.data[i]) && one.data[i] != '-') {
                return false;
            }
        }
        if (one.len == 0 || (!build && one.len > 1 && one.data[0] == '0' && is_number(one))) {
            return false;
        }
    }
    return true;
}

static bool parse_numbers(struct slice s, bool lenient, uint64_t numbers[3])
{
    int count = 0;
    struct slice one;
    bool dot = s.len > 0 && s.data[s.len - 1] == '.';
    while (count < 3 && slice_split(&s, '.', &one)) {
        bool padded = one.len > 1 && one.data[0] == '0';
        if (!is_number(one) || (padded && !lenient) || !slice_u64(one, &numbers[count])) {
            return false;
        }
        count++;
    }
    return !dot && s.len == 0 && (count == 3 || (lenient && count > 0));
}

static bool parse(struct slice s, bool lenient, struct semver *version)
{
    *version = (struct semver){.opaque = {&cel_semver_type}};
    if (lenient && slice_starts_with(s, SLICE("v"))) {
        s = slice_sub(s, 1, SIZE_MAX);
    }
    size_t plus = slice_find(s, SLICE("+"));
    if (plus != SIZE_MAX) {
        if (!are_identifiers(slice_sub(s, plus + 1, SIZE_MAX), true)) {
            return false;
        }
        s = slice_sub(s, 0, plus);
    }
    size_t dash = slice_find(s, SLICE("-"));
    if (dash != SIZE_MAX) {
        version->pre = slice_sub(s, dash + 1, SIZE_MAX);
        if (!are_identifiers(version->pre, false)) {
            return false;
        }
        s = slice_sub(s, 0, dash);
    }
    return parse_numbers(s, lenient, version->numbers);
}

static bool is_call(const struct cel_value *args, size_t count)
{
    return args[0].type == CEL_STRING && (count == 1 || args[1].type == CEL_BOOL);
}

CEL_FN(cel_fn_semver)
{
    if (!is_call(args, count)) {
        return cel_no_overload(ctx, "semver", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    struct semver *version = ARENA_NEW(ctx->arena, struct semver);
    bool good = parse(args[0].as.text, count > 1 && args[1].as.boolean, version);
    *out = cel_opaque(&version->opaque);
    return good || cel_fail(ctx, "semver(\"%.*s\"): it is no semantic version, like 1.2.3-rc.1",
                            SLICE_ARG(slice_sub(args[0].as.text, 0, 100)));
}

CEL_FN(cel_fn_is_semver)
{
    struct semver version;
    if (!is_call(args, count)) {
        return cel_no_overload(ctx, "isSemver", args, count);
    }
    if (!cel_charge_bytes(ctx, args[0].as.text.len)) {
        return false;
    }
    *out = cel_bool(parse(args[0].as.text, count > 1 && args[1].as.boolean, &version));
    return true;
}

static bool number(struct cel_ctx *ctx, const char *name, const struct cel_value *args, int which,
                   struct cel_value *out)
{
    if (!cel_is_opaque(args[0], &cel_semver_type)) {
        return cel_no_overload(ctx, name, args, 1);
    }
    *out = cel_int((int64_t)((const struct semver *)args[0].as.opaque)->numbers[which]);
    return true;
}

CEL_FN(cel_fn_semver_major)
{
    (void)count;
    return number(ctx, "major", args, 0, out);
}

CEL_FN(cel_fn_semver_minor)
{
    (void)count;
    return number(ctx, "minor", args, 1, out);
}

CEL_FN(cel_fn_semver_patch)
{
    (void)count;
    return number(ctx, "patch", args, 2, out);
}
