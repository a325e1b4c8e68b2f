/* config.c: from YAML to struct config.
 *
 * One table lists every key with its type, limits and place in the struct; reading walks the
 * document and looks each key up there, so a key that is not in the table is unknown, and nothing
 * is listed twice. deploy/choreod.yaml documents the same keys (a test compares them).
 * Failure path: the first fault ends it, named as FILE:LINE: KEY. */
#include "node/config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/yaml.h"

enum key_type { KEY_STRING, KEY_ADDRESS, KEY_FILE, KEY_COUNT, KEY_DURATION, KEY_BOOL, KEY_CHOICE };

struct key {
    const char *path;
    enum key_type type;
    size_t offset;
    uint64_t least; /* KEY_COUNT; KEY_DURATION in ms */
    uint64_t most;
    const char *const *choices; /* KEY_CHOICE: the index is stored */
};

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"text", "json", NULL};

#define AT(field) offsetof(struct config, field)
static const struct key keys[] = {
    {"dataDir", KEY_STRING, AT(data_dir), 0, 0, NULL},
    {"api.listen", KEY_ADDRESS, AT(api_listen), 0, 0, NULL},
    {"api.certFile", KEY_FILE, AT(api_cert_file), 0, 0, NULL},
    {"api.keyFile", KEY_FILE, AT(api_key_file), 0, 0, NULL},
    {"api.loops", KEY_COUNT, AT(api_loops), 1, 16, NULL},
    {"api.connections", KEY_COUNT, AT(api_connections), 16, 1000000, NULL},
    {"subjects.requestsPerSecond", KEY_COUNT, AT(subject_rate), 0, 1000000, NULL},
    {"subjects.requests", KEY_COUNT, AT(subject_requests), 0, 1000000, NULL},
    {"subjects.watches", KEY_COUNT, AT(subject_watches), 0, 1000000, NULL},
    {"subjects.megabytes", KEY_COUNT, AT(subject_megabytes), 0, 65536, NULL},
    {"peers.listen", KEY_ADDRESS, AT(peer_listen), 0, 0, NULL},
    {"shards.loops", KEY_COUNT, AT(shard_loops), 0, 16, NULL},
    {"shards.events", KEY_DURATION, AT(event_ttl_ms), 10 * 1000, 7 * 24 * 3600 * 1000ULL, NULL},
    {"shards.history", KEY_DURATION, AT(history_ms), 5 * 60 * 1000, 7 * 24 * 3600 * 1000ULL, NULL},
    {"clusters.requestsPerSecond", KEY_COUNT, AT(cluster_requests_per_second), 1, 100000, NULL},
    {"sources.allowLocal", KEY_BOOL, AT(allow_local_sources), 0, 0, NULL},
    {"reconcile", KEY_BOOL, AT(reconcile), 0, 0, NULL},
    {"log.level", KEY_CHOICE, AT(log_level), 0, 0, levels},
    {"log.format", KEY_CHOICE, AT(log_format), 0, 0, formats},
};
enum { KEY_TABLE_COUNT = sizeof keys / sizeof keys[0] };

struct reading {
    struct config *config;
    struct slice text;
    const char *name;
    struct err *err;
};

static int fault(const struct reading *r, const char *path, const char *what)
{
    int line = yaml_line_of(r->text, path);
    return err_set(r->err, ERR_INVALID, "%s:%d: %s: %s", r->name, line > 0 ? line : 1, path, what);
}

/* "host:port" or "[v6]:port", the port from 1 to 65535. */
static bool is_address(struct slice s)
{
    size_t colon = s.len;
    while (colon > 0 && s.data[colon - 1] != ':') {
        colon--;
    }
    uint64_t port;
    return colon > 1 && slice_u64(slice_sub(s, colon, SIZE_MAX), &port) && port >= 1 &&
           port <= 65535;
}

static int store_text(const struct reading *r, const struct key *key, struct slice text, void *at)
{
    char what[ERR_MESSAGE_MAX];
    if (text.len == 0) {
        return fault(r, key->path, "must not be empty");
    }
    if (key->type == KEY_ADDRESS && !is_address(text)) {
        return fault(r, key->path, "must be HOST:PORT, for example 0.0.0.0:7443");
    }
    const char *copy = arena_cstr(&r->config->arena, text);
    if (key->type == KEY_FILE && access(copy, R_OK) != 0) {
        (void)snprintf(what, sizeof what, "cannot read %s: %s", copy, strerror(errno));
        return fault(r, key->path, what);
    }
    *(const char **)at = copy;
    return 0;
}

static int store_number(const struct reading *r, const struct key *key, uint64_t number, void *at)
{
    char what[ERR_MESSAGE_MAX];
    if (number < key->least || number > key->most) {
        const char *unit = key->type == KEY_DURATION ? " ms" : "";
        (void)snprintf(what, sizeof what, "must be from %llu%s to %llu%s",
                       (unsigned long long)key->least, unit, (unsigned long long)key->most, unit);
        return fault(r, key->path, what);
    }
    if (key->type == KEY_DURATION) {
        *(uint64_t *)at = number;
    } else {
        *(uint32_t *)at = (uint32_t)number;
    }
    return 0;
}

