/* number.c: Go's %g with the shortest precision, and its JSON.
 *
 * Go writes an exponent from 1e+06 on and below 1e-04, whatever the number of digits. */
#include "render/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 17, EXPONENT_FROM = 6, EXPONENT_BELOW = -4 };

void number_text(double value, struct buf *out)
{
    char text[64];
    int digits = 1;
    if (isnan(value) || isinf(value)) {
        buf_add_cstr(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    do {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
    } while (strtod(text, NULL) != value && ++digits <= DIGITS_MAX);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < EXPONENT_BELOW || exponent >= EXPONENT_FROM) {
        buf_add_cstr(out, text);
        return;
    }
    int decimals = digits - 1 - exponent;
    buf_addf(out, "%.*f", decimals > 0 ? decimals : 0, value);
}

json_t *number_settle(const json_t *scalar)
{
    double value = json_real_value(scalar);
    bool whole = json_is_real(scalar) && value == floor(value) && fabs(value) < 9007199254740992.0;
    return whole ? json_integer((json_int_t)value) : json_deep_copy(scalar);
}
