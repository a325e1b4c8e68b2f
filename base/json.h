/* json.h: JSON as trees, and as stored bytes.
 *
 * Trees are jansson's (this header is the one place that includes it; use its json_* API on them).
 * What is here is what jansson lacks: parsing with our limits and errors, *canonical* output (the
 * form in which objects are stored: sorted keys, no white space, integers as integers), and a
 * scanner that finds a value in stored bytes without building a tree.
 * Thread: any; a tree belongs to one thread at a time (jansson's counts are plain). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

enum {
    JSON_DEPTH_MAX = 128,
    /* Of a client's document as a tree, of which a write makes some copies: 1.5 MB of "{}," would
     * take 110 MB. Manifests of that size take 2 to 15. */
    JSON_BODY_TREE_MAX = 16 * 1024 * 1024,
};

/* What the parts of a tree take at most, with the allocator's overhead and tables half full. */
enum {
    JSON_WEIGHT_OBJECT = 224,
    JSON_WEIGHT_ARRAY = 128,
    JSON_WEIGHT_MEMBER = 112, /* and the key's bytes; its value on top */
    JSON_WEIGHT_ITEM = 16,    /* of an array; its value on top */
    JSON_WEIGHT_STRING = 80,  /* and its bytes */
    JSON_WEIGHT_NUMBER = 32,
};

/* Parses one whole document. Duplicate keys, trailing bytes, depth over JSON_DEPTH_MAX and invalid
 * UTF-8 are refused with line and column. The caller json_decref()s. Errors: ERR_INVALID. */
int json_parse(struct slice text, json_t **tree, struct err *err);
/* The same of bytes that json_canonical() made, in a third of the time. */
int json_read(struct slice canonical, json_t **tree, struct err *err);
/* The same for what a client sent. Errors also: ERR_TOO_LARGE (a tree over JSON_BODY_TREE_MAX). */
int json_parse_body(struct slice text, json_t **tree, struct err *err);
/* An upper bound of what the text's tree would take. Errors: ERR_INVALID (too deep). */
int json_weigh(struct slice text, size_t *bytes, struct err *err);
/* The same of a tree: an upper bound of what a copy would take. Stops counting beyond bound. */
size_t json_tree_bytes(const json_t *tree, size_t bound);
/* Canonical bytes. */
void json_canonical(const json_t *tree, struct buf *out);
/* The same with two-space indentation, keys in insertion order, for people: what may not be shown
 * (text.h) is an escape. */
void json_pretty(const json_t *tree, struct buf *out);

/* Levels of nesting: 0 for a scalar, 1 for {}; stops counting at JSON_DEPTH_MAX + 1. The functions
 * here recurse and abort beyond 8 * JSON_DEPTH_MAX: who nests trees at a client's word (a JSON
 * patch that copies) asks this first. */
int json_depth(const json_t *tree);

/* Lookups that tolerate absence: json_at(o, "metadata", "name", NULL) is the value or NULL. */
json_t *json_at(const json_t *tree, ...) __attribute__((sentinel));
struct slice json_text(const json_t *tree); /* a string's bytes, else empty */
struct slice json_text_at(const json_t *tree, const char *key);
json_t *json_str(struct slice s); /* a new string, never NULL: what is no UTF-8 becomes U+FFFD */
json_t *json_base64(struct slice bytes); /* likewise, of their base64 */
/* Object member, created as {} if absent; NULL if present and no object. */
json_t *json_child(json_t *object, const char *key);

/* Finds the raw bytes of a member in canonical bytes without parsing the rest:
 * json_scan(body, &v, "metadata", "labels", NULL). False if absent. Only for bytes that
 * json_canonical() made. */
bool json_scan(struct slice canonical, struct slice *value, ...) __attribute__((sentinel));
/* The same of several members of one object, in one pass: keys ascend and end with NULL; the value
 * of one that is absent is empty. */
void json_scan_members(struct slice canonical, const char *const *keys, struct slice *values);
/* Decodes the raw bytes of a JSON string (with its quotes) into the arena; empty if it is none. */
struct slice json_unquote(struct slice raw, struct arena *arena);
/* Appends s as a JSON string with its quotes. */
void json_quote(struct buf *out, struct slice s);

#endif
