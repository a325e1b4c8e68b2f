/* version.c: `choreo version`. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/print.h"
#include "proto/choreo/v1/services.pb-c.h"

static int run(struct cli *c, struct err *err)
{
    Choreo__V1__StatusRequest request = CHOREO__V1__STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    print_out("choreo %s\n", CHOREO_VERSION);
    int rc = c->options.client ? 0 : cli_connect(c, err);
    if (rc != 0 || c->options.client) {
        return rc;
    }
    rc = client_call(&c->client, "choreo.v1.ClusterService/Status", &request.base,
                     &choreo__v1__status_response__descriptor, &c->arena, &message, err);
    if (rc == 0) {
        const Choreo__V1__StatusResponse *s = (const Choreo__V1__StatusResponse *)message;
        print_out("choreod %s (%s)\n", s->version, s->node);
    }
    return rc;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the versions of choreo and of the server",
    .usage = "[--client]",
    .examples = "  choreo version\n"
                "  choreo version --client",
    .options = {OPTION_client},
    .offline = true,
    .run = run,
};
