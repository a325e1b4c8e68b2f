/* store_hooks.c: SQLite shards under the simulated groups.
 *
 * Every client command becomes a write with a request id: the same id when it is retried. The
 * leader stamps versions as production does: above all that was applied when its Open was, and
 * growing. A kill keeps the database and its write-ahead log as they are on disk; a power cut puts
 * back the file as of the last checkpoint, or keeps both. Judged: the store stands at the machine's
 * index at every start; equal index means equal state and equal rows; versions grow with the index;
 * each request has one version for ever, and an acknowledged one is found on the node that
 * acknowledged it. */
#include "tests/sim/store_hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/apply.h"
#include "store/db.h"
#include "store/digest.h"
#include "store/image.h"
#include "store/reader.h"
#include "store/version.h"
#include "tests/lib/tmpdir.h"

enum { PATH_BYTES = 300, IMAGE_PAGES = 64 };
#define WALL_START_MS UINT64_C(1800000000000)

/* What has been seen of one group's stores. */
struct seen {
    uint64_t states[MACHINE_HISTORY];         /* digest of the state at each index; 0: not seen */
    uint64_t rows[MACHINE_HISTORY];           /* of the rows, where somebody looked */
    uint64_t versions[MACHINE_HISTORY];       /* the last version at each index */
    uint64_t requests[MACHINE_CLIENTS][4096]; /* the version of each; 0: not executed */
    uint64_t issued_ms[MACHINE_CLIENTS];
    uint32_t issued_sequence[MACHINE_CLIENTS];
};

struct stores {
    struct world_hooks hooks;
    struct tmpdir dir;
    unsigned images;
    struct seen seen[WORLD_GROUPS];
};

struct node_store {
    struct db db;
    char path[PATH_BYTES];
    uint64_t stamp; /* the greatest that this leader gave */
    bool open;
};

static struct stores *stores_of(const struct world_replica *r)
{
    return r->node->world->options.hooks->user;
}

static struct seen *seen_of(const struct world_replica *r)
{
    return &stores_of(r)->seen[r->number];
}

static uint32_t shard_of(const struct world_replica *r)
{
    return (uint32_t)r->number + 1;
}

static struct node_store *store_of(struct world_replica *r)
{
    if (r->store == NULL) {
        struct node_store *s = mem_zero(sizeof *s);
        (void)snprintf(s->path, sizeof s->path, "%s/%s-%d.db", stores_of(r)->dir.path,
                       r->node->name, r->number);
        r->store = s;
    }
    return r->store;
}

static void wrong(struct world_replica *r, const char *what, const struct err *err)
{
    oracle_violation(&r->node->world->oracle, "%s: store: %s: %s", r->node->name, what,
                     err != NULL ? err->message : "");
}

/* ---- files ---- */

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    (void)remove(to);
    if (in == NULL) {
        return;
    }
    FILE *out = fopen(to, "wb");
    char bytes[8192];
    size_t n;
    while (out != NULL && (n = fread(bytes, 1, sizeof bytes, in)) > 0) {
        if (fwrite(bytes, 1, n, out) != n) {
            abort();
        }
    }
    (void)fclose(in);
    if (out == NULL || fclose(out) != 0) {
        abort();
    }
}

static const char *beside(const struct node_store *s, const char *suffix)
{
    static char path[2][PATH_BYTES + 16];
    static unsigned turn;
    turn ^= 1;
    (void)snprintf(path[turn], sizeof path[turn], "%s%s", s->path, suffix);
    return path[turn];
}

static void remove_files(const struct node_store *s)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)remove(beside(s, suffixes[i]));
    }
}

/* ---- lives ---- */

static void start(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    struct err err;
    struct db_config config = {
        .path = s->path, .shard = shard_of(r), .cluster = SLICE("sim"), .namespaces_open = true};
    if (db_open(&s->db, &config, &err) != 0) {
        wrong(r, "open", &err);
        return;
    }
    s->open = true;
    if (s->db.state.applied_index != r->now.index) {
        oracle_violation(&r->node->world->oracle, "%s: store stands at %llu, the machine at %llu",
                         r->node->name, (unsigned long long)s->db.state.applied_index,
                         (unsigned long long)r->now.index);
    }
}

