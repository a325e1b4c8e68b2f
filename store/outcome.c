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
