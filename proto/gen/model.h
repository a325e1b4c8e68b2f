/* model.h: the contract as the generator sees it: descriptors, with comments and rules beside them.
 *
 * Owner: main() of the generator; everything lives until it exits. Thread: one. */
#ifndef PROTO_GEN_MODEL_H
#define PROTO_GEN_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "choreo/v1/options.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

struct model_field {
    const Google__Protobuf__FieldDescriptorProto *proto;
    const Choreo__V1__FieldRules *rules; /* NULL: none */
    char *doc;
    int32_t within; /* number of the inlined field that it came with; 0: the message's own */
};

struct model_message {
    const Google__Protobuf__DescriptorProto *proto;
    char *full_name; /* ".choreo.v1.Component" */
    char *symbol;    /* "choreo_v1_Component" */
    char *doc;
    const Choreo__V1__KindOptions *kind; /* NULL: no kind */
    const char *form;                    /* "": an object of its fields */
    bool map_entry;
    bool workload; /* in WORKLOADS_DIR: served by clusters, not by the control plane */
    bool needed;   /* reachable from a kind of the part that is written */
    struct model_field *fields;
    size_t field_count;
};

#define WORKLOADS_DIR "k8s/workloads/"

struct model {
    struct model_message *messages;
    size_t count;
    size_t cap;
};

/* Fails with a message on stderr and exit code 1. */
void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void model_load(struct model *model, const Google__Protobuf__FileDescriptorSet *set);
const struct model_message *model_find(const struct model *model, const char *full_name);
bool model_is_workload(const char *file);
/* Marks what the kinds of one part need. */
void model_mark(struct model *model, bool workloads);
/* Writes the tables of the marked part as C: kind__builtin, or kind__workloads. */
void tables_write(const struct model *model, bool workloads, FILE *out);

#endif
