/* kube_logs.c: what containers say, to who asks once and to who follows. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kube_internal.h"

void kube_log(struct kube *k, const char *key, const char *said)
{
    struct buf all = {0};
    buf_add_cstr(&all, kube__text(k->logs, key, NULL));
    buf_add_cstr(&all, said);
    k->logs = k->logs != NULL ? k->logs : json_object();
    json_object_set_new(k->logs, key, json_str(buf_slice(&all)));
    buf_free(&all);
    LIST_FOREACH(link, &k->conns)
    {
        struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        if (c->log != NULL && strcmp(c->log, key) == 0) {
            kube__send_chunk(c, said);
        }
    }
}

void kube_log_end(struct kube *k, const char *key)
{
    LIST_FOREACH(link, &k->conns)
    {
        struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        if (c->log != NULL && strcmp(c->log, key) == 0) {
            kube__send(c, SLICE("0\r\n\r\n"));
            free(c->log);
            c->log = NULL;
            k->logs_open--;
        }
    }
}

size_t kube_log_unsent(const struct kube *k)
{
    size_t bytes = 0;
    LIST_FOREACH(link, &k->conns)
    {
        const struct kube_conn *c = CONTAINER_OF(link, struct kube_conn, link);
        bytes += uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    }
    return bytes;
}

/* .../pods/POD/log?container=C&follow=true */
void kube__serve_log(struct kube_conn *c, const struct kube_request *r)
{
    struct kube *k = c->k;
    struct slice pod = slice_sub(r->path, 0, r->path.len - strlen("/log"));
    char *container = kube__parameter(r->query, "container");
    char *follow = kube__parameter(r->query, "follow");
    struct buf key = {0};
    while (slice_find(pod, SLICE("/")) != SIZE_MAX) {
        pod = slice_sub(pod, slice_find(pod, SLICE("/")) + 1, SIZE_MAX);
    }
    buf_addf(&k->logs_asked, "%.*s?%.*s\n", SLICE_ARG(pod), SLICE_ARG(r->query));
    buf_addf(&key, "%.*s/%s", SLICE_ARG(pod), container);
    if (json_object_get(k->logs, buf_cstr(&key)) == NULL) {
        kube__answer_status(c, 400, "container is waiting to start");
    } else {
        kube__send(c, SLICE("HTTP/1.1 200 X\r\ncontent-type: text/plain\r\n"
                            "transfer-encoding: chunked\r\n\r\n"));
        if (kube__text(k->logs, buf_cstr(&key), NULL)[0] != '\0') {
            kube__send_chunk(c, kube__text(k->logs, buf_cstr(&key), NULL));
        }
        if (strcmp(follow, "true") == 0) {
            c->log = buf_take(&key);
            k->logs_open++;
        } else {
            kube__send(c, SLICE("0\r\n\r\n"));
        }
    }
    buf_free(&key);
    free(container);
    free(follow);
}