/* As kill -9 leaves it: a clean close would tidy up. */
static void stop(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    if (!s->open) {
        return;
    }
    copy_file(s->path, beside(s, ".kept"));
    copy_file(beside(s, "-wal"), beside(s, ".kept-wal"));
    db_close(&s->db);
    s->open = false;
    remove_files(s);
    copy_file(beside(s, ".kept"), s->path);
    copy_file(beside(s, ".kept-wal"), beside(s, "-wal"));
}

static void power_cut(struct world_replica *r, bool rolled_back)
{
    struct node_store *s = store_of(r);
    if (rolled_back) {
        remove_files(s);
        copy_file(beside(s, ".durable"), s->path);
    }
}

static void wipe(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    remove_files(s);
    (void)remove(beside(s, ".durable"));
    s->stamp = 0;
}

/* ---- the leader's side ---- */

static uint64_t wall_ms(const struct world_replica *r)
{
    return WALL_START_MS + r->node->world->now_us / 1000 +
           300 * (uint64_t)r->node->number; /* clocks differ */
}

static void ready(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    s->stamp = s->db.state.last_version > s->db.state.stamp_floor ? s->db.state.last_version
                                                                  : s->db.state.stamp_floor;
    if (r->node->world->options.forget_stamps) {
        s->stamp = 0;
    }
}

static uint64_t stamp(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    s->stamp = version_next(s->stamp, wall_ms(r), shard_of(r));
    return s->stamp;
}

struct texts {
    char name[32];
    char id[32];
    char subject[32];
    char body[96];
    char digest[REQUEST_DIGEST_BYTES];
};

static void name_request(const struct machine_command *c, struct texts *t)
{
    (void)snprintf(t->id, sizeof t->id, "request-%04u-%08u", c->client, c->sequence);
    (void)snprintf(t->subject, sizeof t->subject, "client-%u", c->client);
}

static struct command write_command(struct world_replica *r, const struct machine_command *c,
                                    struct texts *t)
{
    struct seen *seen = seen_of(r);
    if (seen->issued_sequence[c->client] != c->sequence) {
        seen->issued_sequence[c->client] = c->sequence;
        seen->issued_ms[c->client] = WALL_START_MS + r->node->world->now_us / 1000;
    }
    name_request(c, t);
    (void)snprintf(t->name, sizeof t->name, "counter-%u", c->key);
    (void)snprintf(t->body, sizeof t->body, "{\"metadata\":{\"uid\":\"u-%u\"},\"amount\":%u}",
                   c->key, c->amount);
    memset(t->digest, (int)(c->sequence % 251), sizeof t->digest);
    static const enum backend_verb verbs[] = {BACKEND_CREATE, BACKEND_UPDATE, BACKEND_UPDATE,
                                              BACKEND_DELETE};
    struct command_write w = {
        .verb = verbs[c->amount % 4],
        .key = {.resource = SLICE("configmaps"), .ns = SLICE("default"), .name = slice_of(t->name)},
        .body = slice_of(t->body),
        .splice = 13, /* behind {"metadata":{ */
        .version = stamp(r),
        .client_made = true,
        .subject = slice_of(t->subject),
        .request_id = slice_of(t->id),
        .issued_ms = seen->issued_ms[c->client],
        .request_digest = slice_make(t->digest, sizeof t->digest),
        .audit = SLICE("audit"),
    };
    return (struct command){.kind = COMMAND_WRITE, .write = w};
}

static struct command upkeep_command(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    switch (world_random(r->node->world, 3)) {
    case 0:
        return (struct command){.kind = COMMAND_CEILING,
                                .ceiling = version_at(wall_ms(r) + 3000, shard_of(r))};
    case 1:
        return (struct command){
            .kind = COMMAND_COMPACT,
            .compact = {.before = s->db.state.last_version / 2 +
                                  version_at(wall_ms(r) - 2000, shard_of(r)) / 2,
                        .rows_max = 10}};
    default:
        return (struct command){
            .kind = COMMAND_EXPIRE_REQUESTS,
            .expire = {.before_ms = wall_ms(r) - REQUEST_WINDOW_MS - 60000, .rows_max = 10}};
    }
}

