/* main.c: random lives of clusters, judged.
 *
 *     sim_raft [--seed N] [--seeds COUNT] [--ms TIME] [--groups N] [--store] [--plant BUG]
 *              [--trace]
 *
 * Each seed is one cluster of three or five voters, with one to four groups on one log each, on
 * virtual time. For some seconds of it, nodes crash (with the power, or only the process), disks
 * fail and tear, links break one way and mend, messages are lost, doubled, delayed and reordered,
 * leadership is handed over, servers join, are promoted, demoted and removed, states are sent as
 * images. Then everything heals, and the cluster must make progress, agree, and hold every
 * acknowledged request exactly once. With --store, the production store applies every entry too, in
 * SQLite databases of its own. A violation prints its seed; `--seed N` replays it exactly. With
 * --plant, the run succeeds if and only if some seed catches the bug. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/lib/world.h"
#include "tests/sim/store_hooks.h"

struct plan {
    uint64_t seed;
    uint64_t seeds;
    uint64_t ms;
    uint64_t groups; /* 0: by the seed */
    const char *plant;
    bool store;
    bool trace;
};

struct tally {
    uint64_t events;
    uint64_t acknowledged;
    uint64_t reads;
    uint64_t elections;
    uint64_t installs;
    uint64_t members;
    uint64_t transfers;
    uint64_t crashes;
};

struct chaos {
    struct world *w;
    struct tally *tally;
    bool membership;
    bool restless; /* strike_young_leaders() */
    uint64_t struck[WORLD_GROUPS];
    uint64_t back[WORLD_NODES];
};

static int any_node(struct world *w)
{
    return (int)world_random(w, WORLD_NODES);
}

static int any_group(struct world *w)
{
    return (int)world_random(w, (uint64_t)w->options.groups);
}

static int count_up(struct world *w)
{
    int up = 0;
    for (int i = 0; i < WORLD_NODES; i++) {
        up += w->nodes[i].up ? 1 : 0;
    }
    return up;
}

static void crash_or_start(struct chaos *c)
{
    struct world *w = c->w;
    int node = any_node(w);
    if (w->nodes[node].up) {
        if (count_up(w) < 2 && world_random(w, 4) != 0) {
            return;
        }
        c->tally->crashes++;
        if (world_random(w, 3) == 0) {
            world_kill(w, node);
        } else {
            world_crash(w, node);
        }
    } else if (world_is_member(w, node)) {
        world_start(w, node);
    }
}

static void change_links(struct world *w)
{
    if (world_random(w, 3) == 0) {
        memset(w->blocked, 0, sizeof w->blocked);
        return;
    }
    if (world_random(w, 3) == 0) { /* one node from all, one way or both */
        int node = any_node(w);
        uint64_t way = world_random(w, 3);
        for (int i = 0; i < WORLD_NODES; i++) {
            w->blocked[node][i] = i != node && way != 0;
            w->blocked[i][node] = i != node && way != 1;
        }
        return;
    }
    w->blocked[any_node(w)][any_node(w)] = world_random(w, 2) == 0;
}

static void change_members(struct chaos *c)
{
    struct world *w = c->w;
    int node = any_node(w);
    int group = any_group(w);
    bool member = w->nodes[node].replicas[group].member;
    bool asked = false;
    switch (world_random(w, 5)) {
    case 0:
        asked = world_join(w, group, node);
        break;
    case 1:
    case 2:
        asked = member && world_promote(w, group, node);
        break;
    case 3:
        asked = member && world_demote(w, group, node);
        break;
    default:
        asked = member && world_remove(w, group, node);
        break;
    }
    c->tally->members += asked ? 1 : 0;
}

/* A group's leader is cut off, and everybody's connections to it break: the next one is elected
 * while it still believes in itself. */
static void depose(struct world *w)
{
    int leader = world_leader(w, any_group(w));
    for (int i = 0; leader >= 0 && i < WORLD_NODES; i++) {
        if (i != leader) {
            w->blocked[leader][i] = true;
            w->blocked[i][leader] = true;
            world_break(w, i, leader);
        }
    }
}

