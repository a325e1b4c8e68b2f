/* subject.c: groups, and the names of service accounts. */
#include "node/auth/subject.h"

#include <string.h>

bool subject_in(const struct subject *s, const char *group)
{
    for (size_t i = 0; i < s->group_count; i++) {
        if (slice_eq_cstr(s->groups[i], group)) {
            return true;
        }
    }
    return false;
}

bool subject_add_group(struct subject *s, struct slice group)
{
    if (s->group_count == SUBJECT_GROUPS_MAX) {
        return false;
    }
    s->groups[s->group_count++] = group;
    return true;
}

bool subject_account(struct slice user, struct slice *ns, struct slice *name)
{
    struct slice rest = slice_sub(user, strlen(USER_ACCOUNT), SIZE_MAX);
    size_t colon = slice_find(rest, SLICE(":"));
    if (!slice_starts_with(user, SLICE(USER_ACCOUNT)) || colon == SIZE_MAX) {
        return false;
    }
    *ns = slice_sub(rest, 0, colon);
    *name = slice_sub(rest, colon + 1, SIZE_MAX);
    return ns->len > 0 && name->len > 0 && slice_find(*name, SLICE(":")) == SIZE_MAX;
}

bool subject_add_account_groups(struct subject *s, struct slice ns, struct arena *arena)
{
    const char *own = arena_printf(arena, GROUP_ACCOUNTS ":%.*s", SLICE_ARG(ns));
    return subject_add_group(s, SLICE(GROUP_ACCOUNTS)) && subject_add_group(s, slice_of(own));
}
