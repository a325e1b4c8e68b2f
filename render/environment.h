/* environment.h: what holds in an environment: what it says itself and, where it says nothing, what
 * its template says.
 *
 * This is the only way to an environment's spec: whoever decides by it, on a server or offline,
 * decides by environment_merge(). Owner: trees are the platform's, or the arena's. Thread: the
 * platform's. */
#ifndef RENDER_ENVIRONMENT_H
#define RENDER_ENVIRONMENT_H

#include "render/placement.h"

struct environment {
    const json_t *object;   /* NULL: there is none, and all else is empty */
    const json_t *own;      /* its spec */
    const json_t *template; /* its template's spec; NULL: it names none, or one that is missing */
    const json_t *spec;     /* what holds */
    struct slice missing;   /* the template that it names and that is not there */
};
void environment_read(const struct platform *p, struct slice ns, struct slice name,
                      struct arena *arena, struct environment *out);

/* What holds, a new tree. Objects are merged by their members, overrides' lists by the names of
 * their items; all else (lists, gateway, clusterSelector, an override's resources) is one value. So
 * an environment changes what its template says, and takes it back by saying the opposite. template
 * may be NULL. taken: an array that comes to name what the template gave ("quotas.cpu",
 * "overrides.env[LOG_LEVEL]"), or NULL. */
json_t *environment_merge(const json_t *own, const json_t *template, json_t *taken);

/* The clusters of its plane that it is on, by its placement, where it was and what is lost to it
 * (its status). */
void environment_place(const struct environment *e, const json_t *plane, struct arena *arena,
                       struct placement *out);

/* Who says what of components, the later one over the earlier: the template, the environment. */
enum { ENVIRONMENT_LEVELS = 2 };
struct environment_level {
    const char *name;       /* "template" */
    const char *components; /* "template.components" */
    const json_t *overrides;
};
/* spec is what holds; own and template what it is made of, or NULL: spec is one's own. */
size_t environment_levels(const json_t *spec, const json_t *own, const json_t *template,
                          struct environment_level out[ENVIRONMENT_LEVELS]);
/* What overrides say of one component, or NULL. */
const json_t *environment_component(const json_t *overrides, struct slice component);

#endif
