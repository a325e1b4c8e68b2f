/* Manifests: files and folders in order, Lists taken apart, and the line of every field. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/manifest.h"
#include "tests/lib/tmpdir.h"

struct fixture {
    struct tmpdir dir;
    struct manifests m;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(sizeof *f);
    tmpdir_make(&f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    manifests_free(&f->m);
    tmpdir_remove(&f->dir);
    free(f);
    return 0;
}

static const char two[] = "# one\n"
                          "apiVersion: v1\n"
                          "kind: A\n"
                          "metadata: {name: a}\n"
                          "spec:\n"
                          "  list:\n"
                          "    - x: 1\n"
                          "    - y: 2\n"
                          "      z: 3\n"
                          "---\n"
                          "# two\n"
                          "apiVersion: g/v1\n"
                          "kind: B\n"
                          "metadata:\n"
                          "  name: b\n"
                          "spec:\n"
                          "  only: here\n";

static void lines(void **state)
{
    struct fixture *f = *state;
    struct manifests *m = &f->m;
    struct arena arena = {0};
    const struct args_list files = {.items = {tmpdir_write(&f->dir, "f.yaml", slice_of(two))},
                                    .count = 1};
    assert_ok(manifests_read(m, &files, false, &f->err), &f->err);
    assert_int_equal(m->count, 2);
    assert_int_equal(m->items[0].line, 2);
    assert_int_equal(m->items[1].line, 12);
    assert_int_equal(manifest_line(m, &m->items[0], SLICE("kind")), 3);
    assert_int_equal(manifest_line(m, &m->items[0], SLICE("spec.list[1].z")), 9);
    assert_int_equal(manifest_line(m, &m->items[0], SLICE(".spec.list[0]")), 7);
    /* what is not there is where it should be, and never in the next document */
    assert_int_equal(manifest_line(m, &m->items[0], SLICE("spec.only")), 5);
    assert_int_equal(manifest_line(m, &m->items[0], SLICE("nothing.at.all")), 2);
    assert_int_equal(manifest_line(m, &m->items[1], SLICE("spec.only")), 17);
    assert_int_equal(manifest_line(m, &m->items[1], SLICE("metadata.labels[a/b]")), 14);
    assert_int_equal(manifest_line(m, &m->items[1], SLICE("")), 12);
    assert_string_equal(manifest_title(m->items[0].tree, &arena), "a/a");
    assert_string_equal(manifest_title(m->items[1].tree, &arena), "b.g/b");
    arena_free(&arena);
}

static void lists(void **state)
{
    struct fixture *f = *state;
    struct manifests *m = &f->m;
    static const char text[] = "apiVersion: v1\nkind: List\nitems:\n"
                               "  - apiVersion: v1\n    kind: A\n    x: 1\n"
                               "  - apiVersion: v1\n    kind: B\n    y:\n      z: 1\n";
    const struct args_list files = {.items = {tmpdir_write(&f->dir, "f.yaml", slice_of(text))},
                                    .count = 1};
    assert_ok(manifests_read(m, &files, false, &f->err), &f->err);
    assert_int_equal(m->count, 2);
    assert_int_equal(manifest_line(m, &m->items[1], SLICE("y.z")), 10);
    assert_int_equal(manifest_line(m, &m->items[0], SLICE("y.z")), 4);
}

static void folders(void **state)
{
    struct fixture *f = *state;
    const char *folder = tmpdir_path(&f->dir, "d");
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)tmpdir_write(&f->dir, "d/2.yml", SLICE("{apiVersion: v1, kind: Second}"));
    (void)tmpdir_write(&f->dir, "d/1.json", SLICE("{\"apiVersion\":\"v1\",\"kind\":\"First\"}"));
    (void)tmpdir_write(&f->dir, "d/.hidden.yaml", SLICE("no: manifest"));
    (void)tmpdir_write(&f->dir, "d/read.me", SLICE("no: manifest"));
    (void)tmpdir_write(&f->dir, "d/kustomization.yaml", SLICE("resources: [1.json, 2.yml]"));
    (void)tmpdir_write(&f->dir, "d/kustomization.yml", SLICE("resources: []"));
    const struct args_list paths = {.items = {folder}, .count = 1};
    assert_ok(manifests_read(&f->m, &paths, false, &f->err), &f->err);
    assert_int_equal(f->m.count, 2);
    assert_slice(json_text_at(f->m.items[0].tree, "kind"), "First");
    manifests_free(&f->m);
    assert_int_equal(mkdir(tmpdir_path(&f->dir, "d/1.yaml"), 0700), 0); /* a folder all the same */
    (void)tmpdir_write(&f->dir, "d/1.yaml/3.yaml", SLICE("{apiVersion: v1, kind: Third}"));
    assert_ok(manifests_read(&f->m, &paths, false, &f->err), &f->err);
    assert_int_equal(f->m.count, 2);
    manifests_free(&f->m);
    assert_ok(manifests_read(&f->m, &paths, true, &f->err), &f->err);
    assert_int_equal(f->m.count, 3);
    assert_slice(json_text_at(f->m.items[1].tree, "kind"), "Third");
}

