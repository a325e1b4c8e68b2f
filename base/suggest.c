/* suggest.c: compares from both ends: what is left in the middle is the edit. */
#include "base/suggest.h"

enum { SUGGEST_MIN = 3 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(char a, char b)
{
    return lower(a) == lower(b);
}

bool suggest_close(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    size_t longer = a.len < b.len ? b.len : a.len;
    size_t head = 0;
    size_t tail = 0;
    if (longer < SUGGEST_MIN || longer - shorter > 1) {
        return false;
    }
    while (head < shorter && same(a.data[head], b.data[head])) {
        head++;
    }
    while (tail < shorter - head && same(a.data[a.len - 1 - tail], b.data[b.len - 1 - tail])) {
        tail++;
    }
    size_t left_a = a.len - head - tail;
    size_t left_b = b.len - head - tail;
    bool swapped = left_a == 2 && left_b == 2 && same(a.data[head], b.data[head + 1]) &&
                   same(a.data[head + 1], b.data[head]);
    return swapped || (left_a <= 1 && left_b <= 1);
}
