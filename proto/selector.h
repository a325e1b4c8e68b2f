/* selector.h: label and field selectors.
 *
 * Labels: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
 * Fields: `metadata.name=x`, `metadata.namespace!=y`, and those that the kind lists as selectable.
 * Matching reads canonical bytes; no tree is built, nothing is allocated.
 * Owner: the caller (selector_free). Thread: any; immutable. */
#ifndef PROTO_SELECTOR_H
#define PROTO_SELECTOR_H

#include "base/json.h"

struct kind;
struct selector;

#define SELECTOR_NAMESPACE_LABEL "kubernetes.io/metadata.name" /* every Namespace's name */

enum { SELECTOR_BYTES_MAX = 16 * 1024, SELECTOR_TERMS_MAX = 256, SELECTOR_STEPS_MAX = 7 };

/* Both empty gives *out = NULL, which matches everything. kind may be NULL: then only
 * metadata.name and metadata.namespace may be selected.
 * Errors: ERR_INVALID (syntax; `field label not supported`). */
int selector_parse(struct slice labels, struct slice fields, const struct kind *kind,
                   struct selector **out, struct err *err);
/* From a Kubernetes LabelSelector ({matchLabels, matchExpressions}). NULL matches nothing, {}
 * everything. Errors: ERR_INVALID. */
int selector_from_json(const json_t *label_selector, struct selector **out, struct err *err);
/* A copy with a life of its own, for a watch that outlives its request. NULL gives NULL. */
struct selector *selector_copy(const struct selector *s);
/* A copy that chooses Organizations as s chooses their Namespaces: the label that Namespaces have
 * of their name, and status.phase, are looked up where Organizations have them. */
struct selector *selector_for_organizations(const struct selector *s);
void selector_free(struct selector *s);

/* NULL matches. body is canonical. */
bool selector_matches(const struct selector *s, struct slice body);
/* Against a raw canonical JSON object of labels (may be empty); fields are not looked at. */
bool selector_matches_labels(const struct selector *s, struct slice labels);
/* The one name (namespace) that it can match, or empty: a list by it is a get. */
struct slice selector_exact_name(const struct selector *s);
struct slice selector_exact_ns(const struct selector *s);
/* Canonical text, for messages. */
void selector_text(const struct selector *s, struct buf *out);

#endif
