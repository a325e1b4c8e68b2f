/* outcome.c: the table of outcome.def, looked up by number. */
#include "store/outcome.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    const char *message;
    int code;
} table[] = {
#define OUTCOME(name, number, code, message) [number] = {(message), (code)},
#include "store/outcome.def"
#undef OUTCOME
};

enum { TABLE_COUNT = sizeof table / sizeof table[0] };

bool outcome_known(int64_t number)
{
    return number >= 0 && number < TABLE_COUNT && table[number].message != NULL;
}

int outcome_code(enum outcome_kind kind)
{
    assert(outcome_known(kind));
    return table[kind].code;
}

const char *outcome_message(enum outcome_kind kind)
{
    assert(outcome_known(kind));
    return table[kind].message;
}

int outcome_err(const struct outcome *outcome, struct err *err)
{
    if (outcome->kind == OUTCOME_DONE) {
        return 0;
    }
    return err_set(err, outcome_code(outcome->kind), "%s", outcome_message(outcome->kind));
}

int outcome_err_for(const struct outcome *outcome, const struct backend_key *key, struct err *err)
{
    int code = outcome_code(outcome->kind);
    switch (outcome->kind) {
    case OUTCOME_EXISTS:
        return err_set(err, code, "%.*s \"%.*s\" already exists", SLICE_ARG(key->resource),
                       SLICE_ARG(key->name));
    case OUTCOME_ABSENT:
        return err_set(err, code, "%.*s \"%.*s\" not found", SLICE_ARG(key->resource),
                       SLICE_ARG(key->name));
    case OUTCOME_OTHER_VERSION:
    case OUTCOME_OTHER_UID:
        return err_set(err, code, "Operation cannot be fulfilled on %.*s \"%.*s\": %s",
                       SLICE_ARG(key->resource), SLICE_ARG(key->name),
                       outcome_message(outcome->kind));
    case OUTCOME_NAMESPACE_ABSENT:
        return err_set(err, code, "namespaces \"%.*s\" not found", SLICE_ARG(key->ns));
    case OUTCOME_NAMESPACE_TERMINATING:
        return err_set(err, code,
                       "%.*s \"%.*s\" is forbidden: unable to create new content in namespace "
                       "%.*s because it is being terminated",
                       SLICE_ARG(key->resource), SLICE_ARG(key->name), SLICE_ARG(key->ns));
    case OUTCOME_DONE:
    case OUTCOME_NAMESPACE_NOT_EMPTY:
    case OUTCOME_REQUEST_OLD:
    case OUTCOME_REQUEST_AHEAD:
    case OUTCOME_REQUEST_REUSED:
    case OUTCOME_STALE:
        break;
    }
    return outcome_err(outcome, err);
}
