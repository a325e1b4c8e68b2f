/* health.c: grpc.health.v1.Health: Check and Watch.
 *
 * The server as a whole ("") serves while its /readyz checks pass; a service that it has shares
 * that fate; one it has not is NOT_FOUND (Check) or SERVICE_UNKNOWN (Watch). Watch looks once a
 * second and tells what changed. */
#include <stdlib.h>
#include <string.h>

#include "node/api/grpc/door.h"
#include "proto/grpc/health/v1/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving;

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

enum { LOOK_EVERY_MS = 1000 };

static serving status_of(const struct grpc_call *call, const char *service)
{
    const struct grpc *g = call->api->config.grpc_user;
    bool known = service == NULL || *service == '\0';
    for (size_t i = 0; i < g->count && !known; i++) {
        known = strcmp(g->services[i]->descriptor->name, service) == 0;
    }
    if (!known) {
        return SERVICE_UNKNOWN;
    }
    for (size_t i = 0; i < call->api->check_count; i++) {
        const struct api_check *c = &call->api->checks[i];
        struct err err;
        if (c->check(call->api, c->user, &err) != 0) {
            return NOT_SERVING;
        }
    }
    return SERVING;
}

static bool send_status(struct grpc_call *call, serving status)
{
    Grpc__Health__V1__HealthCheckResponse response;
    grpc__health__v1__health_check_response__init(&response);
    response.status = status;
    return grpc_send(call, &response.base);
}

static void check(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    serving status = status_of(call, request->service);
    if (status == SERVICE_UNKNOWN) {
        struct err err;
        (void)err_set(&err, ERR_NOT_FOUND, "no service \"%s\" here", request->service);
        grpc_finish(call, ERR_NOT_FOUND, &err, NULL);
        return;
    }
    (void)send_status(call, status);
    grpc_finish(call, 0, NULL, NULL);
}

/* ---- Watch ---- */

struct looking {
    struct grpc_call *call;
    struct loop_timer timer;
    char *service;
    serving last;
    bool closing;
};

static void on_look(struct loop_timer *timer)
{
    struct looking *l = CONTAINER_OF(timer, struct looking, timer);
    serving now = status_of(l->call, l->service);
    if (now != l->last) {
        l->last = now;
        (void)send_status(l->call, now);
    }
}

static void on_timer_closed(struct loop_timer *timer)
{
    struct looking *l = CONTAINER_OF(timer, struct looking, timer);
    struct grpc_call *call = l->call;
    free(l->service);
    free(l);
    grpc_drop(call);
}

static void on_cancel(struct grpc_call *call)
{
    struct looking *l = call->state;
    if (!l->closing) {
        l->closing = true;
        loop_timer_close(&l->timer, on_timer_closed);
    }
}

static void watch(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    struct looking *l = mem_zero(sizeof *l);
    l->call = call;
    l->service = mem_strdup(request->service != NULL ? request->service : "");
    l->last = status_of(call, l->service);
    call->state = l;
    call->cancel = on_cancel;
    call->endless = true;
    grpc_hold(call);
    loop_timer_init(call->loop, &l->timer, on_look);
    loop_timer_start(&l->timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
    (void)send_status(call, l->last);
}

static const grpc_method methods[] = {check, watch};

const struct grpc_service grpc_health_service = {.descriptor =
                                                     &grpc__health__v1__health__descriptor,
                                                 .methods = methods,
                                                 .open_ended = true,
                                                 .watches = 1U << 1};
