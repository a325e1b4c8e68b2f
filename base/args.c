/* args.c: options into variables, over getopt_long(). */
#include "base/args.h"

#include <assert.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/suggest.h"

enum { LONG_BASE = 256 };

bool args_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    struct slice s = slice_of(text);
    uint64_t total = 0;
    bool any = s.len > 0;
    while (s.len > 0) {
        size_t digits = strspn(s.data, "0123456789");
        uint64_t value;
        if (!slice_u64(slice_sub(s, 0, digits), &value)) {
            return false;
        }
        s = slice_sub(s, digits, SIZE_MAX);
        size_t i = 0;
        while (i < 4 && !slice_starts_with(s, slice_of(units[i].unit))) {
            i++;
        }
        if (i == 4 || __builtin_mul_overflow(value, units[i].ms, &value) ||
            __builtin_add_overflow(total, value, &total)) {
            return false;
        }
        s = slice_sub(s, strlen(units[i].unit), SIZE_MAX);
    }
    *ms = total;
    return any;
}

static int store_count(const struct args_option *o, const char *text, struct err *err)
{
    uint64_t value;
    if (!slice_u64(slice_of(text), &value) || value < o->least || value > o->most) {
        return err_set(err, ERR_INVALID, "--%s: must be a number from %u to %u, not \"%s\"",
                       o->name, o->least, o->most, text);
    }
    *(uint32_t *)o->value = (uint32_t)value;
    return 0;
}

static int store(const struct args_option *o, const char *text, struct err *err)
{
    struct args_list *list;
    switch (o->type) {
    case ARGS_FLAG:
        *(bool *)o->value = true;
        return 0;
    case ARGS_STRING:
    case ARGS_OPTIONAL:
        *(const char **)o->value = text != NULL ? text : "";
        return 0;
    case ARGS_COUNT:
        return store_count(o, text, err);
    case ARGS_DURATION:
        if (!args_duration(text, o->value)) {
            return err_set(err, ERR_INVALID,
                           "--%s: must be a duration such as 90s, 15m or 1h30m, not \"%s\"",
                           o->name, text);
        }
        return 0;
    case ARGS_LIST:
        list = o->value;
        if (list->count == ARGS_LIST_MAX) {
            return err_set(err, ERR_INVALID, "--%s: given more than %d times", o->name,
                           ARGS_LIST_MAX);
        }
        list->items[list->count++] = text;
        return 0;
    }
    assert(false);
    return 0;
}

static const struct args_option *option_of(int code, const struct args_option *options,
                                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code == LONG_BASE + (int)i || (options[i].letter != 0 && code == options[i].letter)) {
            return &options[i];
        }
    }
    return NULL;
}

/* The word that getopt did not take: it moves on behind the last letter of one alone. */
static const char *refused(int argc, char **argv)
{
    const char *last = argv[optind - 1];
    size_t len = strlen(last);
    bool inside = optopt != 0 && optopt < LONG_BASE && optind < argc &&
                  (len == 0 || last[len - 1] != (char)optopt);
    return inside ? argv[optind] : last;
}

/* The long option that is one edit away from the word; NULL: none. */
static const char *meant(struct slice word, const struct args_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (suggest_close(slice_of(options[i].name), word)) {
            return options[i].name;
        }
    }
    return NULL;
}

/* Options are words and letters: what begins otherwise was hardly meant to be one. */
static int fail_unknown(const char *word, const struct args_option *options, size_t count,
                        struct err *err)
{
    bool letter =
        word[1] == '-' || (word[1] >= 'a' && word[1] <= 'z') || (word[1] >= 'A' && word[1] <= 'Z');
    struct slice name = slice_of(word);
    if (slice_starts_with(name, SLICE("--"))) {
        name = slice_sub(name, 2, SIZE_MAX);
        name = slice_sub(name, 0, slice_find(name, SLICE("=")));
        const char *other = meant(name, options, count);
        if (other != NULL) {
            return err_set(err, ERR_INVALID, "%s: unknown option; did you mean --%s?", word, other);
        }
    }
    return err_set(err, ERR_INVALID, "%s: unknown option%s", word,
                   word[0] != '-' || letter ? "" : "; what is none goes behind --");
}

static int keep_rest(int argc, char **argv, struct args_list *args, struct err *err)
{
    for (int i = optind; i < argc; i++) {
        if (args->count == ARGS_LIST_MAX) {
            return err_set(err, ERR_INVALID, "more than %d arguments", ARGS_LIST_MAX);
        }
        args->items[args->count++] = argv[i];
    }
    return 0;
}

int args_parse(int argc, char **argv, const struct args_option *options, size_t option_count,
               struct args_list *args, bool *help, struct err *err)
{
    static const int has_value[] = {
        [ARGS_FLAG] = no_argument,        [ARGS_STRING] = required_argument,
        [ARGS_COUNT] = required_argument, [ARGS_DURATION] = required_argument,
        [ARGS_LIST] = required_argument,  [ARGS_OPTIONAL] = optional_argument};
    assert(option_count <= ARGS_OPTIONS_MAX);
    struct option longs[ARGS_OPTIONS_MAX + 2] = {{0}};
    char letters[3 * ARGS_OPTIONS_MAX + 4] = ":h";
    size_t letter_len = 2;
    for (size_t i = 0; i < option_count; i++) {
        int takes = has_value[options[i].type];
        longs[i] = (struct option){options[i].name, takes, NULL, LONG_BASE + (int)i};
        if (options[i].letter != 0) {
            letters[letter_len++] = options[i].letter;
            for (int colons = 0; colons < takes; colons++) {
                letters[letter_len++] = ':';
            }
        }
    }
    longs[option_count] = (struct option){"help", no_argument, NULL, 'h'};
    *args = (struct args_list){0};
    *help = false;
    optind = 0; /* glibc: start afresh */
    int code;
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct args_option *o = option_of(code, options, option_count);
        if (code == 'h' && o == NULL) {
            *help = true;
            return 0;
        }
        if (o == NULL && code == ':') {
            return err_set(err, ERR_INVALID, "%s: wants a value", argv[optind - 1]);
        }
        if (o == NULL) {
            return fail_unknown(refused(argc, argv), options, option_count, err);
        }
        bool joined = code < LONG_BASE && optarg != NULL && optarg != argv[optind - 1];
        int rc = store(o, joined && *optarg == '=' ? optarg + 1 : optarg, err);
        if (rc != 0) {
            return rc;
        }
    }
    return keep_rest(argc, argv, args, err);
}
