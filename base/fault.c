/* fault.c: a table of armed points under a mutex, and a counter beside it so that production pays
 * one relaxed load. A point that has failed and is not sticky leaves the table. */
#include "base/fault.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

enum { POINTS_MAX = 32, NAME_MAX_BYTES = 64 };

struct point {
    char name[NAME_MAX_BYTES]; /* "" is free */
    unsigned left;             /* passings until it fails; 0: fails at each */
    bool sticky;
};

static struct point points[POINTS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint armed;

/* The row of that name, else (for "") a free one; NULL if there is none. */
static struct point *row_of(const char *name)
{
    for (size_t i = 0; i < POINTS_MAX; i++) {
        if (slice_eq(slice_of(points[i].name), slice_of(name))) {
            return &points[i];
        }
    }
    return NULL;
}

static bool pass(struct point *p)
{
    if (p->left > 1) {
        p->left--;
        return false;
    }
    if (p->sticky) {
        p->left = 0;
    } else {
        p->name[0] = '\0';
        atomic_fetch_sub_explicit(&armed, 1, memory_order_relaxed);
    }
    return true;
}

bool fault_hit(const char *point)
{
    if (__builtin_expect(atomic_load_explicit(&armed, memory_order_relaxed) == 0, 1)) {
        return false;
    }
    pthread_mutex_lock(&mutex);
    struct point *p = row_of(point);
    bool fails = p != NULL && pass(p);
    pthread_mutex_unlock(&mutex);
    return fails;
}

void fault_arm(const char *point, unsigned nth, bool sticky)
{
    assert(nth > 0 && point[0] != '\0');
    pthread_mutex_lock(&mutex);
    struct point *p = row_of(point);
    if (p == NULL) {
        p = row_of("");
        assert(p != NULL && "raise POINTS_MAX");
        int len = snprintf(p->name, sizeof p->name, "%s", point);
        assert(len < (int)sizeof p->name);
        atomic_fetch_add_explicit(&armed, 1, memory_order_relaxed);
    }
    p->left = nth;
    p->sticky = sticky;
    pthread_mutex_unlock(&mutex);
}

void fault_disarm_all(void)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < POINTS_MAX; i++) {
        points[i].name[0] = '\0';
    }
    atomic_store_explicit(&armed, 0, memory_order_relaxed);
    pthread_mutex_unlock(&mutex);
}

static bool arm_from(struct slice item)
{
    bool sticky = slice_ends_with(item, SLICE("+"));
    struct slice name = slice_sub(item, 0, slice_find(item, SLICE("=")));
    struct slice number = slice_sub(item, name.len + 1, SIZE_MAX);
    uint64_t nth = 1;
    number.len -= sticky && number.len > 0 ? 1 : 0;
    if (name.len == 0 || name.len >= NAME_MAX_BYTES ||
        (name.len < item.len && (!slice_u64(number, &nth) || nth == 0 || nth > UINT32_MAX))) {
        return false;
    }
    char *point = slice_dup(name);
    fault_arm(point, (unsigned)nth, sticky);
    free(point);
    return true;
}

void fault_from_environment(void)
{
    struct slice rest = slice_of(getenv("CHOREOD_FAULTS"));
    struct slice item;
    while (slice_split(&rest, ',', &item)) {
        item = slice_trim(item);
        if (item.len > 0 && !arm_from(item)) {
            (void)fprintf(stderr, "CHOREOD_FAULTS: \"%.*s\" is not POINT=N or POINT=N+\n",
                          SLICE_ARG(item));
            exit(2);
        }
    }
}
