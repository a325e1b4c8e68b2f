/* manifest.c: reads, splits and places manifests. */
#include "cli/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/yaml.h"
#include "proto/object.h"

enum { FOLDERS_MAX = 32 }; /* levels of them */

/* Of all files: goes on after a fault, and keeps the first as the error. */
struct reading {
    struct manifests *all;
    const char *file;
    size_t open;  /* the first manifest of the document that was read last */
    int line;     /* where that begins, ... */
    size_t start; /* ... and its offset */
    struct err *err;
    int rc;
};

static void note_fault(struct reading *r, const struct err *fault)
{
    struct manifests *m = r->all;
    if (r->rc == 0) {
        r->rc = fault->code;
        *r->err = *fault;
    }
    m->faults = mem_resize(m->faults, (m->fault_count + 1) * sizeof *m->faults);
    m->faults[m->fault_count++] = arena_cstr(&m->arena, slice_of(fault->message));
}

/* ---- order ---- */

/* By kind alone: OpenChoreo's are called as ours. */
static const struct {
    const char *kind;
    int rank;
} ranks[] = {
    {"Organization", 0},
    {"Namespace", 0},
    {"CustomResourceDefinition", 1},
    {"ClusterComponentType", 2},
    {"ClusterProjectType", 2},
    {"ClusterResourceType", 2},
    {"ClusterTrait", 2},
    {"ClusterWorkflow", 2},
    {"ComponentType", 2},
    {"ProjectType", 2},
    {"ResourceType", 2},
    {"Trait", 2},
    {"Workflow", 2},
    {"ClusterDataPlane", 3},
    {"ClusterWorkflowPlane", 3},
    {"DataPlane", 3},
    {"WorkflowPlane", 3},
    {"EnvironmentTemplate", 4},
    {"Environment", 5},
    {"DeploymentPipeline", 6},
    {"Project", 7},
    {"ProjectReleaseBinding", 9},
    {"ReleaseBinding", 9},
    {"ResourceReleaseBinding", 9},
};

enum { RANK_OF_OTHERS = 8, RANKS = 10 };

static int rank_of(const struct manifest *m)
{
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        if (slice_eq_cstr(object_kind(m->tree), ranks[i].kind)) {
            return ranks[i].rank;
        }
    }
    return RANK_OF_OTHERS;
}

void manifests_sort(struct manifests *m)
{
    struct manifest *sorted = mem_alloc((m->count + 1) * sizeof *sorted);
    size_t count = 0;
    for (int rank = 0; rank < RANKS; rank++) {
        for (size_t i = 0; i < m->count; i++) {
            if (rank_of(&m->items[i]) == rank) {
                sorted[count++] = m->items[i];
            }
        }
    }
    free(m->items);
    m->items = sorted;
}

/* ---- documents ---- */

static int add(struct reading *r, json_t *tree, int line, int item, struct err *err)
{
    struct manifests *m = r->all;
    const char *lacks = object_api_version(tree).len == 0 ? "apiVersion"
                        : object_kind(tree).len == 0      ? "kind"
                                                          : NULL;
    if (m->count == MANIFESTS_MAX) {
        return err_set(err, ERR_TOO_LARGE, "more than %d manifests", MANIFESTS_MAX);
    }
    if (lacks != NULL) {
        struct err fault = {0};
        err_set(&fault, ERR_INVALID, "%s:%d: a manifest needs apiVersion and kind: it has no %s",
                r->file, line, lacks);
        note_fault(r, &fault);
        return 0;
    }
    m->items = mem_resize(m->items, (m->count + 1) * sizeof *m->items);
    m->items[m->count++] = (struct manifest){.tree = json_incref(tree),
                                             .file = r->file,
                                             .line = line,
                                             .item = item,
                                             .source = m->source_count - 1,
                                             .start = r->start,
                                             .end = SIZE_MAX};
    return 0;
}

/* Ends the manifests of the document before, and finds the line's offset in the text. */
static void begin_document(struct reading *r, int line)
{
    struct slice text = buf_slice(&r->all->sources[r->all->source_count - 1]);
    while (r->line < line && r->start < text.len) {
        r->line += text.data[r->start++] == '\n';
    }
    while (r->open < r->all->count) {
        r->all->items[r->open++].end = r->start;
    }
}

