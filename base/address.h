/* address.h: which network addresses a server may be sent to by what its users wrote.
 * Thread: any. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Is it this machine (by whichever of its addresses), its link, a cloud's metadata service, or no
 * single machine at all? Such an address answers the server and would not answer the user. Private
 * networks are not local: that is where a company's servers are. Also seen through IPv6's ways of
 * writing IPv4. */
bool address_is_local(const struct sockaddr *address);

#endif
