/* Descriptors become a flat list of messages. Options of ours arrive as unknown fields of
 * descriptor.proto's option messages, which protobuf-c keeps: their bytes are unpacked as the
 * messages of options.proto. Comments come from SourceCodeInfo, found by path. */
#include "model.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { EXT_FIRST = 50001, EXT_SECOND = 50002, WIRE_BYTES = 2 };

void model_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("choreo-gen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *need(void *p)
{
    if (p == NULL) {
        model_fail("out of memory or a malformed option");
    }
    return p;
}

static char *joined(const char *a, const char *b, const char *c)
{
    size_t len = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = need(malloc(len));
    snprintf(text, len, "%s%s%s", a, b, c);
    return text;
}

/* The bytes of one of our options, unpacked; NULL if it is not set. Options that stand in several
 * statements come as several fields: their concatenation is the whole (that is how protobuf
 * merges). */
static ProtobufCMessage *option(const ProtobufCMessage *options, uint32_t tag,
                                const ProtobufCMessageDescriptor *type)
{
    if (options == NULL) {
        return NULL;
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    bool found = false;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag != tag || (int)field->wire_type != WIRE_BYTES) {
            continue;
        }
        size_t skip = 0;
        while (skip < field->len && (field->data[skip] & 0x80) != 0) {
            skip++;
        }
        skip++;
        bytes = need(realloc(bytes, len + field->len));
        memcpy(bytes + len, field->data + skip, field->len - skip);
        len += field->len - skip;
        found = true;
    }
    if (!found) {
        return NULL;
    }
    ProtobufCMessage *message = need(protobuf_c_message_unpack(type, NULL, len, bytes));
    free(bytes);
    return message;
}

/* Lines joined, leading blanks off. */
static char *tidy(const char *comment)
{
    char *text = need(malloc(strlen(comment) + 1));
    size_t len = 0;
    bool blank = true;
    for (const char *c = comment; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\n' || *c == '\t') {
            blank = true;
            continue;
        }
        if (blank && len > 0) {
            text[len++] = ' ';
        }
        blank = false;
        text[len++] = *c;
    }
    text[len] = '\0';
    return text;
}

static char *doc_of(const Google__Protobuf__FileDescriptorProto *file, const int32_t *path,
                    size_t len)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *at = info->location[i];
        if (at->n_path == len && memcmp(at->path, path, len * sizeof(*path)) == 0) {
            return tidy(at->leading_comments != NULL ? at->leading_comments : "");
        }
    }
    return tidy("");
}

static char *symbol_of(const char *full_name)
{
    char *symbol = need(strdup(full_name + 1));
    for (char *c = symbol; *c != '\0'; c++) {
        if (*c == '.') {
            *c = '_';
        }
    }
    return symbol;
}

struct place {
    const Google__Protobuf__FileDescriptorProto *file;
    int32_t path[16];
    size_t depth;
    const char *scope; /* ".choreo.v1" */
};

