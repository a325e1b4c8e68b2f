/* metrics.c: a list of metrics that only grows, in the text format 0.0.4.
 *
 * Registering takes the mutex and keeps metrics of one name together, as the format wants them;
 * updating touches only the metric's own atomics; rendering walks the list under the mutex.
 * A histogram's count is the sum of its buckets as read, so that a scrape is consistent in itself
 * even while others observe. */
#include "base/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum { BUCKETS = 19 };

/* Upper bounds in nanoseconds and as the format prints them, in seconds. */
static const uint64_t bound_ns[BUCKETS] = {
    100000,     250000,      500000,      1000000,     2500000,      5000000,    10000000,
    25000000,   50000000,    100000000,   250000000,   500000000,    1000000000, 2500000000,
    5000000000, 10000000000, 25000000000, 50000000000, 100000000000,
};
static const char *const bound_text[BUCKETS] = {
    "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1",
    "0.25",   "0.5",     "1",      "2.5",   "5",      "10",    "25",   "50",    "100",
};

struct metric {
    struct metric *next;
    enum kind kind;
    char *name;
    char *labels; /* without braces; "" for none */
    char *help;
    _Atomic int64_t value;                 /* counters and gauges */
    _Atomic uint64_t buckets[BUCKETS + 1]; /* histograms; the last is beyond all bounds */
    _Atomic uint64_t sum_ns;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct metric *metrics; /* under mutex */

static struct metric *register_metric(enum kind kind, const char *name, const char *labels,
                                      const char *help)
{
    const char *wanted = labels != NULL ? labels : "";
    pthread_mutex_lock(&mutex);
    struct metric **at = &metrics;
    struct metric *found = NULL;
    for (struct metric **m = &metrics; *m != NULL && found == NULL; m = &(*m)->next) {
        at = &(*m)->next;
        if (strcmp((*m)->name, name) == 0) {
            assert((*m)->kind == kind && "one name, two kinds of metric");
            if (strcmp((*m)->labels, wanted) == 0) {
                found = *m;
            } else if ((*m)->next == NULL || strcmp((*m)->next->name, name) != 0) {
                break; /* behind the last of its name */
            }
        }
    }
    if (found == NULL) {
        found = mem_zero(sizeof *found);
        found->kind = kind;
        found->name = mem_strdup(name);
        found->labels = mem_strdup(wanted);
        found->help = mem_strdup(help);
        found->next = *at;
        *at = found;
    }
    pthread_mutex_unlock(&mutex);
    return found;
}

struct metric *metric_counter(const char *name, const char *labels, const char *help)
{
    return register_metric(COUNTER, name, labels, help);
}

struct metric *metric_gauge(const char *name, const char *labels, const char *help)
{
    return register_metric(GAUGE, name, labels, help);
}

struct metric *metric_histogram(const char *name, const char *labels, const char *help)
{
    return register_metric(HISTOGRAM, name, labels, help);
}

void metric_add(struct metric *m, int64_t n)
{
    assert(m->kind == GAUGE || (m->kind == COUNTER && n >= 0));
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    assert(m->kind == GAUGE);
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_ns(struct metric *m, uint64_t ns)
{
    assert(m->kind == HISTOGRAM);
    size_t i = 0;
    while (i < BUCKETS && ns > bound_ns[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_ns, ns, memory_order_relaxed);
}

static void add_header(struct buf *out, const char *name, const char *help, const char *type)
{
    buf_addf(out, "# HELP %s ", name);
    for (const char *p = help; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\\') {
            buf_add_cstr(out, *p == '\n' ? "\\n" : "\\\\");
        } else {
            buf_add_char(out, *p);
        }
    }
    buf_addf(out, "\n# TYPE %s %s\n", name, type);
}

/* name{labels,extra} with whatever of that there is, and a space. */
static void add_name(struct buf *out, const struct metric *m, const char *suffix, const char *le)
{
    buf_addf(out, "%s%s", m->name, suffix);
    if (m->labels[0] != '\0' || le != NULL) {
        bool both = m->labels[0] != '\0' && le != NULL;
        buf_addf(out, "{%s%s", m->labels, both ? "," : "");
        if (le != NULL) {
            buf_addf(out, "le=\"%s\"", le);
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, ' ');
}

static void add_histogram(struct buf *out, struct metric *m)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        add_name(out, m, "_bucket", i < BUCKETS ? bound_text[i] : "+Inf");
        buf_add_u64(out, count);
        buf_add_char(out, '\n');
    }
    uint64_t sum_ns = atomic_load_explicit(&m->sum_ns, memory_order_relaxed);
    add_name(out, m, "_sum", NULL);
    buf_addf(out, "%llu.%09llu\n", (unsigned long long)(sum_ns / 1000000000U),
             (unsigned long long)(sum_ns % 1000000000U));
    add_name(out, m, "_count", NULL);
    buf_add_u64(out, count);
    buf_add_char(out, '\n');
}

static void add_own(struct buf *out, const char *name, const char *type, const char *help,
                    double value)
{
    add_header(out, name, help, type);
    buf_addf(out, "%s %.17g\n", name, value);
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double count = 0;
    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count - 3; /* ., .. and the directory itself */
}

static double seconds_of(clockid_t id)
{
    struct timespec t = {0};
    (void)clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Field 22 of /proc/self/stat counts ticks since boot. The name in field 2 may hold anything, so
 * counting starts behind its closing bracket. */
static double start_time(void)
{
    char line[1024] = "";
    FILE *f = fopen("/proc/self/stat", "re");
    if (f == NULL) {
        return 0;
    }
    size_t len = fread(line, 1, sizeof line - 1, f);
    (void)fclose(f);
    line[len] = '\0';
    const char *at = strrchr(line, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at == NULL) {
        return 0;
    }
    double since_boot = (double)strtoull(at + 1, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
    return seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) + since_boot;
}

static void add_process(struct buf *out)
{
    unsigned long long pages_virtual = 0;
    unsigned long long pages_resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%llu %llu", &pages_virtual, &pages_resident) != 2) {
            pages_resident = 0;
        }
        (void)fclose(f);
    }
    double page = (double)sysconf(_SC_PAGESIZE);
    struct rlimit files = {0};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    add_own(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
            (double)pages_resident * page);
    add_own(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
            (double)pages_virtual * page);
    add_own(out, "process_cpu_seconds_total", "counter",
            "Total user and system CPU time spent in seconds.",
            seconds_of(CLOCK_PROCESS_CPUTIME_ID));
    add_own(out, "process_open_fds", "gauge", "Number of open file descriptors.", open_files());
    add_own(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
            (double)files.rlim_cur);
    add_own(out, "process_start_time_seconds", "gauge",
            "Start time of the process since unix epoch in seconds.", start_time());
}

void metrics_render(struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *last = "";
    pthread_mutex_lock(&mutex);
    for (struct metric *m = metrics; m != NULL; m = m->next) {
        if (strcmp(m->name, last) != 0) {
            add_header(out, m->name, m->help, types[m->kind]);
            last = m->name;
        }
        if (m->kind == HISTOGRAM) {
            add_histogram(out, m);
        } else {
            add_name(out, m, "", NULL);
            buf_addf(out, "%lld\n",
                     (long long)atomic_load_explicit(&m->value, memory_order_relaxed));
        }
    }
    pthread_mutex_unlock(&mutex);
    add_process(out);
}