/* A List's items are manifests of their own. */
static int on_document(json_t *tree, int line, void *user, struct err *err)
{
    struct reading *r = user;
    const json_t *items = json_at(tree, "items", NULL);
    int rc = 0;
    begin_document(r, line);
    if (!json_is_object(tree)) {
        struct err fault = {0};
        err_set(&fault, ERR_INVALID, "%s:%d: a manifest is a map of keys", r->file, line);
        note_fault(r, &fault);
        return 0;
    }
    if (!slice_ends_with(object_kind(tree), SLICE("List")) || !json_is_array(items)) {
        return add(r, tree, line, -1, err);
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(items); i++) {
        rc = add(r, json_array_get(items, i), line, (int)i, err);
    }
    return rc;
}

/* Takes text. */
static void read_text(struct reading *r, const char *name, struct buf text)
{
    struct manifests *m = r->all;
    struct err fault = {0};
    r->file = arena_cstr(&m->arena, slice_of(name));
    r->open = m->count;
    r->line = 1;
    r->start = 0;
    m->sources = mem_resize(m->sources, (m->source_count + 1) * sizeof *m->sources);
    m->sources[m->source_count++] = text;
    if (yaml_each(buf_slice(&text), r->file, on_document, r, &fault) != 0) {
        note_fault(r, &fault);
    }
}

/* ---- files ---- */

static void read_stdin(struct reading *r)
{
    struct buf text = {0};
    struct err fault = {0};
    size_t got;
    do {
        buf_reserve(&text, 65536);
        got = fread(text.data + text.len, 1, 65536, stdin);
        text.len += got;
    } while (got > 0 && text.len <= MANIFEST_FILE_MAX);
    if (text.len > MANIFEST_FILE_MAX) {
        buf_free(&text);
        err_set(&fault, ERR_TOO_LARGE, "standard input: larger than %d bytes", MANIFEST_FILE_MAX);
        note_fault(r, &fault);
        return;
    }
    read_text(r, "-", text);
}

static void read_one(struct reading *r, const char *path)
{
    struct buf text = {0};
    struct err fault = {0};
    if (file_read(path, MANIFEST_FILE_MAX, &text, &fault) != 0) {
        buf_free(&text);
        note_fault(r, &fault);
        return;
    }
    read_text(r, path, text);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* By the name of a file in a folder. What kustomize reads says how manifests are made. */
static bool is_manifest(const char *file)
{
    struct slice name = slice_of(file);
    bool recipe = strcmp(file, "kustomization.yaml") == 0 || strcmp(file, "kustomization.yml") == 0;
    return !recipe &&
           (slice_ends_with(name, SLICE(".yaml")) || slice_ends_with(name, SLICE(".yml")) ||
            slice_ends_with(name, SLICE(".json")));
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* kubectl follows none either: it may lead up again, and what it leads to is read where it is. */
static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* depth: how many levels of folders below are read, too. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by depth. */
static void read_folder(struct reading *r, const char *path, int depth)
{
    struct dirent **entries;
    struct err fault = {0};
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0) {
        (void)err_errno(&fault, ERR_IO, errno, "read folder %s", path);
        note_fault(r, &fault);
        return;
    }
    for (int i = 0; i < count; i++) {
        bool slash = slice_ends_with(slice_of(path), SLICE("/"));
        const char *entry =
            arena_printf(&r->all->arena, "%s%s%s", path, slash ? "" : "/", entries[i]->d_name);
        if (is_folder(entry)) {
            if (depth > 0 && !is_link(entry)) {
                read_folder(r, entry, depth - 1);
            }
        } else if (is_manifest(entries[i]->d_name)) {
            read_one(r, entry);
        }
        free(entries[i]);
    }
    free(entries);
}

int manifests_read(struct manifests *m, const struct args_list *paths, bool recursive,
                   struct err *err)
{
    struct reading r = {.all = m, .err = err};
    *m = (struct manifests){0};
    if (paths->count == 0) {
        return err_set(err, ERR_INVALID, "-f FILE is required: which manifests?");
    }
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        if (strcmp(path, "-") == 0) {
            read_stdin(&r);
        } else if (is_folder(path)) {
            read_folder(&r, path, recursive ? FOLDERS_MAX : 0);
        } else {
            read_one(&r, path);
        }
    }
    return r.rc == 0 && m->count == 0 ? err_set(err, ERR_INVALID, "no manifest found") : r.rc;
}

