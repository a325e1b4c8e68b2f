/* kube_proto.c: Kubernetes' protobuf bodies.
 *
 *   "k8s\0" | Unknown{ 1: TypeMeta{1: apiVersion, 2: kind}, 2: raw, 3: encoding, 4: type }
 *
 * The envelope and DeleteOptions are read by hand, field by field with every length checked; the
 * object itself is the kind's message, which proto/typed knows. Its senders write every plain
 * field, set or not, and leave only those out that can tell absent from zero (explicit_zero), so
 * the other zeros mean nothing and go. */
#include "node/api/rest/kube_proto.h"

#include <string.h>

#include "proto/typed.h"

static const char magic[4] = {'k', '8', 's', '\0'};

struct field {
    uint64_t number;
    uint64_t value;     /* varint */
    struct slice bytes; /* length-delimited */
};

static bool take_varint(struct slice *in, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->len != 0; shift += 7) {
        uint8_t byte = (uint8_t)in->data[0];
        *in = slice_sub(*in, 1, in->len);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

/* 1: a field; 0: the end; -1: malformed. */
static int take_field(struct slice *in, struct field *f)
{
    uint64_t tag;
    if (in->len == 0) {
        return 0;
    }
    if (!take_varint(in, &tag)) {
        return -1;
    }
    *f = (struct field){.number = tag >> 3};
    size_t fixed = (tag & 7) == 1 ? 8 : 4;
    switch (tag & 7) {
    case 0:
        return take_varint(in, &f->value) ? 1 : -1;
    case 2: {
        uint64_t len;
        if (!take_varint(in, &len) || len > in->len) {
            return -1;
        }
        f->bytes = slice_sub(*in, 0, (size_t)len);
        *in = slice_sub(*in, (size_t)len, in->len);
        return 1;
    }
    case 1:
    case 5:
        if (in->len < fixed) {
            return -1;
        }
        *in = slice_sub(*in, fixed, in->len);
        return 1;
    default:
        return -1;
    }
}

static int malformed(struct err *err)
{
    return err_set(err, ERR_INVALID, "malformed Kubernetes protobuf");
}

struct envelope {
    struct slice api_version;
    struct slice kind;
    struct slice raw;
};

static int open_envelope(struct slice body, struct envelope *e, struct err *err)
{
    *e = (struct envelope){0};
    if (body.len < sizeof(magic) || memcmp(body.data, magic, sizeof(magic)) != 0) {
        return err_set(err, ERR_INVALID, "Kubernetes protobuf does not begin with \"k8s\\0\"");
    }
    struct slice in = slice_sub(body, sizeof(magic), body.len);
    struct slice type = {0};
    struct field f;
    int got;
    while ((got = take_field(&in, &f)) > 0) {
        if (f.number == 1) {
            type = f.bytes;
        } else if (f.number == 2) {
            e->raw = f.bytes;
        } else if (f.number == 3 && f.bytes.len != 0) {
            return err_set(err, ERR_INVALID, "Kubernetes protobuf with a content encoding");
        }
    }
    while (got == 0 && (got = take_field(&type, &f)) > 0) {
        if (f.number == 1) {
            e->api_version = f.bytes;
        } else if (f.number == 2) {
            e->kind = f.bytes;
        }
        got = 0;
    }
    return got < 0 ? malformed(err) : 0;
}

static bool is_zero(const json_t *value)
{
    return (json_is_string(value) && json_string_length(value) == 0) || json_is_false(value) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_real(value) && json_real_value(value) == 0.0);
}

static bool means_nothing(const struct schema_field *field, const json_t *value)
{
    return field != NULL && !field->explicit_zero && is_zero(value);
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by TYPED_DEPTH_MAX. */
static void drop_zeros(const struct schema *schema, json_t *value)
{
    size_t i;
    json_t *member;
    json_array_foreach(value, i, member)
    {
        drop_zeros(schema != NULL ? schema->items : NULL, member);
    }
    const char *name;
    void *next;
    json_object_foreach_safe(value, next, name, member)
    {
        const struct schema_field *field = schema_field(schema, slice_of(name));
        if (means_nothing(field, member)) {
            (void)json_object_del(value, name);
        } else {
            drop_zeros(schema_member(schema, slice_of(name)), member);
        }
    }
}

int kube_proto_decode(const struct kind *kind, struct slice body, json_t **tree, struct err *err)
{
    struct envelope e;
    int rc = open_envelope(body, &e, err);
    if (rc != 0) {
        return rc;
    }
    if ((e.kind.len != 0 && !slice_eq(e.kind, kind->kind)) ||
        (e.api_version.len != 0 && !slice_eq(e.api_version, kind->api_version))) {
        return err_set(err, ERR_INVALID, "the body is a %.*s %.*s, the path is of %.*s %.*s",
                       SLICE_ARG(slice_sub(e.api_version, 0, 100)),
                       SLICE_ARG(slice_sub(e.kind, 0, 100)), SLICE_ARG(kind->api_version),
                       SLICE_ARG(kind->kind));
    }
    rc = typed_to_json(kind, e.raw, tree, err);
    if (rc == 0) {
        drop_zeros(kind->schema, *tree);
    }
    return rc;
}

/* Preconditions{1: uid, 2: resourceVersion} */
static int add_preconditions(json_t *options, struct slice in, struct err *err)
{
    json_t *pre = json_child(options, "preconditions");
    struct field f;
    int got;
    while ((got = take_field(&in, &f)) > 0) {
        if (f.number == 1 || f.number == 2) {
            json_object_set_new(pre, f.number == 1 ? "uid" : "resourceVersion", json_str(f.bytes));
        }
    }
    return got < 0 ? malformed(err) : 0;
}

int kube_proto_delete_options(struct slice body, json_t **tree, struct err *err)
{
    struct envelope e;
    int rc = open_envelope(body, &e, err);
    if (rc != 0) {
        return rc;
    }
    json_t *options = json_object();
    struct slice in = e.raw;
    struct field f;
    int got;
    while (rc == 0 && (got = take_field(&in, &f)) != 0) {
        if (got < 0) {
            rc = malformed(err);
        } else if (f.number == 1) {
            json_object_set_new(options, "gracePeriodSeconds", json_integer((json_int_t)f.value));
        } else if (f.number == 2) {
            rc = add_preconditions(options, f.bytes, err);
        } else if (f.number == 3) {
            json_object_set_new(options, "orphanDependents", json_boolean(f.value != 0));
        } else if (f.number == 4) {
            json_object_set_new(options, "propagationPolicy", json_str(f.bytes));
        } else if (f.number == 5) {
            json_t *list = json_object_get(options, "dryRun");
            if (list == NULL) {
                list = json_array();
                json_object_set_new(options, "dryRun", list);
            }
            json_array_append_new(list, json_str(f.bytes));
        }
    }
    if (rc != 0) {
        json_decref(options);
        return rc;
    }
    *tree = options;
    return 0;
}
