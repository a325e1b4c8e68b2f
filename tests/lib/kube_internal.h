/* kube_internal.h: between the parts of kube.c: connections (kube_http.c), logs (kube_logs.c) and
 * what is asked for (kube.c). Owner and thread: as kube.h. */
#ifndef TESTS_LIB_KUBE_INTERNAL_H
#define TESTS_LIB_KUBE_INTERNAL_H

#include "tests/lib/kube.h"

struct kube_conn {
    uv_tcp_t tcp;
    struct kube *k;
    struct list link;
    struct buf in;
    char *watch_kind; /* "apps/v1/Deployment" while it is a watch */
    char *watch_selector;
    char *log; /* "POD/CONTAINER" while it follows that */
    bool closing;
};

struct kube_request {
    struct slice method;
    struct slice path;
    struct slice query;
    struct slice agent;
    struct slice body;
};

/* ---- kube_http.c ---- */

void kube__send(struct kube_conn *c, struct slice bytes);
void kube__send_chunk(struct kube_conn *c, const char *text); /* of a stream that was begun */
void kube__answer(struct kube_conn *c, int status, const json_t *body);
void kube__answer_status(struct kube_conn *c, int status, const char *message);
void kube__close(struct kube_conn *c);
/* Decoded; "" if there is none. The caller frees it. */
char *kube__parameter(struct slice query, const char *name);

/* ---- kube_logs.c ---- */

void kube__serve_log(struct kube_conn *c, const struct kube_request *r);

/* ---- kube.c ---- */

void kube__serve(struct kube_conn *c, const struct kube_request *r);
/* The member a, or a.b; "" if it is no text. */
const char *kube__text(const json_t *o, const char *a, const char *b);

#endif
