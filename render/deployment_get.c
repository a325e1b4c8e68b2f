/* deployment_get.c: looking things up for a deployment. */
#include "render/deployment_internal.h"

const json_t *deployment__get(const struct inputs *in, const char *kind, struct slice name)
{
    const struct platform *p = in->platform;
    return name.len > 0 ? p->get(p->user, kind, in->d->ns, name) : NULL;
}

const json_t *deployment__get_global(const struct inputs *in, const char *kind, struct slice name)
{
    const struct platform *p = in->platform;
    return p->get(p->user, kind, SLICE(""), name);
}

struct slice deployment__uid(const struct inputs *in, const char *kind, struct slice ns,
                             struct slice name)
{
    const struct platform *p = in->platform;
    return name.len > 0 ? p->uid(p->user, kind, ns, name) : SLICE("");
}
