/* fetch_why.c: curl's words for why there is no answer, without how long that took and how much had
 * come until then.
 *
 *   "Failed to connect to a port 6443 after 131 ms: Couldn't connect to server"
 *   "Operation timed out after 5001 milliseconds with 0 bytes received"
 *
 * Those numbers are others each time. Errors are compared, and stored: what is down for an hour
 * must not look like news every few seconds. */
#include <ctype.h>
#include <string.h>

#include "base/fetch_internal.h"

/* The text after a number, or NULL if there is none. */
static const char *after_number(const char *text)
{
    const char *end = text + strspn(text, "0123456789");
    return end > text ? end : NULL;
}

static const char *after_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    return text != NULL && strncmp(text, word, len) == 0 ? text + len : NULL;
}

/* " after 131 ms", " after 5001 milliseconds" */
static const char *after_duration(const char *text)
{
    const char *number = after_word(text, " after ");
    const char *unit = number != NULL ? after_number(number) : NULL;
    const char *end = after_word(unit, " milliseconds");
    end = end != NULL ? end : after_word(unit, " ms");
    return end != NULL && !isalpha((unsigned char)*end) ? end : NULL;
}

/* " with 0 bytes received", " with 12 out of 345 bytes received" */
static const char *after_amount(const char *text)
{
    const char *number = after_word(text, " with ");
    const char *rest = number != NULL ? after_number(number) : NULL;
    const char *all = after_word(rest, " out of ");
    return after_word(all != NULL ? after_number(all) : rest, " bytes received");
}

void fetch__steady(char *why)
{
    char *out = why;
    for (const char *in = why; *in != '\0';) {
        const char *end = after_duration(in);
        end = end != NULL ? end : after_amount(in);
        if (end != NULL) {
            in = end;
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}
