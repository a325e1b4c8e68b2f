/* Formats and patterns of strings (see schema.h and schema_internal.h).
 *
 * A pattern is compiled once, by whoever needs it first; two threads that race both compile, one
 * result wins and the other is freed. Matching has a step limit, so that no pattern and text can
 * hold a loop up. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "proto/cron.h"
#include "proto/schema_internal.h"

enum { MATCH_LIMIT = 200000, MATCH_HEAP_KIB = 4096, TIME_MAX_BYTES = 64 };

#define PATTERN_OPTIONS (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C)

static pcre2_code *compiled(struct schema_pattern *pattern)
{
    pcre2_code *code = atomic_load(&pattern->code);
    if (code != NULL) {
        return code;
    }
    int number = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile((PCRE2_SPTR)pattern->text.data, pattern->text.len, PATTERN_OPTIONS,
                         &number, &offset, NULL);
    void *expected = NULL;
    if (code != NULL && !atomic_compare_exchange_strong(&pattern->code, &expected, code)) {
        pcre2_code_free(code);
        code = expected;
    }
    return code;
}

bool schema__pattern_check(struct slice text, struct err *err)
{
    int number = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)(text.data != NULL ? text.data : ""), text.len,
                                     PATTERN_OPTIONS, &number, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR why[128] = "";
        (void)pcre2_get_error_message(number, why, sizeof(why));
        (void)err_set(err, ERR_UNPROCESSABLE, "column %zu: %s", offset + 1, (const char *)why);
    }
    pcre2_code_free(code);
    return code != NULL;
}

void schema__pattern_free(void *pattern)
{
    struct schema_pattern *p = pattern;
    pcre2_code_free(atomic_load(&p->code));
}

bool schema__matches(struct schema_pattern *pattern, struct slice text)
{
    pcre2_code *code = compiled(pattern);
    if (code == NULL) {
        return false;
    }
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    int rc = PCRE2_ERROR_NOMEMORY;
    if (data != NULL && context != NULL) {
        (void)pcre2_set_match_limit(context, MATCH_LIMIT);
        (void)pcre2_set_heap_limit(context, MATCH_HEAP_KIB);
        rc = pcre2_match(code, (PCRE2_SPTR)(text.data != NULL ? text.data : ""), text.len, 0, 0,
                         data, context);
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return rc >= 0;
}

static const char *date_time(struct slice text)
{
    static const char rule[] = "must be a date and time as RFC 3339 states it, like "
                               "2026-01-02T03:04:05Z";
    char copy[TIME_MAX_BYTES];
    uint64_t ms = 0;
    if (text.len >= sizeof(copy)) {
        return rule;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return clock_parse_rfc3339(copy, &ms) == 0 ? NULL : rule;
}

static const char *base64(struct slice text)
{
    struct buf decoded = {0};
    bool good = base64_decode(&decoded, text);
    buf_free(&decoded);
    return good ? NULL : "must be base64";
}

static const char *only(struct slice text, const char *more, bool digit_first, const char *rule)
{
    bool good =
        text.len > 0 && text.len <= 253 && (digit_first || !isdigit((unsigned char)text.data[0]));
    for (size_t i = 0; good && i < text.len; i++) {
        good = isalnum((unsigned char)text.data[i]) ||
               (text.data[i] != '\0' && strchr(more, text.data[i]) != NULL);
    }
    if (slice_eq_cstr(text, ".") || slice_starts_with(text, SLICE(".."))) { /* a kubelet's own */
        return "must not be '.' or start with '..'";
    }
    return good ? NULL : rule;
}

static const char *uri(struct slice text)
{
    size_t scheme = slice_find(text, SLICE("://"));
    bool good = scheme != SIZE_MAX && scheme > 0 && scheme + 3 < text.len;
    for (size_t i = 0; good && i < text.len; i++) {
        good = (unsigned char)text.data[i] > 0x20 && text.data[i] != 0x7f;
    }
    return good ? NULL : "must be a URL, like https://example.com";
}

static bool is_address(int family, struct slice text)
{
    char copy[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, &address) == 1;
}

static bool is_cidr(struct slice text)
{
    uint64_t bits = 0;
    size_t slash = slice_find(text, SLICE("/"));
    if (slash == SIZE_MAX || !slice_u64(slice_sub(text, slash + 1, SIZE_MAX), &bits)) {
        return false;
    }
    struct slice address = slice_sub(text, 0, slash);
    return (bits <= 32 && is_address(AF_INET, address)) ||
           (bits <= 128 && is_address(AF_INET6, address));
}

/* Every '#' of the mask stands for a digit, every '*' for a hexadecimal one. */
static bool is_masked(struct slice text, const char *mask)
{
    size_t len = strlen(mask);
    for (size_t i = 0; i < len && text.len == len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool good = mask[i] == '#' ? isdigit(c) : mask[i] == '*' ? isxdigit(c) : c == mask[i];
        if (!good) {
            return false;
        }
    }
    return text.len == len;
}

static bool is_email(struct slice text)
{
    size_t at = slice_find(text, SLICE("@"));
    return at != SIZE_MAX && at > 0 && at + 1 < text.len &&
           slice_find(text, SLICE(" ")) == SIZE_MAX;
}