static void encode(struct world_replica *r, const struct machine_command *c, struct buf *out)
{
    struct command commands[2];
    struct texts texts;
    struct entry entry = {.time_ms = wall_ms(r), .commands = commands};
    if (c == NULL) {
        commands[entry.count++] =
            (struct command){.kind = COMMAND_OPEN,
                             .open = {.term = r->leading_term,
                                      .incarnation = 1,
                                      .ceiling = version_at(wall_ms(r) + 3000, shard_of(r))}};
    } else {
        commands[entry.count++] = write_command(r, c, &texts);
        if (world_random(r->node->world, 10) == 0) {
            commands[entry.count++] = upkeep_command(r);
        }
    }
    struct err err;
    entry.compressed = true;
    if (entry_encode(&entry, out, &err) != 0) {
        wrong(r, "encode", &err);
    }
}

/* ---- every node's side ---- */

static void agree(struct world_replica *r, uint64_t *known, uint64_t seen, const char *what,
                  uint64_t index)
{
    if (*known == 0) {
        *known = seen;
    } else if (*known != seen) {
        oracle_violation(&r->node->world->oracle, "%s: store: %s differ at %llu", r->node->name,
                         what, (unsigned long long)index);
    }
}

static void judge_state(struct world_replica *r)
{
    struct seen *seen = seen_of(r);
    const struct db_state *st = &store_of(r)->db.state;
    uint64_t index = st->applied_index;
    if (index == 0 || index >= MACHINE_HISTORY) {
        return;
    }
    uint64_t parts[] = {st->applied_term, st->last_version, st->stamp_floor, st->ceiling,
                        st->open_term,    st->floor,        st->compacted,   st->expired_ms,
                        st->time_ms,      st->audit_count};
    agree(r, &seen->states[index], slice_hash(slice_make(parts, sizeof parts)) | 1, "states",
          index);
    seen->versions[index] = st->last_version;
    if (seen->versions[index - 1] > st->last_version) {
        oracle_violation(&r->node->world->oracle, "%s: store: version falls at %llu", r->node->name,
                         (unsigned long long)index);
    }
}

static void judge_outcome(struct world_replica *r, struct slice payload,
                          const struct outcome *outcome)
{
    struct slice part = machine_part(payload);
    if (part.len != sizeof(struct machine_command)) {
        return;
    }
    struct machine_command c;
    memcpy(&c, part.data, sizeof c);
    uint64_t *known = &seen_of(r)->requests[c.client % MACHINE_CLIENTS][c.sequence % 4096];
    bool lasting = outcome->kind == OUTCOME_DONE || outcome->kind == OUTCOME_EXISTS ||
                   outcome->kind == OUTCOME_ABSENT;
    if (!lasting) {
        oracle_violation(&r->node->world->oracle, "%s: store: request %u:%u came to \"%s\"",
                         r->node->name, c.client, c.sequence, outcome_message(outcome->kind));
        return;
    }
    agree(r, known, outcome->version * 4 + (uint64_t)outcome->kind + 1, "outcomes of a request",
          store_of(r)->db.state.applied_index);
}

static bool apply_some(struct world_replica *r, const struct group_entry *entries, size_t count)
{
    struct node_store *s = store_of(r);
    struct apply_entry *list = mem_zero(count * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct apply_entry){.index = entries[i].index, .term = entries[i].term};
        if (entries[i].data != NULL) {
            list[i].payload = machine_rest(payload_slice(entries[i].data));
        }
    }
    struct arena arena = {0};
    struct apply_result result = {0};
    struct err err;
    int rc = apply_entries(&s->db, list, count, payload_slice(entries[count - 1].configuration),
                           &arena, &result, &err);
    if (rc != 0) {
        wrong(r, "apply", &err);
    }
    for (size_t i = 0; rc == 0 && i < result.span_count; i++) {
        if (result.spans[i].count > 0 && entries[i].data != NULL) {
            judge_outcome(r, payload_slice(entries[i].data),
                          &result.outcomes[result.spans[i].first]);
        }
    }
    if (rc == 0) {
        judge_state(r);
    }
    arena_free(&arena);
    free(list);
    return rc == 0;
}

static void apply(struct world_replica *r, const struct group_entry *entries, size_t count)
{
    bool together = world_random(r->node->world, 2) == 0;
    for (size_t at = 0; at < count; at += together ? count : 1) {
        if (!apply_some(r, entries + at, together ? count : 1)) {
            return;
        }
    }
}