/* As kubectl: a link may lead up again, and what is linked to is read where it is. */
static void links(void **state)
{
    struct fixture *f = *state;
    const char *folder = tmpdir_path(&f->dir, "d");
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)tmpdir_write(&f->dir, "d/1.yaml", SLICE("{apiVersion: v1, kind: First}"));
    (void)tmpdir_write(&f->dir, "other", SLICE("{apiVersion: v1, kind: Linked}"));
    assert_int_equal(symlink(".", tmpdir_path(&f->dir, "d/again")), 0);
    assert_int_equal(symlink("../other", tmpdir_path(&f->dir, "d/2.yaml")), 0);
    assert_int_equal(symlink("d", tmpdir_path(&f->dir, "link")), 0);
    const struct args_list paths = {.items = {folder}, .count = 1};
    assert_ok(manifests_read(&f->m, &paths, true, &f->err), &f->err);
    assert_int_equal(f->m.count, 2);
    assert_slice(json_text_at(f->m.items[1].tree, "kind"), "Linked");
    manifests_free(&f->m);
    const struct args_list named = {.items = {tmpdir_path(&f->dir, "link")}, .count = 1};
    assert_ok(manifests_read(&f->m, &named, true, &f->err), &f->err);
    assert_int_equal(f->m.count, 2);
}

/* All are read; the first fault is the error, and each is told. */
static void faults(void **state)
{
    struct fixture *f = *state;
    const struct args_list paths = {
        .items = {tmpdir_write(&f->dir, "bad.yaml", SLICE("a: [\n")),
                  tmpdir_write(&f->dir, "good.yaml", SLICE("{apiVersion: v1, kind: Good}")),
                  tmpdir_write(&f->dir, "list.yaml", SLICE("- 1\n")),
                  tmpdir_write(&f->dir, "kind.yaml", SLICE("\n\nkind: X\n")), "/nonexistent"},
        .count = 5};
    assert_err(manifests_read(&f->m, &paths, false, &f->err), &f->err, ERR_INVALID, "bad.yaml:");
    assert_int_equal(f->m.count, 1);
    assert_int_equal(f->m.fault_count, 4);
    assert_non_null(strstr(f->m.faults[1], "list.yaml:1: a manifest is a map"));
    assert_non_null(strstr(f->m.faults[2], "kind.yaml:3: a manifest needs apiVersion and kind"));
    assert_non_null(strstr(f->m.faults[3], "/nonexistent"));
    manifests_free(&f->m);
    /* What is no manifest hides none behind it. */
    const struct args_list mixed = {
        .items = {tmpdir_write(&f->dir, "mixed.yaml",
                               SLICE("- 1\n---\nkind: X\n---\n{apiVersion: v1, kind: Good, a: 1}\n"
                                     "---\napiVersion: v1\nkind: Best\nb:\n  c: 1\n"))},
        .count = 1};
    assert_err(manifests_read(&f->m, &mixed, false, &f->err), &f->err, ERR_INVALID,
               "mixed.yaml:1:");
    assert_int_equal(f->m.fault_count, 2);
    assert_int_equal(f->m.count, 2);
    assert_int_equal(manifest_line(&f->m, &f->m.items[0], SLICE("a")), 5);
    assert_int_equal(manifest_line(&f->m, &f->m.items[1], SLICE("b.c")), 10);
    manifests_free(&f->m);
    const struct args_list none = {0};
    assert_err(manifests_read(&f->m, &none, false, &f->err), &f->err, ERR_INVALID,
               "-f FILE is required");
    const struct args_list empty = {.items = {tmpdir_write(&f->dir, "e", SLICE("# no\n"))},
                                    .count = 1};
    assert_err(manifests_read(&f->m, &empty, false, &f->err), &f->err, ERR_INVALID,
               "no manifest found");
}

static void order(void **state)
{
    struct fixture *f = *state;
    static const char *const sent[] = {"Organization", "CustomResourceDefinition",
                                       "Environment",  "Project",
                                       "Component",    "Gizmo",
                                       "Component",    "ReleaseBinding"};
    static const char text[] = "{apiVersion: v1, kind: ReleaseBinding}\n---\n"
                               "{apiVersion: v1, kind: Component}\n---\n"
                               "{apiVersion: v1, kind: Gizmo}\n---\n"
                               "{apiVersion: v1, kind: Project}\n---\n"
                               "{apiVersion: v1, kind: Component}\n---\n"
                               "{apiVersion: v1, kind: CustomResourceDefinition}\n---\n"
                               "{apiVersion: v1, kind: Environment}\n---\n"
                               "{apiVersion: v1, kind: Organization}\n";
    const struct args_list files = {.items = {tmpdir_write(&f->dir, "f.yaml", slice_of(text))},
                                    .count = 1};
    assert_ok(manifests_read(&f->m, &files, false, &f->err), &f->err);
    manifests_sort(&f->m);
    for (size_t i = 0; i < f->m.count; i++) {
        assert_string_equal(json_string_value(json_object_get(f->m.items[i].tree, "kind")),
                            sent[i]);
    }
    assert_true(f->m.items[4].line < f->m.items[6].line); /* of alike ones the first is first */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {T(lines), T(lists),  T(folders),
                                       T(links), T(faults), T(order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
