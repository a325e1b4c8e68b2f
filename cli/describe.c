/* describe.c: `choreo describe`: one object and what belongs to it, for a person.
 *
 * The object itself; its conditions as a table; what it owns and what owns it, by ownerReferences,
 * over every kind of its namespace that one may list; its events. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/yaml.h"
#include "cli/events.h"
#include "cli/print.h"
#include "proto/object.h"
#include "proto/table.h"

enum { LABEL_WIDTH = 14, INDENT = 2 };

static void print_field(const char *label, const char *value)
{
    print_out("%-*s%s\n", LABEL_WIDTH, label, value);
}

static const char *age_text(struct arena *arena, struct slice time)
{
    struct buf text = {0};
    uint64_t then_ms;
    const char *copy = arena_cstr(arena, time);
    if (clock_parse_rfc3339(copy, &then_ms) != 0) {
        return copy;
    }
    table_age(then_ms, clock_system.wall_ms(&clock_system), &text);
    copy = arena_cstr(arena, buf_slice(&text));
    buf_free(&text);
    return copy;
}

/* "Labels:  a=b", one a line. */
static void print_map(const char *label, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        print_out("%-*s%s=%.*s\n", LABEL_WIDTH, label, key, SLICE_ARG(json_text(value)));
        label = "";
    }
}

static void print_head(struct cli *c, const json_t *object)
{
    struct arena *arena = &c->arena;
    const json_t *meta = json_at(object, "metadata", NULL);
    const json_t *owners = json_at(meta, "ownerReferences", NULL);
    struct slice created = json_text_at(meta, "creationTimestamp");
    print_field("Name:", arena_cstr(arena, object_name(object)));
    if (object_ns(object).len > 0) {
        print_field("Namespace:", arena_cstr(arena, object_ns(object)));
    }
    print_field("Kind:", arena_printf(arena, "%.*s (%.*s)", SLICE_ARG(object_kind(object)),
                                      SLICE_ARG(object_api_version(object))));
    print_map("Labels:", json_at(meta, "labels", NULL));
    print_map("Annotations:", json_at(meta, "annotations", NULL));
    print_field("Created:",
                arena_printf(arena, "%.*s (%s ago)", SLICE_ARG(created), age_text(arena, created)));
    if (object_deleting(object)) {
        struct slice deleted = json_text_at(meta, "deletionTimestamp");
        print_field("Deleting:", arena_printf(arena, "since %.*s (%s ago)", SLICE_ARG(deleted),
                                              age_text(arena, deleted)));
    }
    for (size_t i = 0; i < json_array_size(owners); i++) {
        const json_t *owner = json_array_get(owners, i);
        print_field(i == 0 ? "Owned by:" : "",
                    arena_printf(arena, "%.*s/%.*s", SLICE_ARG(json_text_at(owner, "kind")),
                                 SLICE_ARG(json_text_at(owner, "name"))));
    }
}

/* ---- the rest of the object ---- */

/* A Secret's values are counted, not shown. */
static void hide_secrets(const json_t *object, json_t *copy)
{
    const char *key;
    json_t *value;
    void *next;
    json_t *data = json_object_get(copy, "data");
    if (!slice_eq_cstr(object_kind(object), "Secret")) {
        return;
    }
    json_object_foreach_safe(data, next, key, value)
    {
        json_object_set_new(data, key,
                            json_sprintf("%zu characters of base64", json_text(value).len));
    }
}

/* Every other member as indented YAML; status without its conditions. */
static void print_members(const json_t *object)
{
    const char *key;
    json_t *value;
    json_t *copy = json_deep_copy(object);
    hide_secrets(object, copy);
    (void)json_object_del(json_object_get(copy, "status"), "conditions");
    json_object_foreach(copy, key, value)
    {
        static const char *const head[] = {"apiVersion", "kind", "metadata"};
        bool shown =
            strcmp(key, head[0]) == 0 || strcmp(key, head[1]) == 0 || strcmp(key, head[2]) == 0;
        bool empty = (json_is_object(value) && json_object_size(value) == 0) ||
                     (json_is_array(value) && json_array_size(value) == 0);
        struct buf text = {0};
        struct slice rest;
        struct slice line;
        if (shown || empty) {
            continue;
        }
        yaml_emit(value, &text);
        rest = buf_slice(&text);
        print_out("%c%s:\n", *key >= 'a' && *key <= 'z' ? *key - 'a' + 'A' : *key, key + 1);
        while (slice_split(&rest, '\n', &line)) {
            print_out("%*s%.*s\n", INDENT, "", SLICE_ARG(line));
        }
        buf_free(&text);
    }
    json_decref(copy);
}

static void print_conditions(struct cli *c, const json_t *object)
{
    static const char *const titles[] = {"TYPE", "STATUS", "REASON", "AGE", "MESSAGE"};
    const json_t *conditions = json_at(object, "status", "conditions", NULL);
    struct arena *arena = &c->arena;
    struct print_table table;
    if (json_array_size(conditions) == 0) {
        return;
    }
    print_out("%s\n", "Conditions:");
    print_init(&table, titles, 5);
    table.indent = INDENT;
    table.sentence = true;
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const json_t *one = json_array_get(conditions, i);
        const char *cells[] = {arena_cstr(arena, json_text_at(one, "type")),
                               arena_cstr(arena, json_text_at(one, "status")),
                               arena_cstr(arena, json_text_at(one, "reason")),
                               age_text(arena, json_text_at(one, "lastTransitionTime")),
                               arena_cstr(arena, json_text_at(one, "message"))};
        print_row(&table, cells);
    }
    print_flush(&table, true);
    print_free(&table);
}

