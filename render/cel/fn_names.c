/* fn_names.c: the formats that Kubernetes has names for: format.dns1123Label().validate(text) is an
 * optional list of what is wrong with it, none where nothing is. */
#include "render/cel/kubernetes.h"

#include "proto/schema.h"

struct format {
    struct cel_opaque opaque;
    struct slice name;
    enum schema_format format;
    bool prefix; /* of a generated name: may end in a dash */
};

static bool same(const struct cel_opaque *a, const struct cel_opaque *b)
{
    return slice_eq(((const struct format *)a)->name, ((const struct format *)b)->name);
}

static const struct cel_opaque_type format_type = {{"kubernetes.NamedFormat", 22}, same};

enum {
    DNS_LABEL,
    DNS_NAME,
    DNS_1035,
    QUALIFIED,
    DNS_LABEL_P,
    DNS_NAME_P,
    DNS_1035_P,
    LABEL_VALUE,
    URI,
    UUID,
    BYTE,
    DATE,
    DATETIME,
    FORMATS
};

#define FORMAT(name, format, prefix)                                                               \
    {                                                                                              \
        {&format_type}, {name, sizeof(name) - 1}, format, prefix                                   \
    }

static const struct format formats[FORMATS] = {
    [DNS_LABEL] = FORMAT("dns1123Label", SCHEMA_FORMAT_DNS_LABEL, false),
    [DNS_NAME] = FORMAT("dns1123Subdomain", SCHEMA_FORMAT_DNS_NAME, false),
    [DNS_1035] = FORMAT("dns1035Label", SCHEMA_FORMAT_DNS_1035, false),
    [QUALIFIED] = FORMAT("qualifiedName", SCHEMA_FORMAT_LABEL_KEY, false),
    [DNS_LABEL_P] = FORMAT("dns1123LabelPrefix", SCHEMA_FORMAT_DNS_LABEL, true),
    [DNS_NAME_P] = FORMAT("dns1123SubdomainPrefix", SCHEMA_FORMAT_DNS_NAME, true),
    [DNS_1035_P] = FORMAT("dns1035LabelPrefix", SCHEMA_FORMAT_DNS_1035, true),
    [LABEL_VALUE] = FORMAT("labelValue", SCHEMA_FORMAT_LABEL_VALUE, false),
    [URI] = FORMAT("uri", SCHEMA_FORMAT_URI_REFERENCE, false),
    [UUID] = FORMAT("uuid", SCHEMA_FORMAT_UUID, false),
    [BYTE] = FORMAT("byte", SCHEMA_FORMAT_BYTE, false),
    [DATE] = FORMAT("date", SCHEMA_FORMAT_DATE, false),
    [DATETIME] = FORMAT("datetime", SCHEMA_FORMAT_DATE_TIME, false),
};

CEL_FN(cel_fn_format_named)
{
    if (args[0].type != CEL_STRING) {
        return cel_no_overload(ctx, "format.named", args, count);
    }
    *out = cel_optional(ctx->arena, NULL);
    for (size_t i = 0; i < FORMATS; i++) {
        if (slice_eq(args[0].as.text, formats[i].name)) {
            struct cel_value found = cel_opaque(&formats[i].opaque);
            *out = cel_optional(ctx->arena, &found);
        }
    }
    return true;
}

CEL_FN(cel_fn_format_validate)
{
    if (!cel_is_opaque(args[0], &format_type) || args[1].type != CEL_STRING) {
        return cel_no_overload(ctx, "validate", args, count);
    }
    const struct format *f = (const struct format *)args[0].as.opaque;
    struct slice text = args[1].as.text;
    if (f->prefix && slice_ends_with(text, SLICE("-"))) {
        char *ended = arena_cstr(ctx->arena, text);
        ended[text.len - 1] = 'a'; /* a random suffix follows */
        text = slice_make(ended, text.len);
    }
    const char *why = schema_format_rule(f->format, text);
    if (why == NULL) {
        *out = cel_optional(ctx->arena, NULL);
    } else {
        struct cel_value *item = ARENA_NEW(ctx->arena, struct cel_value);
        *item = cel_string(slice_of(why));
        struct cel_value list = cel_list_of(ctx->arena, item, 1);
        *out = cel_optional(ctx->arena, &list);
    }
    return cel_charge_bytes(ctx, text.len);
}

#define FORMAT_FN(name, which)                                                                     \
    CEL_FN(name)                                                                                   \
    {                                                                                              \
        (void)ctx;                                                                                 \
        (void)args;                                                                                \
        (void)count;                                                                               \
        *out = cel_opaque(&formats[which].opaque);                                                 \
        return true;                                                                               \
    }

FORMAT_FN(cel_fn_format_dns_label, DNS_LABEL)
FORMAT_FN(cel_fn_format_dns_name, DNS_NAME)
FORMAT_FN(cel_fn_format_dns_1035, DNS_1035)
FORMAT_FN(cel_fn_format_qualified_name, QUALIFIED)
FORMAT_FN(cel_fn_format_dns_label_prefix, DNS_LABEL_P)
FORMAT_FN(cel_fn_format_dns_name_prefix, DNS_NAME_P)
FORMAT_FN(cel_fn_format_dns_1035_prefix, DNS_1035_P)
FORMAT_FN(cel_fn_format_label_value, LABEL_VALUE)
FORMAT_FN(cel_fn_format_uri, URI)
FORMAT_FN(cel_fn_format_uuid, UUID)
FORMAT_FN(cel_fn_format_byte, BYTE)
FORMAT_FN(cel_fn_format_date, DATE)
FORMAT_FN(cel_fn_format_datetime, DATETIME)