static const char *network(enum schema_format format, struct slice text)
{
    if (format == SCHEMA_FORMAT_IPV4) {
        return is_address(AF_INET, text) ? NULL : "must be an IPv4 address, like 10.0.0.1";
    }
    if (format == SCHEMA_FORMAT_IPV6) {
        return is_address(AF_INET6, text) ? NULL : "must be an IPv6 address, like fd00::1";
    }
    if (format == SCHEMA_FORMAT_CIDR) {
        return is_cidr(text) ? NULL : "must be a range of addresses, like 10.0.0.0/8";
    }
    return is_masked(text, "**:**:**:**:**:**") || is_masked(text, "**-**-**-**-**-**")
               ? NULL
               : "must be a MAC address, like 00:11:22:33:44:55";
}

static const char *uri_reference(struct slice text)
{
    size_t colon = slice_find(text, SLICE(":"));
    bool good = text.len > 0 && (text.data[0] == '/' || (colon != SIZE_MAX && colon > 0));
    for (size_t i = 0; good && i < text.len; i++) {
        good = (unsigned char)text.data[i] > 0x20 && text.data[i] != 0x7f;
    }
    return good ? NULL : "must be a URL, like https://example.com, or a path from the root";
}

static const char *path_segment(struct slice text)
{
    bool good = text.len > 0 && text.len <= 253 && !slice_eq_cstr(text, ".") &&
                !slice_eq_cstr(text, "..") && slice_find(text, SLICE("/")) == SIZE_MAX &&
                slice_find(text, SLICE("%")) == SIZE_MAX;
    return good ? NULL : "may not be '.', '..', or contain '/' or '%'";
}

/* Kubernetes' clients parse it with exactly six decimals, and fail on everything that holds
 * another.
 */
static const char *micro_time(struct slice text)
{
    const char *wrong = date_time(text);
    struct slice rest = slice_sub(text, 19, SIZE_MAX);
    bool six = rest.len > 7 && rest.data[0] == '.' && !isdigit((unsigned char)rest.data[7]);
    for (size_t i = 1; six && i <= 6; i++) {
        six = isdigit((unsigned char)rest.data[i]);
    }
    return wrong != NULL || six ? wrong
                                : "must have microseconds, like 2006-01-02T15:04:05.000000Z";
}

const char *schema_format_rule(enum schema_format format, struct slice text)
{
    int64_t number = 0;
    switch (format) {
    case SCHEMA_FORMAT_DATE_TIME:
        return date_time(text);
    case SCHEMA_FORMAT_MICRO_TIME:
        return micro_time(text);
    case SCHEMA_FORMAT_DURATION:
        return schema_duration_ms(text, &number) ? NULL : "must be a duration, like 1h30m or 15s";
    case SCHEMA_FORMAT_QUANTITY:
        return schema_quantity_milli(text, &number)
                   ? NULL
                   : "quantities must match the regular expression "
                     "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    case SCHEMA_FORMAT_BYTE:
        return base64(text);
    case SCHEMA_FORMAT_DNS_LABEL:
        return schema_dns_label(text);
    case SCHEMA_FORMAT_DNS_1035:
        return schema_dns_1035(text);
    case SCHEMA_FORMAT_DNS_NAME:
        return schema_dns_name(text);
    case SCHEMA_FORMAT_ENV_NAME:
        return only(text, "-._", false,
                    "must consist of letters, digits, '_', '-' or '.', and not start with a digit "
                    "(e.g. 'my.env-name', or 'MY_ENV.NAME')");
    case SCHEMA_FORMAT_CONFIG_KEY:
        return only(text, "-._", true, "must consist of letters, digits, '-', '_' or '.'");
    case SCHEMA_FORMAT_LABEL_KEY:
        return schema_label_key(text);
    case SCHEMA_FORMAT_LABEL_VALUE:
        return schema_label_value(text);
    case SCHEMA_FORMAT_URI:
        return uri(text);
    case SCHEMA_FORMAT_PATH_SEGMENT:
        return path_segment(text);
    case SCHEMA_FORMAT_DATE:
        return is_masked(text, "####-##-##") ? NULL : "must be a date, like 2026-01-02";
    case SCHEMA_FORMAT_EMAIL:
        return is_email(text) ? NULL : "must be an e-mail address, like me@example.com";
    case SCHEMA_FORMAT_HOSTNAME:
        return schema_dns_name(text);
    case SCHEMA_FORMAT_UUID:
        return is_masked(text, "********-****-****-****-************")
                   ? NULL
                   : "must be a UUID, like 123e4567-e89b-42d3-a456-426614174000";
    case SCHEMA_FORMAT_URI_REFERENCE:
        return uri_reference(text);
    case SCHEMA_FORMAT_IPV4:
    case SCHEMA_FORMAT_IPV6:
    case SCHEMA_FORMAT_CIDR:
    case SCHEMA_FORMAT_MAC:
        return network(format, text);
    case SCHEMA_FORMAT_CRON:
        return cron_valid(text) ? NULL : CRON_RULE;
    case SCHEMA_FORMAT_NONE:
    case SCHEMA_FORMAT_INT32:
    case SCHEMA_FORMAT_INT64:
    case SCHEMA_FORMAT_DOUBLE:
        return NULL;
    }
    return NULL;
}
