/* builtin_internal.h: the table that the build makes of render/builtin/. Thread: any; constant. */
#ifndef RENDER_BUILTIN_INTERNAL_H
#define RENDER_BUILTIN_INTERNAL_H

#include "base/str.h"

struct builtin_file {
    const char *kind;
    struct slice name; /* of the file, without ".yaml" */
    struct slice bytes;
    int version; /* how many texts it has had (builtin/versions) */
};

extern const struct builtin_file builtin_files[];
extern const size_t builtin_file_count;
extern const struct builtin_file builtin_workflows[];
extern const size_t builtin_workflow_count;

#endif