static void load_fields(struct model_message *message, const struct place *place)
{
    const Google__Protobuf__DescriptorProto *proto = message->proto;
    message->field_count = proto->n_field;
    message->fields = need(calloc(proto->n_field + 1, sizeof(*message->fields)));
    for (size_t i = 0; i < proto->n_field; i++) {
        struct model_field *field = &message->fields[i];
        int32_t path[18];
        memcpy(path, place->path, sizeof(place->path));
        path[place->depth] = 2;
        path[place->depth + 1] = (int32_t)i;
        field->proto = proto->field[i];
        field->doc = doc_of(place->file, path, place->depth + 2);
        ProtobufCMessage *rules = option((const ProtobufCMessage *)proto->field[i]->options,
                                         EXT_FIRST, &choreo__v1__field_rules__descriptor);
        field->rules = (const Choreo__V1__FieldRules *)rules;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): nesting in our own files, two deep. */
static void load_message(struct model *model, const Google__Protobuf__DescriptorProto *proto,
                         const struct place *place)
{
    if (model->count == model->cap) {
        model->cap = model->cap == 0 ? 64 : model->cap * 2;
        model->messages = need(realloc(model->messages, model->cap * sizeof(*model->messages)));
    }
    struct model_message *message = &model->messages[model->count++];
    memset(message, 0, sizeof(*message));
    message->proto = proto;
    message->full_name = joined(place->scope, ".", proto->name);
    message->symbol = symbol_of(message->full_name);
    message->doc = doc_of(place->file, place->path, place->depth);
    message->map_entry = proto->options != NULL && proto->options->map_entry;
    const ProtobufCMessage *options = (const ProtobufCMessage *)proto->options;
    message->kind = (const Choreo__V1__KindOptions *)option(options, EXT_FIRST,
                                                            &choreo__v1__kind_options__descriptor);
    const Choreo__V1__Shape *shape =
        (const Choreo__V1__Shape *)option(options, EXT_SECOND, &choreo__v1__shape__descriptor);
    message->form = shape != NULL && shape->form != NULL ? shape->form : "";
    message->workload = model_is_workload(place->file->name);
    load_fields(message, place);
    const char *scope = message->full_name;
    for (size_t i = 0; i < proto->n_nested_type; i++) {
        struct place below = *place;
        if (below.depth + 4 >= sizeof(below.path) / sizeof(below.path[0])) {
            model_fail("%s: nested too deeply", scope);
        }
        below.path[below.depth++] = 3;
        below.path[below.depth++] = (int32_t)i;
        below.scope = scope;
        load_message(model, proto->nested_type[i], &below);
    }
}

const struct model_message *model_find(const struct model *model, const char *full_name)
{
    for (size_t i = 0; i < model->count; i++) {
        if (strcmp(model->messages[i].full_name, full_name) == 0) {
            return &model->messages[i];
        }
    }
    model_fail("no message %s", full_name);
}

/* NOLINTNEXTLINE(misc-no-recursion): `needed` ends it. */
static void mark(struct model *model, struct model_message *message)
{
    if (message->needed) {
        return;
    }
    message->needed = true;
    for (size_t i = 0; i < message->field_count; i++) {
        if (message->fields[i].proto->type_name == NULL ||
            message->fields[i].proto->type ==
                GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM) {
            continue;
        }
        const struct model_message *target = model_find(model, message->fields[i].proto->type_name);
        mark(model, &model->messages[target - model->messages]);
    }
}

bool model_is_workload(const char *file)
{
    return strncmp(file, WORKLOADS_DIR, strlen(WORKLOADS_DIR)) == 0;
}

static bool is_inlined(const struct model_field *field)
{
    return field->rules != NULL && field->rules->inlined;
}

/* The fields of inlined messages in their place: where JSON has them. */
static void inline_fields(const struct model *model, struct model_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (!is_inlined(&message->fields[i])) {
            continue;
        }
        const Google__Protobuf__FieldDescriptorProto *outer = message->fields[i].proto;
        const struct model_message *target = model_find(model, outer->type_name);
        size_t count = message->field_count - 1 + target->field_count;
        message->fields = need(realloc(message->fields, (count + 1) * sizeof(*message->fields)));
        memmove(&message->fields[i], &message->fields[i + 1],
                (message->field_count - 1 - i) * sizeof(*message->fields));
        for (size_t k = 0; k < target->field_count; k++) {
            struct model_field *field = &message->fields[message->field_count - 1 + k];
            *field = target->fields[k];
            field->within = outer->number;
            if (is_inlined(field)) {
                model_fail("%s: inlined twice over", target->full_name);
            }
        }
        message->field_count = count;
        i--;
    }
}

void model_mark(struct model *model, bool workloads)
{
    for (size_t i = 0; i < model->count; i++) {
        model->messages[i].needed = false;
    }
    for (size_t i = 0; i < model->count; i++) {
        if (model->messages[i].kind != NULL && model->messages[i].workload == workloads) {
            mark(model, &model->messages[i]);
        }
    }
}

void model_load(struct model *model, const Google__Protobuf__FileDescriptorSet *set)
{
    for (size_t f = 0; f < set->n_file; f++) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[f];
        char *scope = joined(".", file->package != NULL ? file->package : "", "");
        for (size_t i = 0; i < file->n_message_type; i++) {
            struct place place = {.file = file, .path = {4, (int32_t)i}, .depth = 2};
            place.scope = scope;
            load_message(model, file->message_type[i], &place);
        }
    }
    for (size_t i = 0; i < model->count; i++) {
        inline_fields(model, &model->messages[i]);
    }
}
