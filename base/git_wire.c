/* git_wire.c: a line-driven reader.
 *
 *   info:  [# service=git-upload-pack, flush] -> version 2 -> capabilities -> flush
 *          [# service=git-upload-pack, flush] -> [version 1] -> refs ... -> flush
 *   refs:  refs ... -> flush
 *
 * A pkt-line is four hexadecimal digits, which count themselves, and what they count; 0000 is a
 * flush, 0001 and 0002 belong to version 2. A ref is "<id> <name>", followed in versions 0 and 1
 * by NUL and capabilities on the first line, and by "symref-target:" and "peeled:" in version 2.
 * An annotated tag is peeled: what counts is the commit that it points at. */
#include "base/git_wire.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum phase { AT_START, IN_SERVICE, AFTER_SERVICE, IN_CAPABILITIES, IN_REFS, AT_END };

/* What a ref is to the one that was wanted: the greatest wins. */
enum { RANK_NONE, RANK_TAG, RANK_BRANCH, RANK_ITSELF };

/* ---- writing ---- */

void git_pkt_add(struct buf *out, struct slice line)
{
    assert(line.len + 4 <= GIT_PKT_MAX);
    buf_addf(out, "%04x", (unsigned)(line.len + 4));
    buf_add(out, line);
}

void git_pkt_flush(struct buf *out)
{
    buf_add_cstr(out, "0000");
}

static void add_prefix(struct buf *out, const char *folder, struct slice ref)
{
    struct buf line = {0};
    buf_addf(&line, "ref-prefix %s%.*s\n", folder, SLICE_ARG(ref));
    git_pkt_add(out, buf_slice(&line));
    buf_free(&line);
}

void git_wire_ask(struct buf *out, struct slice ref, bool sha256)
{
    git_pkt_add(out, SLICE("command=ls-refs\n"));
    if (sha256) {
        git_pkt_add(out, SLICE("object-format=sha256"));
    }
    buf_add_cstr(out, "0001");
    git_pkt_add(out, SLICE("peel\n"));
    git_pkt_add(out, SLICE("symrefs\n"));
    add_prefix(out, "", SLICE("HEAD")); /* is it empty? */
    if (slice_starts_with(ref, SLICE("refs/"))) {
        add_prefix(out, "", ref);
    } else if (ref.len > 0) {
        add_prefix(out, "refs/heads/", ref);
        add_prefix(out, "refs/tags/", ref);
    }
    git_pkt_flush(out);
}

/* ---- refs ---- */

void git_wire_init(struct git_wire *w, enum git_wire_body body, struct slice wanted)
{
    *w = (struct git_wire){.body = body,
                           .wanted = slice_eq_cstr(wanted, "HEAD") ? (struct slice){0} : wanted,
                           .phase = body == GIT_WIRE_REFS ? IN_REFS : AT_START};
}

void git_wire_free(struct git_wire *w)
{
    buf_free(&w->line);
}

static int not_git(struct err *err)
{
    return err_set(err, ERR_UNPROCESSABLE, "what answers there does not speak git's protocol");
}

static int rank_of(const struct git_wire *w, struct slice name)
{
    static const struct slice heads = {"refs/heads/", 11};
    static const struct slice tags = {"refs/tags/", 10};
    if (w->wanted.len == 0) {
        return slice_eq_cstr(name, "HEAD") ? RANK_ITSELF : RANK_NONE;
    }
    if (slice_starts_with(w->wanted, SLICE("refs/"))) {
        return slice_eq(name, w->wanted) ? RANK_ITSELF : RANK_NONE;
    }
    if (slice_starts_with(name, heads) &&
        slice_eq(slice_sub(name, heads.len, SIZE_MAX), w->wanted)) {
        return RANK_BRANCH;
    }
    if (slice_starts_with(name, tags) && slice_eq(slice_sub(name, tags.len, SIZE_MAX), w->wanted)) {
        return RANK_TAG;
    }
    return RANK_NONE;
}

static void copy_name(struct git_wire *w, struct slice name)
{
    name = slice_sub(name, 0, sizeof(w->name) - 1);
    memcpy(w->name, name.data, name.len);
    w->name[name.len] = '\0';
}

static void take_ref(struct git_wire *w, struct slice id, struct slice name, bool peeled)
{
    int rank = rank_of(w, name);
    if (rank == RANK_NONE || rank < w->rank || (rank == w->rank && !peeled)) {
        return;
    }
    w->rank = rank;
    memcpy(w->commit, id.data, id.len);
    w->commit[id.len] = '\0';
    if (w->name[0] == '\0' || !slice_eq_cstr(name, "HEAD")) {
        copy_name(w, name);
    }
}

/* "symref=HEAD:refs/heads/main" among capabilities, "symref-target:refs/heads/main" of a line. */
static void take_words(struct git_wire *w, struct slice words, struct slice name)
{
    static const struct slice symref = {"symref=HEAD:", 12};
    static const struct slice target = {"symref-target:", 14};
    static const struct slice peeled = {"peeled:", 7};
    struct slice word;
    while (slice_split(&words, ' ', &word)) {
        bool of_head = slice_eq_cstr(name, "HEAD") && w->wanted.len == 0;
        if (of_head && slice_starts_with(word, symref)) {
            copy_name(w, slice_sub(word, symref.len, SIZE_MAX));
        } else if (of_head && slice_starts_with(word, target)) {
            copy_name(w, slice_sub(word, target.len, SIZE_MAX));
        } else if (slice_eq_cstr(word, "object-format=sha256")) {
            w->sha256 = true;
        } else if (slice_starts_with(word, peeled)) {
            struct slice id = slice_sub(word, peeled.len, SIZE_MAX);
            if (git_commit_valid(id)) {
                take_ref(w, id, name, true);
            }
        }
    }
}

