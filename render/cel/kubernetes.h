/* kubernetes.h: what Kubernetes adds to the language for the rules of schemas, a file a library:
 * lists and regular expressions (fn_kubernetes.c, with the table of all), URLs, IP addresses and
 * CIDRs, quantities, semantic versions, named formats.
 * Owner: constants. Thread: any. */
#ifndef RENDER_CEL_KUBERNETES_H
#define RENDER_CEL_KUBERNETES_H

#include "render/cel/functions.h"

extern const struct cel_opaque_type cel_quantity_type;
extern const struct cel_opaque_type cel_semver_type;

/* Negative, 0 or positive; a value is borrowed by cel_opaque(). */
int cel_quantity_compare(const struct cel_opaque *a, const struct cel_opaque *b);
int cel_semver_compare(const struct cel_opaque *a, const struct cel_opaque *b);

CEL_FN(cel_fn_url);
CEL_FN(cel_fn_is_url);
CEL_FN(cel_fn_url_scheme);
CEL_FN(cel_fn_url_host);
CEL_FN(cel_fn_url_hostname);
CEL_FN(cel_fn_url_port);
CEL_FN(cel_fn_url_path);
CEL_FN(cel_fn_url_query);

CEL_FN(cel_fn_ip); /* of a text, or of a CIDR */
CEL_FN(cel_fn_is_ip);
CEL_FN(cel_fn_ip_is_canonical);
CEL_FN(cel_fn_ip_family);
CEL_FN(cel_fn_ip_is_unspecified);
CEL_FN(cel_fn_ip_is_loopback);
CEL_FN(cel_fn_ip_is_link_local_multicast);
CEL_FN(cel_fn_ip_is_link_local_unicast);
CEL_FN(cel_fn_ip_is_global_unicast);
CEL_FN(cel_fn_ip_string); /* string(), for addresses and CIDRs, too */
CEL_FN(cel_fn_cidr);
CEL_FN(cel_fn_is_cidr);
CEL_FN(cel_fn_cidr_contains_ip);
CEL_FN(cel_fn_cidr_contains_cidr);
CEL_FN(cel_fn_cidr_masked);
CEL_FN(cel_fn_cidr_prefix_length);

CEL_FN(cel_fn_quantity);
CEL_FN(cel_fn_is_quantity);
CEL_FN(cel_fn_quantity_is_integer);
CEL_FN(cel_fn_quantity_as_integer);
CEL_FN(cel_fn_quantity_as_float);
CEL_FN(cel_fn_quantity_sign);
CEL_FN(cel_fn_quantity_add);
CEL_FN(cel_fn_quantity_sub);

CEL_FN(cel_fn_semver);
CEL_FN(cel_fn_is_semver);
CEL_FN(cel_fn_semver_major);
CEL_FN(cel_fn_semver_minor);
CEL_FN(cel_fn_semver_patch);

CEL_FN(cel_fn_format_named);
CEL_FN(cel_fn_format_validate);
/* format.dns1123Label() and its like. */
CEL_FN(cel_fn_format_dns_label);
CEL_FN(cel_fn_format_dns_name);
CEL_FN(cel_fn_format_dns_1035);
CEL_FN(cel_fn_format_qualified_name);
CEL_FN(cel_fn_format_dns_label_prefix);
CEL_FN(cel_fn_format_dns_name_prefix);
CEL_FN(cel_fn_format_dns_1035_prefix);
CEL_FN(cel_fn_format_label_value);
CEL_FN(cel_fn_format_uri);
CEL_FN(cel_fn_format_uuid);
CEL_FN(cel_fn_format_byte);
CEL_FN(cel_fn_format_date);
CEL_FN(cel_fn_format_datetime);

#endif
