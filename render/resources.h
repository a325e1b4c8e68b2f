/* resources.h: lists of object templates into objects: includeWhen, forEach, var.
 * Owner: as said. Thread: the scope's. */
#ifndef RENDER_RESOURCES_H
#define RENDER_RESOURCES_H

#include "render/template.h"

enum { RESOURCES_ITEMS_MAX = 1000 }; /* of one forEach */

/* One rendered object. */
struct resource {
    struct slice place; /* of its template: "resources[deployment]", "traits[tls].creates[0]" */
    json_t *object;     /* owned */
    json_t *origin;     /* of its fields (trace.h), owned, or NULL */
};

struct resource_list {
    struct resource *items;
    size_t count;
    size_t cap;
};

void resources_free(struct resource_list *list);
/* Takes object and origin. */
void resources_add(struct resource_list *list, struct slice place, json_t *object, json_t *origin);

/* Renders templates ([{id, includeWhen, forEach, var, targetPlane, template}]), adding to list;
 * those of other planes than "dataplane" are skipped. path names the array: "resources". Errors:
 * ERR_UNPROCESSABLE, ERR_TOO_LARGE. */
int resources_render(struct template_scope *scope, const json_t *templates, struct slice path,
                     struct resource_list *list, struct err *err);

/* Calls each() once, or with var bound to every item of forEach in turn ({key, value} for maps, by
 * key). Errors: as each's; ERR_UNPROCESSABLE, ERR_TOO_LARGE. */
int resources_each(struct template_scope *scope, const json_t *holder, struct slice path,
                   int (*each)(void *user, struct err *err), void *user, struct err *err);

/* Whether holder.targetPlane is this one. */
bool resources_here(const json_t *holder);

#endif
