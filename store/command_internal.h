/* command_internal.h: between command.c, one command's encoding, and entry.c, a batch's.
 * Owner: as command.h. Thread: any. */
#ifndef STORE_COMMAND_INTERNAL_H
#define STORE_COMMAND_INTERNAL_H

#include "store/command.h"
#include "store/log.pb-c.h"

/* One command with the message that it points at. */
struct packed {
    Choreo__Log__Command command;
    union {
        Choreo__Log__Write write;
        Choreo__Log__Open open;
        Choreo__Log__Ceiling ceiling;
        Choreo__Log__Compact compact;
        Choreo__Log__ExpireRequests expire;
        Choreo__Log__NamespaceMark mark;
        Choreo__Log__ExpireEvents events;
    };
};

void command__pack(const struct command *c, struct packed *out);
void command__append(const ProtobufCMessage *message, struct buf *out);

/* What protobuf-c unpacks goes with the arena. */
ProtobufCAllocator command__allocator(struct arena *arena);
/* Errors: ERR_CORRUPT, ERR_UNSUPPORTED. */
int command__unpack(const Choreo__Log__Command *m, struct command *out, struct err *err);
/* ERR_UNSUPPORTED: what of the log this release does not know. */
int command__newer(const char *what, struct err *err);

#endif
