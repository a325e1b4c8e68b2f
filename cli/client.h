/* client.h: choreo's side of gRPC: calls to any node of the cluster.
 *
 * A call goes to the endpoint that answered last; if that cannot be reached or says UNAVAILABLE, to
 * the next, round and round until the deadline. Writes carry a request id, so that going round
 * never does them twice. Owner: the caller; client_close(). Thread: main's; calls block. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/fetch.h"
#include "cli/settings.h"

struct client {
    const struct settings *settings; /* borrowed */
    struct loop loop;
    struct fetcher fetcher;
    size_t endpoint; /* the one that answered last */
    char *authorization;
    struct loop_msg close;
    bool told;           /* that no node answers */
    uint32_t timeout_ms; /* of a unary call, all its tries together */
};

int client_open(struct client *c, const struct settings *settings, uint32_t timeout_ms,
                struct err *err);
void client_close(struct client *c);

/* method is "choreo.v1.ResourceService/Get". The response lives in the arena. Errors: the server's,
 * by its reason; field violations are part of the message, a line each. */
int client_call(struct client *c, const char *method, const ProtobufCMessage *request,
                const ProtobufCMessageDescriptor *response_type, struct arena *arena,
                ProtobufCMessage **response, struct err *err);

/* Calls each() for every message until it returns false (then 0 is returned), the server ends the
 * stream, timeout_ms have passed (0: never; ERR_TIMEOUT), or nothing could be reached. A stream
 * that breaks after its first message is not begun again here: the caller knows from where. */
int client_stream(struct client *c, const char *method, const ProtobufCMessage *request,
                  const ProtobufCMessageDescriptor *response_type, uint32_t timeout_ms,
                  bool (*each)(const ProtobufCMessage *message, void *user), void *user,
                  struct err *err);

/* 16 random bytes as text: a request id. */
void client_request_id(char out[37]);

#endif
