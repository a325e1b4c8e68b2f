/* schema.h: the shape and rules of a value, and what follows from them.
 *
 * The tables of built-in kinds are generated from proto/choreo/v1 and proto/k8s (by proto/gen);
 * those of custom kinds are built at run time (schema_build.h). One table serves validation,
 * defaulting, server-side apply (list and map types), OpenAPI, and protobuf conversion. Kubernetes'
 * structural schemas, no more.
 * Owner:  static, or an arena.
 * Thread: any; immutable (a pattern compiles itself once, atomically). */
#ifndef PROTO_SCHEMA_H
#define PROTO_SCHEMA_H

#include "base/json.h"
#include "proto/cause.h"
#include "proto/expressions.h"

enum schema_type {
    SCHEMA_ANY, /* free-form JSON */
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_STRING,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_BOOLEAN,
    SCHEMA_INT_OR_STRING, /* Quantity is one, with SCHEMA_FORMAT_QUANTITY */
};

enum schema_format {
    SCHEMA_FORMAT_NONE,
    SCHEMA_FORMAT_INT32,
    SCHEMA_FORMAT_INT64,
    SCHEMA_FORMAT_DOUBLE,
    SCHEMA_FORMAT_DATE_TIME,  /* RFC 3339 */
    SCHEMA_FORMAT_MICRO_TIME, /* RFC 3339 with six decimals */
    SCHEMA_FORMAT_DURATION,   /* "1h30m", "15s" */
    SCHEMA_FORMAT_QUANTITY,   /* "500Mi", "100m", 2 */
    SCHEMA_FORMAT_BYTE,       /* base64 */
    SCHEMA_FORMAT_DNS_LABEL,  /* RFC 1123 label */
    SCHEMA_FORMAT_DNS_1035,   /* RFC 1035 label */
    SCHEMA_FORMAT_DNS_NAME,   /* RFC 1123 subdomain */
    SCHEMA_FORMAT_ENV_NAME,   /* C identifier, dots and dashes allowed */
    SCHEMA_FORMAT_CONFIG_KEY, /* [-._a-zA-Z0-9]+, but "." and what begins with ".." */
    SCHEMA_FORMAT_LABEL_KEY,  /* [prefix/]name */
    SCHEMA_FORMAT_LABEL_VALUE,
    SCHEMA_FORMAT_URI,
    SCHEMA_FORMAT_PATH_SEGMENT, /* anything that can stand in a path: names of RBAC objects */
    SCHEMA_FORMAT_DATE,         /* 2026-01-02 */
    SCHEMA_FORMAT_EMAIL,
    SCHEMA_FORMAT_HOSTNAME,
    SCHEMA_FORMAT_IPV4,
    SCHEMA_FORMAT_IPV6,
    SCHEMA_FORMAT_CIDR,
    SCHEMA_FORMAT_MAC,
    SCHEMA_FORMAT_UUID,
    SCHEMA_FORMAT_URI_REFERENCE, /* a URL, or a path that begins with '/' */
    SCHEMA_FORMAT_CRON,          /* cron.h */
};

enum { SCHEMA_CHECK_MS = 500, SCHEMA_RULES_BUDGET = 5 * 1000 * 1000 };

enum schema_list { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };

/* How a value travels in protobuf; maps and lists are the field's affair (array, values). */
enum schema_wire {
    SCHEMA_WIRE_NONE, /* no protobuf form */
    SCHEMA_WIRE_BOOL,
    SCHEMA_WIRE_INT32,
    SCHEMA_WIRE_INT64,
    SCHEMA_WIRE_UINT32,
    SCHEMA_WIRE_UINT64,
    SCHEMA_WIRE_DOUBLE,
    SCHEMA_WIRE_FLOAT,
    SCHEMA_WIRE_STRING,
    SCHEMA_WIRE_BYTES, /* base64 in JSON */
    SCHEMA_WIRE_MESSAGE,
    SCHEMA_WIRE_QUANTITY,
    SCHEMA_WIRE_INT_OR_STRING,
    SCHEMA_WIRE_TIME,
    SCHEMA_WIRE_MICRO_TIME,
    SCHEMA_WIRE_STRUCT, /* google.protobuf.Struct, Value, ListValue */
    SCHEMA_WIRE_VALUE,
    SCHEMA_WIRE_LIST_VALUE,
    SCHEMA_WIRE_RAW_JSON, /* meta/v1 FieldsV1 */
    SCHEMA_WIRE_TEXTS,    /* a message of texts that JSON shows as their list */
};

struct schema_pattern {
    struct slice text;
    _Atomic(void *) code; /* private: compiled at first use */
};

/* x-kubernetes-validations: an expression over self, and oldSelf, that must be true. */
struct schema_rule {
    struct slice rule;
    struct slice message;         /* empty: the rule itself is shown */
    struct slice field;           /* below the value: where the cause is said to be */
    enum cause_kind kind;         /* of the cause */
    bool transition;              /* names oldSelf: holds for changes only, ... */
    bool optional_old;            /* ... unless oldSelf is an optional */
    const struct expressions *by; /* NULL: nobody can evaluate it */
    const struct expression *code;
    const struct expression *message_code; /* NULL: none */
};

