/* kube_rules_internal.h: between the files of kube_rules, one for each corner of Kubernetes' API.
 *
 * A place is a chain of members on the callers' stacks: it costs nothing until it is told.
 * Thread: any. */
#ifndef PROTO_KUBE_RULES_INTERNAL_H
#define PROTO_KUBE_RULES_INTERNAL_H

#include "proto/kube_rules.h"
#include "proto/schema.h"

struct kube_place {
    const struct kube_place *up; /* NULL: the object */
    const char *name;
    struct slice key; /* of a map, behind the name; no data: none */
    size_t index;     /* of a list, behind the name */
    bool item;
};

static inline struct kube_place kube__member(const struct kube_place *up, const char *name)
{
    return (struct kube_place){.up = up, .name = name};
}

static inline struct kube_place kube__item(const struct kube_place *up, const char *list,
                                           size_t index)
{
    return (struct kube_place){.up = up, .name = list, .index = index, .item = true};
}

static inline struct kube_place kube__key(const struct kube_place *up, const char *map,
                                          struct slice key)
{
    return (struct kube_place){.up = up, .name = map, .key = key};
}

/* The member; null is absent. */
const json_t *kube__get(const json_t *object, const char *name);

/* ---- one cause ---- */

void kube__refuse(struct causes *causes, enum cause_kind kind, const struct kube_place *at,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "Invalid value: VALUE: RULE", with the value as JSON, shortened. */
void kube__invalid(struct causes *causes, const struct kube_place *at, const json_t *value,
                   const char *rule);
void kube__duplicate(struct causes *causes, const struct kube_place *at, struct slice value);

/* ---- members by their names; each adds at most one cause ---- */

/* False, and a cause, if it is absent or "". */
bool kube__need(struct causes *causes, const json_t *object, const struct kube_place *at,
                const char *name);
/* A text that is one of those, or absent; allowed is sorted and ends with NULL. */
void kube__among(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name, const char *const *allowed);
/* A text of that form, or absent. */
void kube__formed(struct causes *causes, const json_t *object, const struct kube_place *at,
                  const char *name, const char *(*rule)(struct slice text));
/* The same, and there. */
void kube__named(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name, const char *(*rule)(struct slice text));
/* An integer of at least min, or absent. */
void kube__at_least(struct causes *causes, const json_t *object, const struct kube_place *at,
                    const char *name, json_int_t min);
/* A number of a port, there. */
void kube__port(struct causes *causes, const json_t *object, const struct kube_place *at,
                const char *name);
/* A number or name of a port, if there. */
void kube__port_or_name(struct causes *causes, const json_t *object, const struct kube_place *at,
                        const char *name);
/* An integer or "10%", not negative, or absent. */
void kube__share(struct causes *causes, const json_t *object, const struct kube_place *at,
                 const char *name);
/* Which of the names are members; a cause if several are, or nothing at all is. NULL: none of
 * them, or too many. */
const char *kube__only_one(struct causes *causes, const json_t *object, const struct kube_place *at,
                           const char *const *names, size_t count);
/* An IPv4 or IPv6 address. */
bool kube__is_address(struct slice text);
/* NULL if it is a host's name or, with "*.", those of a domain; else the rule. */
const char *kube__host(struct slice text);
/* Exactly one of a probe's or a hook's handlers. */
void kube__handler(struct causes *causes, const json_t *handler, const struct kube_place *at,
                   const char *const *names, size_t count);

/* ---- labels and selectors ---- */

void kube__labels(struct causes *causes, const json_t *labels, const struct kube_place *at);
void kube__annotations(struct causes *causes, const json_t *annotations,
                       const struct kube_place *at);
/* A LabelSelector; NULL is one, too. */
void kube__selector(struct causes *causes, const json_t *selector, const struct kube_place *at);

/* ---- kinds ---- */

enum kube_pods { KUBE_PODS_STAY, KUBE_PODS_END, KUBE_PODS_ALONE };

/* A PodTemplateSpec; pods says who makes them, claims are volumes besides their own (or NULL). */
void kube__pods(struct causes *causes, const json_t *template, const struct kube_place *at,
                enum kube_pods pods, const json_t *claims);
/* Volumes, and what containers mount of them, or of the claims that a StatefulSet makes. */
void kube__volumes(struct causes *causes, const json_t *spec, const json_t *claims,
                   const struct kube_place *at);
/* ResourceRequirements. */
void kube__resources(struct causes *causes, const json_t *resources, const struct kube_place *at);
/* A PersistentVolumeClaimSpec. */
void kube__claim_spec(struct causes *causes, const json_t *spec, const struct kube_place *at);

void kube__check_deployment(struct causes *causes, const json_t *object);
void kube__check_stateful_set(struct causes *causes, const json_t *object);
void kube__check_daemon_set(struct causes *causes, const json_t *object);
void kube__check_replica_set(struct causes *causes, const json_t *object);
void kube__check_job(struct causes *causes, const json_t *object);
void kube__check_cron_job(struct causes *causes, const json_t *object);
void kube__check_pod(struct causes *causes, const json_t *object);
void kube__check_autoscaler(struct causes *causes, const json_t *object);
void kube__check_budget(struct causes *causes, const json_t *object);

void kube__check_service(struct causes *causes, const json_t *object);
void kube__check_network_policy(struct causes *causes, const json_t *object);
void kube__check_ingress(struct causes *causes, const json_t *object);
void kube__check_http_route(struct causes *causes, const json_t *object);
void kube__check_grpc_route(struct causes *causes, const json_t *object);

void kube__check_role(struct causes *causes, const json_t *object);
void kube__check_cluster_role(struct causes *causes, const json_t *object);
void kube__check_binding(struct causes *causes, const json_t *object);
void kube__check_cluster_binding(struct causes *causes, const json_t *object);

void kube__check_data(struct causes *causes, const json_t *object);
void kube__check_secret(struct causes *causes, const json_t *object);
void kube__check_claim(struct causes *causes, const json_t *object);
void kube__check_quota(struct causes *causes, const json_t *object);
void kube__check_limits(struct causes *causes, const json_t *object);

#endif