/* A leader dies young: before its first entry is everywhere. */
static void strike_young_leaders(struct chaos *c)
{
    struct world *w = c->w;
    for (int at = 0; at < WORLD_NODES * w->options.groups; at++) {
        int i = at / w->options.groups;
        int group = at % w->options.groups;
        const struct world_replica *r = &w->nodes[i].replicas[group];
        bool young = r->group != NULL && r->leading_term > c->struck[group] &&
                     w->now_us - r->leading_since_us < 60000;
        if (young && world_random(w, 3) == 0) {
            c->struck[group] = r->leading_term;
            c->tally->crashes++;
            world_kill(w, i);
            c->back[i] = w->now_us + 1000 * world_random(w, 400);
        }
    }
    for (int i = 0; i < WORLD_NODES; i++) {
        if (c->back[i] != 0 && w->now_us >= c->back[i]) {
            c->back[i] = 0;
            if (world_is_member(w, i) && !w->nodes[i].up) {
                world_start(w, i);
            }
        }
    }
}

static void mischief(struct chaos *c)
{
    struct world *w = c->w;
    uint64_t dice = world_random(w, 100);
    if (dice < 8) {
        depose(w);
    } else if (dice < 30) {
        memset(w->blocked, 0, sizeof w->blocked);
    } else if (dice < 42) {
        crash_or_start(c);
    } else if (dice < 56) {
        change_links(w);
    } else if (dice < 60) {
        int node = any_node(w);
        if (w->nodes[node].up) {
            w->nodes[node].disk.fail_at =
                w->nodes[node].disk.operations + 1 + (unsigned)world_random(w, 30);
        }
    } else if (dice < 68) {
        bool asked = world_transfer(w, any_group(w), world_random(w, 2) == 0 ? any_node(w) : -1);
        c->tally->transfers += asked ? 1 : 0;
    } else if (dice < 82 && c->membership) {
        change_members(c);
    } else if (dice < 90) {
        for (int i = 0; i < WORLD_NODES; i++) {
            if (world_is_member(w, i) && !w->nodes[i].up) {
                world_start(w, i);
            }
        }
    }
}

static bool settled(struct world *w)
{
    return world_converged(w);
}

static void heal_and_check(struct world *w)
{
    world_heal(w);
    uint64_t before = w->oracle.acknowledged;
    world_run(w, 1500);
    if (!world_run_until(w, world_has_leader, 20000)) {
        oracle_violation(&w->oracle, "no leader twenty seconds after healing");
        return;
    }
    world_run(w, 1500);
    if (w->oracle.acknowledged == before) {
        oracle_violation(&w->oracle, "no progress after healing");
    }
    w->stop_clients = true;
    if (!world_run_until(w, settled, 20000)) {
        oracle_violation(&w->oracle, "replicas do not converge after healing");
        return;
    }
    world_final_checks(w);
}

static void plant(struct world_options *o, const char *bug)
{
    if (strcmp(bug, "skip-sync") == 0) {
        o->wal_faults = WAL_TEST_SKIP_SYNC;
    } else if (strcmp(bug, "forget-other-groups") == 0) {
        o->wal_faults = WAL_TEST_FORGET_OTHER_GROUPS;
    } else if (strcmp(bug, "ack-early") == 0) {
        o->group_faults = GROUP_TEST_ACK_EARLY;
    } else if (strcmp(bug, "commit-by-counting") == 0) {
        o->group_faults = GROUP_TEST_COMMIT_BY_COUNTING;
    } else if (strcmp(bug, "read-alone") == 0) {
        o->group_faults = GROUP_TEST_READ_ALONE;
    } else if (strcmp(bug, "confuse-requests") == 0) {
        o->confuse_requests = true;
    } else if (strcmp(bug, "forget-stamps") == 0) {
        o->forget_stamps = true;
    } else {
        (void)fprintf(stderr, "unknown bug %s\n", bug);
        exit(2);
    }
}

