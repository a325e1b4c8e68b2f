/* tenant_internal.h: between the files of tenant.h: one look at one object.
 * Owner: the caller. Thread: any. */
#ifndef RENDER_TENANT_INTERNAL_H
#define RENDER_TENANT_INTERNAL_H

#include "render/tenant.h"

struct tenant_look;
/* One thing that is a platform's to say. holder is what it is about, all of it: who may have the
 * one may not make another of it. reason is a clause; knob is what of spec.ownTypes allows it, or
 * NULL: nothing does. */
struct tenant_fault {
    const char *rule;
    const json_t *holder;
    const char *reason;
    const char *knob;
};

struct tenant_look {
    const struct tenancy *t;
    const struct resource *r;
    struct arena *arena; /* of texts */
    struct buf path;     /* of what is looked at: "spec.template.spec.volumes[host].hostPath" */
    void (*each)(struct tenant_look *look, const struct tenant_fault *fault);
    void *user;
};

void tenant__fault(struct tenant_look *look, const char *rule, const json_t *holder,
                   const char *reason, const char *knob);
/* The same of a member of what the path names. */
void tenant__fault_at(struct tenant_look *look, const char *member, const json_t *holder,
                      const char *reason, const char *knob);

/* Wherever in the object pods or claims are described (tenant_pods.c). */
void tenant__look_at_pods(struct tenant_look *look);
/* What kinds have for themselves (tenant_kinds.c); the kind itself among it. */
void tenant__look_at_kind(struct tenant_look *look);
/* Whether a tenant may make objects of that kind. */
bool tenant__may_make(const struct tenancy *t, const json_t *object);

#endif