void manifests_free(struct manifests *m)
{
    for (size_t i = 0; i < m->count; i++) {
        json_decref(m->items[i].tree);
    }
    for (size_t i = 0; i < m->source_count; i++) {
        buf_free(&m->sources[i]);
    }
    free(m->items);
    free(m->sources);
    free(m->faults);
    arena_free(&m->arena);
    *m = (struct manifests){0};
}

/* ---- places ---- */

/* Cuts the last step off a path: "a.b[0]" -> "a.b" -> "a" -> "". */
static void shorten(struct buf *path)
{
    do {
        path->len--;
    } while (path->len > 0 && path->data[path->len] != '.' && path->data[path->len] != '[');
}

/* The number of the element that a bracket's text names by its id, name or key; SIZE_MAX: none. */
static size_t element_named(const json_t *list, struct slice text)
{
    static const char *const keys[] = {"id", "instanceName", "name", "key"};
    for (size_t i = 0; i < json_array_size(list); i++) {
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            if (slice_eq(json_text_at(json_array_get(list, i), keys[k]), text)) {
                return i;
            }
        }
    }
    return SIZE_MAX;
}

/* "spec.resources[deployment].template" with the element's number for its name. Appends. */
static void numbered(const json_t *tree, struct slice field, struct buf *out)
{
    const json_t *at = tree;
    while (field.len > 0) {
        size_t end = 0;
        bool bracket = field.data[0] == '[';
        while (end < field.len &&
               (bracket ? field.data[end] != ']' : strchr(".[", field.data[end]) == NULL)) {
            end++;
        }
        struct slice word = slice_sub(field, bracket ? 1 : 0, end - (bracket ? 1 : 0));
        size_t number = bracket ? element_named(at, word) : SIZE_MAX;
        uint64_t given;
        if (bracket && number == SIZE_MAX && slice_u64(word, &given)) {
            number = (size_t)given;
        }
        if (bracket && number != SIZE_MAX) {
            buf_addf(out, "[%zu]", number);
        } else {
            buf_add(out, slice_sub(field, 0, bracket ? end + 1 : end));
        }
        at = bracket ? json_array_get(at, number) : json_object_getn(at, word.data, word.len);
        field = slice_sub(field, bracket ? end + 1 : end, SIZE_MAX);
        if (field.len > 0 && field.data[0] == '.') {
            buf_add_char(out, '.');
            field = slice_sub(field, 1, SIZE_MAX);
        }
    }
}

int manifest_line(const struct manifests *m, const struct manifest *one, struct slice field)
{
    struct slice text = slice_sub(buf_slice(&m->sources[one->source]), one->start,
                                  one->end == SIZE_MAX ? SIZE_MAX : one->end - one->start);
    struct buf path = {0};
    int found = 0;
    if (one->item >= 0) {
        buf_addf(&path, "items[%d]%s", one->item, field.len > 0 ? "." : "");
    }
    if (field.len > 0 && field.data[0] == '.') {
        field = slice_sub(field, 1, SIZE_MAX);
    }
    numbered(one->tree, field, &path);
    while (path.len > 0 && (found = yaml_line_of(text, buf_cstr(&path))) == 0) {
        shorten(&path);
    }
    buf_free(&path);
    return one->line + (found > 0 ? found - 1 : 0);
}

const char *manifest_title(const json_t *object, struct arena *arena)
{
    struct slice version = object_api_version(object);
    struct slice group = {0};
    struct slice name = object_name(object);
    if (slice_find(version, SLICE("/")) != SIZE_MAX) {
        (void)slice_split(&version, '/', &group);
    }
    char *kind = arena_cstr(arena, object_kind(object));
    for (char *p = kind; *p != '\0'; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    return arena_printf(arena, "%s%s%.*s/%.*s", kind, group.len > 0 ? "." : "", SLICE_ARG(group),
                        SLICE_ARG(name.len > 0 ? name : SLICE("<unnamed>")));
}