static int read_ref(struct git_wire *w, struct slice line, struct err *err)
{
    size_t nul = slice_find(line, slice_make("", 1));
    struct slice words = nul == SIZE_MAX ? (struct slice){0} : slice_sub(line, nul + 1, SIZE_MAX);
    line = slice_sub(line, 0, nul);
    size_t space = slice_find(line, SLICE(" "));
    struct slice id = slice_sub(line, 0, space);
    if (slice_eq_cstr(id, "shallow")) {
        return 0;
    }
    if (space == SIZE_MAX || !git_commit_valid(id)) {
        return not_git(err);
    }
    struct slice name = slice_sub(line, space + 1, SIZE_MAX);
    space = slice_find(name, SLICE(" "));
    if (space != SIZE_MAX) {
        words = slice_sub(name, space + 1, SIZE_MAX);
        name = slice_sub(name, 0, space);
    }
    if (slice_eq_cstr(name, "capabilities^{}")) { /* stands for no refs at all */
        take_words(w, words, name);
        return 0;
    }
    bool peeled = slice_ends_with(name, SLICE("^{}"));
    if (peeled) {
        name.len -= 3;
    }
    w->ref_count += peeled ? 0 : 1;
    w->has_head = w->has_head || slice_eq_cstr(name, "HEAD");
    take_ref(w, id, name, peeled);
    take_words(w, words, name);
    return 0;
}

/* ---- lines ---- */

static int on_line(struct git_wire *w, struct slice line, struct err *err)
{
    if (line.len > 0 && line.data[line.len - 1] == '\n') {
        line.len--;
    }
    if (slice_starts_with(line, SLICE("ERR "))) {
        struct buf shown = {0};
        text_add_shown(&shown, slice_sub(line, 4, 200), "");
        int rc = err_set(err, ERR_UNAVAILABLE, "the server says: %s", buf_cstr(&shown));
        buf_free(&shown);
        return rc;
    }
    if (w->phase == AT_START) {
        bool service = slice_eq_cstr(line, "# service=git-upload-pack");
        w->phase = service ? IN_SERVICE : AFTER_SERVICE; /* version 2 may leave it out */
        if (service) {
            return 0;
        }
    }
    switch ((enum phase)w->phase) {
    case AFTER_SERVICE:
        if (slice_eq_cstr(line, "version 2")) {
            w->version = 2;
            w->phase = IN_CAPABILITIES;
            return 0;
        }
        w->phase = IN_REFS;
        if (slice_eq_cstr(line, "version 1")) {
            w->version = 1;
            return 0;
        }
        return read_ref(w, line, err);
    case IN_CAPABILITIES:
        w->sha256 = w->sha256 || slice_eq_cstr(line, "object-format=sha256");
        return 0;
    case IN_REFS:
        return read_ref(w, line, err);
    case AT_START:
    case IN_SERVICE:
    case AT_END:
        break;
    }
    return not_git(err);
}

static int on_flush(struct git_wire *w, struct err *err)
{
    if (w->phase == IN_SERVICE) {
        w->phase = AFTER_SERVICE;
    } else if (w->phase == IN_CAPABILITIES || w->phase == IN_REFS || w->phase == AFTER_SERVICE) {
        w->phase = AT_END; /* directly after the service: a repository without refs, of old */
    } else {
        return not_git(err);
    }
    return 0;
}

/* Four digits; SIZE_MAX if they are none. */
static size_t read_length(const char *at)
{
    static const char digits[] = "0123456789abcdef";
    size_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i] >= 'A' && at[i] <= 'F' ? (char)(at[i] - 'A' + 'a') : at[i];
        const char *digit = c != '\0' ? strchr(digits, c) : NULL;
        if (digit == NULL) {
            return SIZE_MAX;
        }
        value = value * 16 + (size_t)(digit - digits);
    }
    return value;
}

int git_wire_feed(struct git_wire *w, struct slice in, struct err *err)
{
    while (in.len > 0) {
        size_t length = 4;
        if (w->line.len >= 4) {
            length = read_length(w->line.data);
        }
        size_t take = length - w->line.len < in.len ? length - w->line.len : in.len;
        buf_add(&w->line, slice_sub(in, 0, take));
        in = slice_sub(in, take, SIZE_MAX);
        if (w->line.len < 4) {
            continue;
        }
        length = read_length(w->line.data);
        int rc = 0;
        if (length > GIT_PKT_MAX || length == 3) {
            return not_git(err);
        }
        if (length < 3) {
            rc = length == 0 ? on_flush(w, err) : not_git(err);
        } else if (w->line.len < length) {
            continue;
        } else {
            rc = on_line(w, slice_sub(buf_slice(&w->line), 4, SIZE_MAX), err);
        }
        if (rc != 0) {
            return rc;
        }
        buf_clear(&w->line);
    }
    return 0;
}

int git_wire_end(struct git_wire *w, struct err *err)
{
    if (w->phase != AT_END || w->line.len > 0) {
        return w->phase == AT_START ? not_git(err)
                                    : err_set(err, ERR_UNPROCESSABLE, "the answer was cut short");
    }
    return 0;
}