/* What only schemas of custom kinds have. */
struct schema_more {
    bool exclusive_min, exclusive_max;
    double multiple_of; /* 0: any */
    const struct slice
        *values; /* enum's, as sorted canonical JSON; schema.enums has them as shown */
    size_t value_count;
    const struct schema *all_of; /* arrays: value validations alone */
    const struct schema *any_of;
    const struct schema *one_of;
    size_t all_of_count, any_of_count, one_of_count;
    const struct schema *not_of;
    const struct schema_rule *rules;
    size_t rule_count;
};

struct schema {
    struct slice name; /* of a message: "dev.choreo.v1.ComponentSpec"; empty: anonymous */
    struct slice doc;
    enum schema_type type;
    enum schema_format format;
    enum schema_wire wire;
    /* SCHEMA_OBJECT */
    const struct schema_field *fields; /* sorted by name, bytewise */
    size_t field_count;
    const struct schema *values; /* any further member is one of these (a map); NULL: none */
    bool preserve_unknown;       /* further members are kept as they are */
    bool atomic_map;             /* map-type atomic */
    /* SCHEMA_ARRAY */
    const struct schema *items;
    enum schema_list list;
    const struct slice *map_keys; /* SCHEMA_LIST_MAP; sorted */
    size_t map_key_count;
    /* rules; a limit holds if its has_ flag or, for counts, its value is not 0 */
    bool has_min, has_max, has_max_len;
    bool nullable;
    bool embedded; /* x-kubernetes-embedded-resource */
    double min, max;
    uint32_t min_len, max_len; /* characters, items, or members, by type */
    struct schema_pattern *pattern;
    const struct slice *enums; /* texts; with `more`, canonical JSON of any type */
    size_t enum_count;
    const struct schema_more *more; /* NULL: none */
    bool has_rules;                 /* expressions, here or below */
    bool converts; /* here or below, expressions see a value otherwise than JSON says it */
};

struct schema_field {
    struct slice name; /* NUL-terminated too */
    struct slice doc;
    const struct schema *schema;
    struct slice default_json; /* canonical JSON; empty: none */
    uint32_t number;           /* in protobuf; 0: none */
    uint16_t within;           /* protobuf has it in the message of this number; 0: here */
    bool required : 1;
    bool immutable : 1;     /* may be set, never changed or removed */
    bool explicit_zero : 1; /* in Kubernetes' protobuf absent and zero differ */
};

/* NULL if it has no such member of its own. */
const struct schema_field *schema_field(const struct schema *schema, struct slice name);
/* The schema of a member: its field's, else the map's value; NULL: unknown. Takes NULL. */
const struct schema *schema_member(const struct schema *schema, struct slice name);

/* Fills in defaults, in objects that are present (as Kubernetes does: none are created for them
 * unless the object itself has a default). Stops where they have become more than any object may
 * hold. */
void schema_default(const struct schema *schema, json_t *value);

/* Removes members that the schema does not know and nulls that it does not allow, and names the
 * unknown ones: "spec.x". unknown may be NULL. */
void schema_prune(const struct schema *schema, json_t *value, struct causes *unknown);

/* Members that the schema does not know and that are one edit away from one that it does, and that
 * is not there: of others it may be that whoever takes the value knows them. */
void schema_misspelt(const struct schema *schema, const json_t *value, struct causes *causes);

/* Every broken rule, with its path below `path` ("" for the root). Unknown members are ignored;
 * false if there are any. old is what it was (NULL: it is new): what broke a rule before and did
 * not change is no cause, so that objects survive a schema that becomes stricter (Kubernetes'
 * ratcheting). Items of lists that are no map lists have no identity and change with their list.
 * Values that take longer than SCHEMA_CHECK_MS to check are refused. */
bool schema_validate(const struct schema *schema, const json_t *value, const json_t *old,
                     struct slice path, struct causes *causes);
/* The rules that are expressions, of a value that is otherwise valid. old as above; rules that
 * speak of it hold for what did not change, too. They may cost SCHEMA_RULES_BUDGET together. */
void schema_validate_rules(const struct schema *schema, const json_t *value, const json_t *old,
                           struct slice path, struct causes *causes);
/* Every immutable field that differs. */
void schema_validate_change(const struct schema *schema, const json_t *before, const json_t *after,
                            struct slice path, struct causes *causes);

/* NULL if the text has the format, else the rule in a sentence. */
const char *schema_format_rule(enum schema_format format, struct slice text);

/* Names, as Kubernetes states them. Each returns NULL if s is one, else the rule in a sentence. */
const char *schema_dns_label(struct slice s);
const char *schema_dns_1035(struct slice s);
const char *schema_dns_name(struct slice s);
const char *schema_label_key(struct slice s);
const char *schema_annotation_key(struct slice s); /* a label's, in any case */
const char *schema_label_value(struct slice s);
const char *schema_port_name(struct slice s); /* IANA_SVC_NAME */

/* In thousand-millionths, which is as small as a quantity may be. */
__extension__ typedef __int128 schema_nano;

/* "500Mi", "1.5", "2e3". Exact to 19 digits; what is smaller or more precise is rounded away from
 * 0, what is beyond 2^63 - 1 is that, as Kubernetes has it. False if s is no quantity. */
bool schema_quantity(struct slice s, schema_nano *nano);
/* "500Mi" -> 524288000000 thousandths; saturates at the int64 range. */
bool schema_quantity_milli(struct slice s, int64_t *milli);
/* "1h30m" -> 5400000. */
bool schema_duration_ms(struct slice s, int64_t *ms);

#endif