/* False if the oracle found a violation. */
static bool run_seed(const struct plan *plan, uint64_t seed, struct tally *tally)
{
    struct world_options options = {.seed = seed, .trace = plan->trace};
    uint64_t style = seed * 0x9e3779b97f4a7c15u >> 40;
    options.voters = style % 3 == 0 ? 5 : 3;
    options.loss_percent = (unsigned)(style / 3 % 4) * 5;
    options.duplicate_percent = (unsigned)(style / 12 % 3) * 5;
    options.delay_max_ms = 1 + (unsigned)(style / 36 % 3) * 8;
    options.disk_max_ms = 1 + (unsigned)(style / 108 % 3) * 10;
    options.snapshot_every = 10 + (unsigned)(style / 324 % 4) * 15;
    options.groups = plan->groups != 0 ? (int)plan->groups : 1 + (int)(style / 1296 % 4);
    options.clients = options.groups < 3 ? 4 : 2 * (unsigned)options.groups;
    options.segment_bytes = 2048u << style / 5184 % 4;
    options.append_bytes = style / 7 % 2 == 0 ? 1 : 0;
    if (plan->plant != NULL) {
        plant(&options, plan->plant);
    }
    options.hooks = plan->store ? store_hooks_new() : NULL;
    struct world *w = world_new(&options);
    struct chaos c = {
        .w = w, .tally = tally, .membership = style % 2 == 0, .restless = style / 2 % 3 == 0};
    uint64_t end = w->now_us + plan->ms * 1000;
    while (w->now_us < end && w->oracle.violations == 0) {
        world_run(w, 1 + world_random(w, 15));
        if (world_random(w, 2) == 0) {
            world_read(w, any_group(w), world_random(w, 2) == 0 ? any_node(w) : -1);
        }
        if (world_random(w, 8) == 0) {
            mischief(&c);
        }
        if (c.restless) {
            strike_young_leaders(&c);
        }
    }
    if (w->oracle.violations == 0) {
        heal_and_check(w);
    }
    tally->events += w->events;
    tally->acknowledged += w->oracle.acknowledged;
    tally->reads += w->oracle.reads;
    tally->elections += w->elections;
    tally->installs += w->installs;
    bool sound = w->oracle.violations == 0;
    if (!sound) {
        printf("seed %llu: at %llu ms: %s\n", (unsigned long long)seed,
               (unsigned long long)w->now_us / 1000, w->oracle.first);
        if (plan->trace) {
            world_print(w);
        }
    }
    world_free(w);
    if (options.hooks != NULL) {
        store_hooks_free(options.hooks);
    }
    return sound;
}

static uint64_t number(const char *text)
{
    uint64_t value;
    if (text == NULL || !slice_u64(slice_of(text), &value)) {
        (void)fprintf(stderr, "a number is wanted\n");
        exit(2);
    }
    return value;
}

static struct plan parse(int argc, char **argv)
{
    struct plan plan = {.seed = 1, .seeds = 1, .ms = 12000};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0) {
            plan.trace = true;
        } else if (strcmp(argv[i], "--store") == 0) {
            plan.store = true;
        } else if (strcmp(argv[i], "--seed") == 0) {
            plan.seed = number(value);
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            plan.seeds = number(value);
            i++;
        } else if (strcmp(argv[i], "--groups") == 0) {
            plan.groups = number(value);
            i++;
        } else if (strcmp(argv[i], "--ms") == 0) {
            plan.ms = number(value);
            i++;
        } else if (strcmp(argv[i], "--plant") == 0 && value != NULL) {
            plan.plant = value;
            i++;
        } else {
            (void)fprintf(stderr, "usage: sim_raft [--seed N] [--seeds COUNT] [--groups N] "
                                  "[--plant BUG] [--ms TIME] [--store] [--trace]\n");
            exit(2);
        }
    }
    if (plan.groups > WORLD_GROUPS) {
        (void)fprintf(stderr, "at most %d groups\n", WORLD_GROUPS);
        exit(2);
    }
    return plan;
}

int main(int argc, char **argv)
{
    struct plan plan = parse(argc, argv);
    log_setup(plan.trace ? LOG_INFO : LOG_ERROR, LOG_TEXT);
    struct tally tally = {0};
    uint64_t found = 0;
    uint64_t run = 0;
    for (uint64_t i = 0; i < plan.seeds && !(plan.plant != NULL && found > 0); i++) {
        found += run_seed(&plan, plan.seed + i, &tally) ? 0 : 1;
        run++;
    }
    printf("seeds %llu..%llu: %llu events, %llu acknowledged, %llu reads, %llu elections, %llu "
           "crashes, %llu installs, %llu transfers, %llu changes; %llu seeds failed\n",
           (unsigned long long)plan.seed, (unsigned long long)(plan.seed + run - 1),
           (unsigned long long)tally.events, (unsigned long long)tally.acknowledged,
           (unsigned long long)tally.reads, (unsigned long long)tally.elections,
           (unsigned long long)tally.crashes, (unsigned long long)tally.installs,
           (unsigned long long)tally.transfers, (unsigned long long)tally.members,
           (unsigned long long)found);
    if (plan.plant != NULL) {
        printf("planted %s: %s\n", plan.plant, found > 0 ? "caught" : "NOT caught");
        return found > 0 ? 0 : 1;
    }
    return found == 0 ? 0 : 1;
}