static int store_choice(const struct reading *r, const struct key *key, struct slice text, int *at)
{
    struct buf what = {0};
    buf_add_cstr(&what, "must be one of");
    for (int i = 0; key->choices[i] != NULL; i++) {
        if (slice_eq_cstr(text, key->choices[i])) {
            *at = i;
            buf_free(&what);
            return 0;
        }
        buf_addf(&what, "%s %s", i > 0 ? "," : "", key->choices[i]);
    }
    int rc = fault(r, key->path, buf_cstr(&what));
    buf_free(&what);
    return rc;
}

static int store_value(const struct reading *r, const struct key *key, const json_t *value)
{
    void *at = (char *)r->config + key->offset;
    uint64_t ms = 0;
    switch (key->type) {
    case KEY_STRING:
    case KEY_ADDRESS:
    case KEY_FILE:
        return json_is_string(value) ? store_text(r, key, json_text(value), at)
                                     : fault(r, key->path, "must be a string");
    case KEY_COUNT:
        if (!json_is_integer(value) || json_integer_value(value) < 0) {
            return fault(r, key->path, "must be a whole number");
        }
        return store_number(r, key, (uint64_t)json_integer_value(value), at);
    case KEY_DURATION:
        if (!json_is_string(value) || !args_duration(json_string_value(value), &ms)) {
            return fault(r, key->path, "must be a duration, for example 10m or 1h30m");
        }
        return store_number(r, key, ms, at);
    case KEY_BOOL:
        if (!json_is_boolean(value)) {
            return fault(r, key->path, "must be true or false");
        }
        *(bool *)at = json_is_true(value);
        return 0;
    case KEY_CHOICE:
        return store_choice(r, key, json_text(value), at);
    }
    return fault(r, key->path, "has no type");
}

static const struct key *find_key(const char *path)
{
    for (size_t i = 0; i < KEY_TABLE_COUNT; i++) {
        if (strcmp(keys[i].path, path) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static bool is_section(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < KEY_TABLE_COUNT; i++) {
        if (strncmp(keys[i].path, path, len) == 0 && keys[i].path[len] == '.') {
            return true;
        }
    }
    return false;
}

/* Keys nest one deep: "api.listen". */
static int read_section(const struct reading *r, const char *section, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char path[256];
        (void)snprintf(path, sizeof path, "%s%s%s", section, *section != '\0' ? "." : "", name);
        const struct key *key = find_key(path);
        int rc = 0;
        if (key != NULL) {
            rc = store_value(r, key, value);
        } else if (*section == '\0' && is_section(path)) {
            rc = json_is_object(value) ? read_section(r, path, value)
                                       : fault(r, path, "must be a map of keys");
        } else {
            rc = fault(r, path, "unknown key; deploy/choreod.yaml lists all");
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int check_whole(const struct reading *r)
{
    const struct config *c = r->config;
    if (c->data_dir == NULL) {
        return err_set(r->err, ERR_INVALID, "%s:1: dataDir: is required", r->name);
    }
    if ((c->api_cert_file == NULL) != (c->api_key_file == NULL)) {
        return fault(r, c->api_cert_file != NULL ? "api.certFile" : "api.keyFile",
                     "api.certFile and api.keyFile go together");
    }
    return 0;
}

int config_parse(struct config *c, struct slice text, const char *name, struct err *err)
{
    *c = (struct config){
        .api_loops = 2,
        .api_connections = 4096,
        .subject_rate = 20000,
        .subject_requests = 400,
        .subject_watches = 2000,
        .subject_megabytes = 128,
        .history_ms = 5 * 60 * 1000,
        .event_ttl_ms = 60 * 60 * 1000,
        .log_level = LOG_INFO,
        .log_format = LOG_TEXT,
        .cluster_requests_per_second = 4000,
        .reconcile = true,
    };
    struct reading r = {.config = c, .text = text, .name = name, .err = err};
    json_t *tree = NULL;
    int rc = yaml_parse(text, name, &tree, err);
    if (rc == 0 && !json_is_object(tree)) {
        rc =
            err_set(err, ERR_INVALID, "%s:1: must be a map of keys; see deploy/choreod.yaml", name);
    }
    if (rc == 0) {
        rc = read_section(&r, "", tree);
    }
    if (rc == 0) {
        rc = check_whole(&r);
    }
    json_decref(tree);
    if (rc != 0) {
        config_free(c);
    }
    return rc;
}

int config_load(struct config *c, const char *file, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(file, 1024 * 1024, &text, err);
    if (rc == 0) {
        rc = config_parse(c, buf_slice(&text), file, err);
    } else {
        err->code = ERR_INVALID;
        rc = ERR_INVALID;
    }
    buf_free(&text);
    return rc;
}

void config_free(struct config *c)
{
    arena_free(&c->arena);
}
