/* findings.h: what is wrong with manifests, each with its place, for people and for programs.
 *
 * The same finding at the same place is kept once, however often it comes up (a type's mistake
 * comes up in each component that is of it). Owner: the caller; findings_free(). Thread: main's. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include "cli/manifest.h"

enum severity {
    SEVERITY_ERROR,
    SEVERITY_WARNING, /* it depends on what is not in the files */
    SEVERITY_NOTE,    /* nobody need do anything */
};

struct finding {
    enum severity severity;
    const char *file;      /* NULL: of none */
    int line;              /* 0: of no line */
    int column;            /* in that line; 0: not known */
    const json_t *object;  /* it is about; NULL: none */
    const char *field;     /* "spec.type"; NULL: none */
    const char *condition; /* the server's condition that would say it; NULL: it would refuse */
    const char *reason;    /* of the condition, or of the refusal */
    const char *message;
    const char *same;  /* by which it is known again; NULL: the message */
    const char *where; /* "component web in environment test"; NULL: as the object says */
    const char *hint;  /* what to do next; NULL: nothing more */
};

struct findings {
    size_t errors;
    size_t warnings;
    /* private */
    struct finding *items;
    size_t *more; /* how often each came up again, with another `where` */
    size_t count;
    size_t cap;
    json_t *seen;    /* a finding's text: its number */
    json_t *objects; /* their names */
    struct arena arena;
};

/* Copies all of it. */
void findings_add(struct findings *f, const struct finding *finding);
/* An error as readers of files say it: "file:line:column: what", "file:line: what" or "what". */
void findings_add_fault(struct findings *f, struct slice text);
/* A line each on stderr, in order of files and lines:
 * "file:line: warning: component.choreo.dev/web: spec.type: what [reason]"; then all are forgotten,
 * but for their numbers. */
void findings_print(struct findings *f);
/* [{severity, file, line, column, object{apiVersion, kind, namespace, name}, field, condition,
 * reason, message, expressionColumn, where, others, hint}], in the same order; a new reference. */
json_t *findings_tree(struct findings *f);
void findings_free(struct findings *f);

#endif
