/* The table of time zones, written at build time from the machine's zone files:
 *
 *     choreo-zones /usr/share/zoneinfo zones.c
 *
 * Reads every TZif file (RFC 9636, its 64-bit block) below the folder, keeps the instants at which
 * the offset changes, drops those at the end that the file's own rule gives anyway, and writes
 * zones that are then the same once. Names of the machine (localtime) and leap seconds' own copies
 * (posix, right) are left out. Ends with 1, and a message, on anything that it does not understand:
 * a table that is wrong is worse than none. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "render/cel/zone.h"
#include "render/cel/zone_rule.h"

enum { FILE_MAX_BYTES = 512 * 1024, NAMES_MAX = 2000, CHANGES_MAX = 2000, HEADER = 44 };
enum { DAY_S = 86400, SPAN_MAX_S = 400 * DAY_S }; /* a rule's changes are closer than that */

struct change {
    int64_t at;
    int32_t offset;
};

struct zone {
    int32_t offset;
    size_t count;
    struct change *changes;
    const char *rule;
};

struct name {
    const char *text;
    size_t zone;
};

static struct {
    struct arena arena;
    size_t root_len;
    struct name names[NAMES_MAX];
    size_t name_count;
    struct zone zones[NAMES_MAX];
    size_t zone_count;
} all;

static void fail(const char *path, const char *why)
{
    (void)fprintf(stderr, "choreo-zones: %s: %s\n", path, why);
    exit(1);
}

/* One block's counts, in the order of the header. */
struct counts {
    uint32_t is_ut, is_std, leaps, times, types, chars;
};

static struct counts counts_of(const char *header)
{
    uint32_t n[6];
    for (int i = 0; i < 6; i++) {
        n[i] = be32_get(header + 20 + 4 * i);
    }
    return (struct counts){n[0], n[1], n[2], n[3], n[4], n[5]};
}

static size_t block_bytes(struct counts n, size_t time_bytes)
{
    return n.times * time_bytes + n.times + n.types * 6 + n.chars + n.leaps * (time_bytes + 4) +
           n.is_std + n.is_ut;
}

/* The 64-bit block behind the 32-bit one, and the rule in lines of its own behind that. */
static struct zone read_zone(const char *path, struct slice file)
{
    struct zone z = {0};
    if (file.len < HEADER || file.data[4] < '2') {
        fail(path, "no TZif file of version 2 or later");
    }
    size_t at = HEADER + block_bytes(counts_of(file.data), 4);
    if (file.len < at + HEADER) {
        fail(path, "cut short");
    }
    struct counts n = counts_of(file.data + at);
    const char *times = file.data + at + HEADER;
    const unsigned char *kinds = (const unsigned char *)times + (size_t)n.times * 8;
    const char *types = (const char *)kinds + n.times;
    at += HEADER + block_bytes(n, 8);
    if (file.len < at + 2 || n.types == 0 || n.leaps != 0) {
        fail(path, "cut short, or with leap seconds");
    }
    z.offset = (int32_t)be32_get(types);
    z.changes = arena_alloc(&all.arena, (n.times + 1) * sizeof(*z.changes));
    int32_t now = z.offset;
    for (uint32_t i = 0; i < n.times; i++) {
        int32_t next = (int32_t)be32_get(types + (size_t)kinds[i] * 6);
        if (next != now) {
            z.changes[z.count++] = (struct change){(int64_t)be64_get(times + (size_t)i * 8), next};
        }
        now = next;
    }
    z.rule = arena_cstr(&all.arena, slice_trim(slice_sub(file, at, SIZE_MAX)));
    return z;
}

static int32_t rule_at(const char *path, const struct zone *z, int64_t at)
{
    int32_t offset = 0;
    if (!zone_rule_offset(z->rule, at, &offset)) {
        fail(path, "its rule is none");
    }
    return offset;
}

/* Whether the rule gives the last change, and nothing else since the one before it. */
static bool is_implied(const char *path, const struct zone *z)
{
    const struct change *last = &z->changes[z->count - 1];
    const struct change *before = last - 1;
    if (last->at - before->at > SPAN_MAX_S || rule_at(path, z, last->at) != last->offset ||
        rule_at(path, z, last->at - 1) != before->offset) {
        return false;
    }
    for (int64_t at = before->at; at < last->at; at += DAY_S) {
        if (rule_at(path, z, at) != before->offset) {
            return false;
        }
    }
    return true;
}

/* Drops changes at the end that the rule gives, too. */
static void trim(const char *path, struct zone *z)
{
    (void)rule_at(path, z, 0);
    while (z->count > 1 && is_implied(path, z)) {
        z->count--;
    }
}

static bool same(const struct zone *a, const struct zone *b)
{
    if (a->offset != b->offset || a->count != b->count || strcmp(a->rule, b->rule) != 0) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->changes[i].at != b->changes[i].at || a->changes[i].offset != b->changes[i].offset) {
            return false;
        }
    }
    return true;
}

