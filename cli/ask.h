/* ask.h: what commands ask a server, a function a question; and which objects a command line means.
 *
 * Trees are new, the caller json_decref()s them; texts are the cli's arena's. Thread: main's. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/commands.h"
#include "cli/manifest.h"
#include "proto/choreo/v1/services.pb-c.h"

/* "components", "component/web", "comp": a Ref by words; the name part, if any, goes to ref->name.
 * The server resolves what the words mean. */
void ask_ref(struct cli *c, const char *words, const char *ns, Choreo__V1__Ref *ref);
/* Of a manifest; ns where it names none. */
void ask_ref_of(struct cli *c, const json_t *object, const char *ns, Choreo__V1__Ref *ref);
/* An Object's JSON as a tree. Errors: ERR_INTERNAL. */
int ask_tree(const Choreo__V1__Object *object, json_t **tree, struct err *err);

/* Errors of all: client_call()'s. */
int ask_get(struct cli *c, Choreo__V1__Ref *ref, Choreo__V1__Form form, json_t **tree,
            uint64_t *version, struct err *err);
struct ask_list {
    Choreo__V1__Ref *ref;
    Choreo__V1__Form form;
    const char *labels; /* NULL: all */
    const char *fields;
    uint32_t limit; /* 0: all, page by page at one version; else one page of at most so many */
    int (*each)(const Choreo__V1__Object *object, void *user, struct err *err);
    void *user;
    uint64_t version; /* out */
};
int ask_list(struct cli *c, struct ask_list *list, struct err *err);
/* All of a kind as an array of JSON objects. */
int ask_items(struct cli *c, Choreo__V1__Ref *ref, const char *labels, const char *fields,
              json_t **items, struct err *err);
int ask_kinds(struct cli *c, Choreo__V1__KindsResponse **kinds, struct err *err);
/* *kind is the server's name for it; *schema NULL: it takes any fields. */
int ask_schema(struct cli *c, const char *words, Choreo__V1__KindInfo **kind, json_t **schema,
               struct err *err);

struct ask_write {
    Choreo__V1__Ref *ref; /* may be NULL for apply and update */
    const json_t *body;   /* the object or the patch */
    bool dry_run;
    Choreo__V1__PatchType patch; /* ask_patch() */
    bool lenient;                /* unknown fields are warned of, not refused */
    /* out */
    json_t *tree; /* as it became */
    bool created, changed;
};
/* They print the server's warnings. A conflict of fields says what can be done about it. */
int ask_create(struct cli *c, struct ask_write *w, struct err *err);
int ask_apply(struct cli *c, struct ask_write *w, struct err *err);
int ask_update(struct cli *c, struct ask_write *w, struct err *err);
int ask_patch(struct cli *c, struct ask_write *w, struct err *err);

/* What a write did, in the form of -o: "component.choreo.dev/web configured (dry run)". Takes
 * w->tree. Errors: output_tree()'s. */
int ask_show_written(struct cli *c, struct ask_write *w, const char *done, struct err *err);

/* ---- targets: KIND NAME... | KIND/NAME... | KIND -l LABELS | KIND --all | -f FILE ---- */

struct targets {
    Choreo__V1__Ref *refs; /* each with a name */
    const char **titles;   /* "component/web", for messages */
    size_t count;
    size_t cap; /* private */
};
/* The first `skip` arguments are the command's own; those from `last` on too (SIZE_MAX: none).
 * Errors: ERR_INVALID (says what is missing), manifests_read()'s, ask_list()'s. */
int ask_targets(struct cli *c, size_t skip, size_t last, struct targets *t, struct err *err);
void targets_free(struct targets *t);

/* Whether --dry-run was given, and how. Errors: ERR_INVALID. */
enum ask_dry { ASK_FOR_REAL, ASK_DRY_SERVER, ASK_DRY_CLIENT };
int ask_dry_run(struct cli *c, enum ask_dry *dry, struct err *err);

#endif