static void judge_rows(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    struct reader reader;
    struct err err;
    uint8_t digest[SHA256_BYTES];
    uint64_t index = 0;
    if (reader_open(&reader, s->path, shard_of(r), &err) != 0) {
        wrong(r, "read", &err);
        return;
    }
    if (digest_rows(&reader, digest, &index, &err) != 0) {
        wrong(r, "digest", &err);
    } else if (index > 0 && index < MACHINE_HISTORY) {
        uint64_t short_digest;
        memcpy(&short_digest, digest, sizeof short_digest);
        agree(r, &seen_of(r)->rows[index], short_digest | 1, "rows", index);
    }
    reader_close(&reader);
}

static void checkpoint(struct world_replica *r)
{
    struct node_store *s = store_of(r);
    struct err err;
    uint64_t index = 0;
    if (db_checkpoint(&s->db, &index, &err) != 0 || index != r->now.index) {
        wrong(r, "checkpoint", index == 0 ? &err : NULL);
        return;
    }
    copy_file(s->path, beside(s, ".durable"));
    judge_rows(r);
}

static void acknowledged(struct world_replica *r, const struct machine_command *c)
{
    struct seen *seen = seen_of(r);
    struct texts t;
    struct reader reader;
    struct err err;
    name_request(c, &t);
    if (reader_open(&reader, store_of(r)->path, shard_of(r), &err) != 0) {
        wrong(r, "read", &err);
        return;
    }
    struct outcome outcome;
    int rc = reader_begin(&reader, &err);
    if (rc == 0) {
        rc = reader_outcome(&reader, slice_of(t.subject), slice_of(t.id),
                            seen->issued_ms[c->client], &outcome, NULL, &err);
        reader_end(&reader);
    }
    if (rc != 0) {
        wrong(r, "an acknowledged request is not there", &err);
    } else {
        agree(r, &seen->requests[c->client][c->sequence % 4096],
              outcome.version * 4 + (uint64_t)outcome.kind + 1, "outcomes of a request",
              r->now.index);
    }
    reader_close(&reader);
}

/* ---- images ---- */

static void *make_image(struct world_replica *r)
{
    struct stores *all = stores_of(r);
    char *path = mem_alloc(PATH_BYTES);
    (void)snprintf(path, PATH_BYTES, "%s/image-%u", all->dir.path, all->images++);
    struct image image;
    struct err err;
    int rc = image_start(&image, store_of(r)->path, shard_of(r), path, 60000, &err);
    while (rc == 0 && !image.done) {
        rc = image_step(&image, IMAGE_PAGES, &err);
    }
    if (rc != 0) {
        wrong(r, "image", &err);
    } else if (image.header.index != r->now.index) {
        wrong(r, "the image stands at another index", NULL);
    }
    image_end(&image);
    return path;
}

static void free_image(void *image)
{
    (void)remove(image);
    free(image);
}

static void install(struct world_replica *r, void *image)
{
    struct node_store *s = store_of(r);
    struct image_header header = {0};
    struct err err;
    db_close(&s->db);
    s->open = false;
    if (image_install(image, s->path, shard_of(r), SLICE("sim"), &header, &err) != 0) {
        wrong(r, "install", &err);
    }
    image_header_free(&header);
    free_image(image);
    start(r);
    copy_file(s->path, beside(s, ".durable"));
    judge_state(r);
}

static void compare(struct world *w)
{
    for (int at = 0; at < WORLD_NODES * w->options.groups; at++) {
        struct world_replica *r =
            &w->nodes[at / w->options.groups].replicas[at % w->options.groups];
        if (r->group != NULL) {
            judge_rows(r);
        }
    }
}

/* ---- life ---- */

const struct world_hooks *store_hooks_new(void)
{
    struct stores *all = mem_zero(sizeof *all);
    all->hooks = (struct world_hooks){
        .user = all,
        .start = start,
        .stop = stop,
        .power_cut = power_cut,
        .wipe = wipe,
        .encode = encode,
        .apply = apply,
        .ready = ready,
        .acknowledged = acknowledged,
        .checkpoint = checkpoint,
        .image = make_image,
        .image_free = free_image,
        .install = install,
        .compare = compare,
    };
    tmpdir_make(&all->dir);
    return &all->hooks;
}

void store_hooks_free(const struct world_hooks *hooks)
{
    struct stores *all = hooks->user;
    tmpdir_remove(&all->dir);
    free(all);
}
