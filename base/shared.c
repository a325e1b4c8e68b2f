/* References are counted atomically; the mutex is held only while the pointer is read or replaced,
 * so that a reader cannot take a reference to what has just gone. Values are released outside of
 * it. */
#include "base/shared.h"

#include <assert.h>

void shared_value_init(struct shared_value *value, void (*release)(struct shared_value *value))
{
    atomic_init(&value->references, 1);
    value->release = release;
}

struct shared_value *shared_value_ref(struct shared_value *value)
{
    size_t before = atomic_fetch_add(&value->references, 1);
    assert(before > 0);
    return value;
}

void shared_value_unref(struct shared_value *value)
{
    if (value != NULL && atomic_fetch_sub(&value->references, 1) == 1) {
        value->release(value);
    }
}

void shared_init(struct shared *s, struct shared_value *first)
{
    int rc = uv_mutex_init(&s->mutex);
    assert(rc == 0);
    s->value = first;
}

void shared_free(struct shared *s)
{
    shared_value_unref(s->value);
    s->value = NULL;
    uv_mutex_destroy(&s->mutex);
}

struct shared_value *shared_get(struct shared *s)
{
    uv_mutex_lock(&s->mutex);
    struct shared_value *value = shared_value_ref(s->value);
    uv_mutex_unlock(&s->mutex);
    return value;
}

void shared_set(struct shared *s, struct shared_value *value)
{
    uv_mutex_lock(&s->mutex);
    struct shared_value *before = s->value;
    s->value = value;
    uv_mutex_unlock(&s->mutex);
    shared_value_unref(before);
}
