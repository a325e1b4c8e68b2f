/* edit.c: `choreo edit`: an object in the user's editor.
 *
 *   get -> file -> editor -> unchanged? abort : update -> refused? back to the editor, with the
 * reasons
 *
 * The update carries the resourceVersion that was shown: who else wrote meanwhile is not
 * overwritten. What could not be saved stays in its file, and its name is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/ask.h"
#include "cli/print.h"

enum { FILE_MAX = 4 << 20 };

struct editing {
    struct cli *cli;
    Choreo__V1__Ref *ref;
    const char *title;
    char path[64];
    struct buf shown;  /* what the editor was given, without our comments */
    struct buf edited; /* what it left, without comments */
    bool keep;         /* the file holds work that is not saved */
};

static void add_comment(struct buf *out, const char *text)
{
    struct slice rest = slice_of(text);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        buf_addf(out, "# %.*s\n", SLICE_ARG(line));
    }
}

/* Comment lines at the front are ours. */
static struct slice without_comments(struct slice text)
{
    while (text.len > 0 && text.data[0] == '#') {
        size_t end = slice_find(text, SLICE("\n"));
        text = slice_sub(text, end == SIZE_MAX ? text.len : end + 1, SIZE_MAX);
    }
    return text;
}

static int write_shown(struct editing *e, const char *why, struct err *err)
{
    struct buf text = {0};
    buf_addf(&text,
             "# %s: save to update it; leave it as it is, or empty the file, to give up.\n"
             "# Comments at the top, like these, are ignored.\n",
             e->title);
    if (why != NULL) {
        buf_add_cstr(&text, "#\n");
        add_comment(&text, why);
    }
    buf_add_cstr(&text, "#\n");
    buf_add(&text, buf_slice(&e->shown));
    int rc = file_write(e->path, buf_slice(&text), 0600, err);
    buf_free(&text);
    return rc;
}

static const char *editor_of(void)
{
    static const char *const names[] = {"CHOREO_EDITOR", "VISUAL", "EDITOR"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]); // NOLINT(concurrency-mt-unsafe)
        if (value != NULL && *value != '\0') {
            return value;
        }
    }
    return "vi";
}

/* The editor may be a command line; the path is its last argument, never part of the text. */
static int run_editor(struct editing *e, struct err *err)
{
    const char *editor = editor_of();
    const char *line = arena_printf(&e->cli->arena, "%s \"$1\"", editor);
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, "sh", e->path, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0) {
        return err_errno(err, ERR_IO, errno, "start %s", editor);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : err_set(err, ERR_IO, "the editor failed: %s (choose one with $EDITOR)", editor);
}

static int read_edited(struct editing *e, struct err *err)
{
    struct buf text = {0};
    int rc = file_read(e->path, FILE_MAX, &text, err);
    buf_clear(&e->edited);
    buf_add(&e->edited, without_comments(buf_slice(&text)));
    buf_free(&text);
    return rc;
}

/* Errors that the user can mend go back to the editor. */
static bool mendable(int rc)
{
    return rc == ERR_INVALID || rc == ERR_UNPROCESSABLE || rc == ERR_TOO_LARGE;
}

static int save(struct editing *e, struct err *err)
{
    json_t *tree = NULL;
    int rc = yaml_parse(buf_slice(&e->edited), "the edited text", &tree, err);
    if (rc == 0 && !json_is_object(tree)) {
        rc = err_set(err, ERR_INVALID, "the edited text is no object");
    }
    if (rc == 0) {
        struct ask_write w = {
            .ref = e->ref, .body = tree, .dry_run = e->cli->options.dry_run != NULL};
        rc = ask_update(e->cli, &w, err);
        rc = rc != 0 ? rc : ask_show_written(e->cli, &w, w.changed ? "edited" : "unchanged", err);
    }
    json_decref(tree);
    return rc;
}

/* Rounds of editing until it is saved or given up. */
static int edit_rounds(struct editing *e, struct err *err)
{
    const char *why = NULL;
    int rc = 0;
    for (;;) {
        rc = write_shown(e, why, err);
        rc = rc != 0 ? rc : run_editor(e, err);
        rc = rc != 0 ? rc : read_edited(e, err);
        if (rc != 0) {
            return rc;
        }
        struct slice edited = buf_slice(&e->edited);
        if (slice_trim(edited).len == 0 || slice_eq(edited, buf_slice(&e->shown))) {
            e->keep = why != NULL;
            if (why == NULL) {
                print_err("Nothing changed.\n");
            }
            return why == NULL ? 0 : err_set(err, ERR_INVALID, "given up; it was refused: %s", why);
        }
        rc = save(e, err);
        e->keep = rc != 0;
        if (!mendable(rc)) {
            return rc;
        }
        why = arena_cstr(&e->cli->arena, slice_of(err->message));
        buf_clear(&e->shown);
        buf_add(&e->shown, edited);
    }
}

static int make_file(struct editing *e, struct err *err)
{
    const char *folder = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)
    bool fits = folder != NULL && strlen(folder) < sizeof e->path - 24;
    (void)snprintf(e->path, sizeof e->path, "%s/choreo-edit-XXXXXX.yaml", fits ? folder : "/tmp");
    int fd = mkstemps(e->path, 5);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "make %s", e->path);
    }
    (void)close(fd);
    return 0;
}

static int edit_one(struct cli *c, Choreo__V1__Ref *ref, const char *title, struct err *err)
{
    struct editing e = {.cli = c, .ref = ref, .title = title};
    json_t *tree = NULL;
    int rc = ask_get(c, ref, CHOREO__V1__FORM__FORM_JSON, &tree, NULL, err);
    rc = rc != 0 ? rc : make_file(&e, err);
    if (rc == 0) {
        (void)json_object_del(json_object_get(tree, "metadata"), "managedFields");
        yaml_emit(tree, &e.shown);
        rc = edit_rounds(&e, err);
        if (e.keep) {
            print_err("Your text is in %s.\n", e.path);
        } else {
            (void)unlink(e.path);
        }
    }
    json_decref(tree);
    buf_free(&e.shown);
    buf_free(&e.edited);
    return rc;
}

static int run(struct cli *c, struct err *err)
{
    struct targets t = {0};
    enum ask_dry dry = ASK_FOR_REAL;
    int rc = ask_dry_run(c, &dry, err);
    if (rc == 0 && dry == ASK_DRY_CLIENT) {
        rc = err_set(err, ERR_INVALID, "--dry-run=client: an update needs the server");
    }
    rc = rc != 0 ? rc : ask_targets(c, 0, SIZE_MAX, &t, err);
    for (size_t i = 0; rc == 0 && i < t.count; i++) {
        rc = edit_one(c, &t.refs[i], t.titles[i], err);
    }
    targets_free(&t);
    return rc;
}

const struct command command_edit = {
    .name = "edit",
    .summary = "change an object in an editor",
    .usage = "KIND NAME... | KIND/NAME... [OPTION...]",
    .about =
        "Opens the object in $CHOREO_EDITOR, $VISUAL, $EDITOR or vi, and saves what you leave.\n"
        "If the server refuses it, the editor opens again with the reasons; leaving the text as\n"
        "it is gives up. Who else wrote meanwhile is not overwritten: exit code 5.",
    .examples = "  choreo edit component user-service\n"
                "  EDITOR='code --wait' choreo edit environment/production",
    .options = {OPTION_dry_run, OPTION_field_manager},
    .forms = OUTPUT_TREES | 1 << OUTPUT_NAME,
    .args = COMPLETE_OBJECTS,
    .run = run,
};
