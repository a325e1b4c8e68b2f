/* kube_rules.h: what a kube-apiserver refuses of the kinds that it knows, though their schemas let
 * it.
 *
 * One list for both ends: what is rendered is held against it before anything is sent to a cluster,
 * and the simulated cluster answers with it (422 Invalid). Fields and words are the API server's.
 * Objects are looked at as they are written, before defaults: what is absent, null or "" is what
 * its default would be, as Kubernetes reads it. Of Gateway API's routes the rules are here, too:
 * their definitions say them in expressions. Owner: the caller, with the causes' arena. Thread:
 * any. */
#ifndef PROTO_KUBE_RULES_H
#define PROTO_KUBE_RULES_H

#include "base/json.h"
#include "proto/cause.h"

/* Of a whole object with its apiVersion and kind, whose members are of their types; nothing of
 * kinds that are not known, and nothing of what all objects have (names, labels). */
void kube_rules_check(const json_t *object, struct causes *causes);

#endif