/* ---- what it owns ---- */

struct relating {
    struct cli *cli;
    const Choreo__V1__KindInfo *kind;
    struct slice uid;
    struct print_table table;
};

static int on_candidate(const Choreo__V1__Object *object, void *user, struct err *err)
{
    struct relating *r = user;
    json_t *tree = NULL;
    int rc = ask_tree(object, &tree, err);
    const json_t *owners = json_at(tree, "metadata", "ownerReferences", NULL);
    for (size_t i = 0; rc == 0 && i < json_array_size(owners); i++) {
        if (slice_eq(json_text_at(json_array_get(owners, i), "uid"), r->uid)) {
            struct arena *arena = &r->cli->arena;
            struct slice created = json_text(json_at(tree, "metadata", "creationTimestamp", NULL));
            const char *cells[] = {r->kind->kind, arena_cstr(arena, object_name(tree)),
                                   age_text(arena, created)};
            print_row(&r->table, cells);
            break;
        }
    }
    json_decref(tree);
    return rc;
}

static bool can_be_owned(const Choreo__V1__KindInfo *kind)
{
    bool listed = false;
    for (size_t i = 0; i < kind->n_verbs; i++) {
        listed = listed || strcmp(kind->verbs[i], "list") == 0;
    }
    return listed && strcmp(kind->kind, "Event") != 0;
}

/* What may not be listed is left out: this is a help, not an inventory. */
static int print_owned(struct cli *c, const json_t *object, struct err *err)
{
    static const char *const titles[] = {"KIND", "NAME", "AGE"};
    Choreo__V1__KindsResponse *kinds;
    struct relating r = {.cli = c, .uid = object_uid(object)};
    bool namespaced = object_ns(object).len > 0;
    int rc = ask_kinds(c, &kinds, err);
    print_init(&r.table, titles, 3);
    r.table.indent = INDENT;
    for (size_t i = 0; rc == 0 && i < kinds->n_kinds; i++) {
        r.kind = kinds->kinds[i];
        if (!can_be_owned(r.kind) || (namespaced && !r.kind->namespaced)) {
            continue;
        }
        Choreo__V1__Ref ref = CHOREO__V1__REF__INIT;
        ref.group = r.kind->group;
        ref.version = r.kind->version;
        ref.resource = r.kind->plural;
        ref.namespace_ = arena_cstr(&c->arena, object_ns(object));
        struct ask_list list = {
            .ref = &ref, .form = CHOREO__V1__FORM__FORM_METADATA, .each = on_candidate, .user = &r};
        rc = ask_list(c, &list, err);
        rc = rc == ERR_FORBIDDEN || rc == ERR_METHOD || rc == ERR_NOT_FOUND ? 0 : rc;
    }
    if (rc == 0 && r.table.rows > 0) {
        print_out("%s\n", "Owns:");
        print_flush(&r.table, true);
    }
    print_free(&r.table);
    return rc;
}

static int print_events(struct cli *c, const json_t *object, struct err *err)
{
    size_t count = 0;
    const char *fields =
        arena_printf(&c->arena, "involvedObject.uid=%.*s", SLICE_ARG(object_uid(object)));
    print_out("%s\n", "Events:");
    int rc = events_print(c, arena_cstr(&c->arena, object_ns(object)), fields, INDENT, false,
                          &count, err);
    if (rc == 0 && count == 0) {
        print_out("%*s<none>\n", INDENT, "");
    }
    return rc;
}

static int describe_one(struct cli *c, Choreo__V1__Ref *ref, struct err *err)
{
    json_t *object = NULL;
    int rc = ask_get(c, ref, CHOREO__V1__FORM__FORM_JSON, &object, NULL, err);
    if (rc == 0) {
        print_head(c, object);
        print_members(object);
        print_conditions(c, object);
        rc = print_owned(c, object, err);
    }
    rc = rc != 0 ? rc : print_events(c, object, err);
    json_decref(object);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct targets t = {0};
    c->options.all =
        c->options.all || (c->args.count == 1 && strchr(c->args.items[0], '/') == NULL);
    int rc = ask_targets(c, 0, SIZE_MAX, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        if (i > 0) {
            print_out("\n");
        }
        rc = describe_one(c, &t.refs[i], err);
    }
    if (rc == 0 && t.count == 0) {
        print_err("No object matches.\n");
    }
    targets_free(&t);
    return rc;
}

const struct command command_describe = {
    .name = "describe",
    .summary = "an object with its conditions, what it owns, its events",
    .usage = "KIND [NAME...] [-l LABELS] [OPTION...]\nKIND/NAME... [OPTION...]",
    .about = "Everything about objects, for a person to read. For programs there is `choreo get`.",
    .examples = "  choreo describe component user-service\n"
                "  choreo describe components -l team=web",
    .options = {OPTION_all_namespaces, OPTION_selector, OPTION_field_selector, OPTION_no_headers},
    .args = COMPLETE_OBJECTS,
    .run = run,
};