static bool is_left_out(const char *name)
{
    static const char *const out[] = {"posix/", "right/", "localtime", "posixrules", "Factory"};
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        if (strncmp(name, out[i], strlen(out[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int add_name(const char *path, const struct stat *info, int type, struct FTW *where)
{
    const char *name = path + all.root_len + 1;
    (void)info;
    (void)where;
    if ((type == FTW_F || type == FTW_SL) && !is_left_out(name)) {
        if (all.name_count == NAMES_MAX) {
            fail(path, "too many files");
        }
        all.names[all.name_count++].text = arena_cstr(&all.arena, slice_of(name));
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct name *x = a;
    const struct name *y = b;
    return strcmp(x->text, y->text);
}

/* The zone of a name, a new one or one that another name has; false if the file holds none. */
static bool add_zone(const char *root, struct name *name)
{
    const char *path = arena_printf(&all.arena, "%s/%s", root, name->text);
    struct buf text = {0};
    struct err err;
    if (file_read(path, FILE_MAX_BYTES, &text, &err) != 0) {
        fail(path, err.message);
    }
    bool is = slice_starts_with(buf_slice(&text), SLICE("TZif"));
    if (is) {
        struct zone z = read_zone(path, buf_slice(&text));
        size_t i = 0;
        trim(path, &z);
        while (i < all.zone_count && !same(&all.zones[i], &z)) {
            i++;
        }
        all.zones[i] = z;
        all.zone_count += i == all.zone_count ? 1 : 0;
        name->zone = i;
    }
    buf_free(&text);
    return is;
}

/* Texts of a table, each once: where one begins. */
static size_t place_of(struct buf *texts, const char *text)
{
    size_t len = strlen(text) + 1;
    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1) {
        if (strcmp(texts->data + at, text) == 0) {
            return at;
        }
    }
    buf_add(texts, slice_make(text, len));
    return texts->len - len;
}

static void write_texts(const char *name, const struct buf *texts)
{
    (void)printf("const char %s[] =", name);
    for (size_t at = 0; at < texts->len; at += strlen(texts->data + at) + 1) {
        (void)printf("\n    \"%s\\0\"", texts->data + at);
    }
    (void)printf(";\n");
}

static void write_zones(void)
{
    struct buf rules = {0};
    size_t first = 0;
    (void)printf("const int64_t zone_changes[] = {\n");
    for (size_t i = 0; i < all.zone_count; i++) {
        const struct zone *z = &all.zones[i];
        for (size_t k = 0; k < z->count; k++) {
            int64_t packed = z->changes[k].at * (1 << ZONE_OFFSET_BITS) + z->changes[k].offset +
                             ZONE_OFFSET_BIAS;
            (void)printf("    %lld,\n", (long long)packed);
        }
    }
    (void)printf("    0};\nconst struct zone_row zone_rows[] = {\n");
    for (size_t i = 0; i < all.zone_count; i++) {
        const struct zone *z = &all.zones[i];
        (void)printf("    {%zu, %zu, %zu, %d},\n", first, z->count, place_of(&rules, z->rule),
                     (int)z->offset);
        first += z->count;
    }
    (void)printf("};\n");
    write_texts("zone_rules", &rules);
    buf_free(&rules);
}

static void write_names(void)
{
    struct buf names = {0};
    (void)printf("const uint16_t zone_name_at[] = {\n");
    for (size_t i = 0; i < all.name_count; i++) {
        (void)printf("    %zu,\n", names.len);
        buf_add(&names, slice_make(all.names[i].text, strlen(all.names[i].text) + 1));
    }
    (void)printf("};\nconst uint16_t zone_name_row[] = {\n");
    for (size_t i = 0; i < all.name_count; i++) {
        (void)printf("    %zu,\n", all.names[i].zone);
    }
    (void)printf("};\nconst size_t zone_name_count = %zu;\n", all.name_count);
    write_texts("zone_names", &names);
    buf_free(&names);
}

int main(int argc, char **argv)
{
    size_t kept = 0;
    if (argc != 3) {
        (void)fprintf(stderr, "choreo-zones FOLDER FILE.c\n");
        return 2;
    }
    all.root_len = strlen(argv[1]);
    if (nftw(argv[1], add_name, 16, FTW_PHYS) != 0 || all.name_count == 0) {
        fail(argv[1], "no time zones are there (Debian's package: tzdata)");
    }
    qsort(all.names, all.name_count, sizeof(all.names[0]), by_text);
    for (size_t i = 0; i < all.name_count; i++) {
        if (add_zone(argv[1], &all.names[i])) {
            all.names[kept++] = all.names[i];
        }
    }
    all.name_count = kept;
    if (freopen(argv[2], "w", stdout) == NULL) {
        fail(argv[2], "cannot be written");
    }
    (void)printf("/* Made by choreo-zones: %zu names of %zu zones. */\n"
                 "#include \"render/cel/zone.h\"\n\n",
                 all.name_count, all.zone_count);
    write_zones();
    write_names();
    arena_free(&all.arena);
    return fflush(stdout) != 0;
}
