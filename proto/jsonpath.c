/* jsonpath.c: parses templates.
 *
 * A cursor goes over the text once. Outside braces everything is text; {range ...} opens a level of
 * parts and {end} closes it; a range that is not ended reaches to the end of the template, as
 * kubectl has it. Only brackets nest (unions, filters), at most DEPTH_MAX deep. */
#include "proto/jsonpath.h"

#include <stdlib.h>
#include <string.h>

#include "proto/jsonpath_internal.h"

enum { DEPTH_MAX = 16, NUMBER_MAX = 64 };

struct parser {
    struct arena *arena;
    struct slice text;
    size_t at;
    int depth;     /* of brackets */
    bool filtered; /* inside ?( ): operators end names */
    struct err *err;
};

/* Where the next part or step goes. */
struct chain {
    const struct jsonpath_node *first;
    struct jsonpath_node *last;
};

static struct jsonpath_node *append(struct parser *p, struct chain *to, enum jsonpath_type type)
{
    struct jsonpath_node *node = ARENA_NEW(p->arena, struct jsonpath_node);
    node->type = type;
    if (to->last != NULL) {
        to->last->next = node;
    } else {
        to->first = node;
    }
    to->last = node;
    return node;
}

static void release_literal(void *value)
{
    json_decref(value);
}

/* Takes value. */
static void append_literal(struct parser *p, struct chain *to, json_t *value)
{
    append(p, to, JSONPATH_LITERAL)->literal = value;
    arena_own(p->arena, value, release_literal);
}

static int bad(const struct parser *p, const char *what)
{
    return err_set(p->err, ERR_INVALID, "JSONPath, column %zu: %s", p->at + 1, what);
}

/* '\0' at the end. */
static char peek(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->text.len ? p->text.data[p->at + ahead] : '\0';
}

static bool ends(const struct parser *p)
{
    return p->at >= p->text.len;
}

static bool take(struct parser *p, const char *word)
{
    if (!slice_starts_with(slice_sub(p->text, p->at, SIZE_MAX), slice_of(word))) {
        return false;
    }
    p->at += strlen(word);
    return true;
}

static void skip_spaces(struct parser *p)
{
    while (peek(p, 0) == ' ' || peek(p, 0) == '\t') {
        p->at++;
    }
}

/* ---- words ---- */

static bool ends_name(const struct parser *p, char c)
{
    return strchr(" \t\r\n.,[]$@{}", c) != NULL || /* and '\0' */
           (p->filtered && strchr("=!<>)", c) != NULL);
}

static struct slice read_name(struct parser *p)
{
    struct buf name = {0};
    while (!ends(p) && !ends_name(p, peek(p, 0))) {
        if (peek(p, 0) == '\\' && p->at + 1 < p->text.len) {
            p->at++;
        }
        buf_add_char(&name, peek(p, 0));
        p->at++;
    }
    struct slice copy = arena_copy(p->arena, buf_slice(&name));
    buf_free(&name);
    return copy;
}

static char escaped(char c)
{
    static const char from[] = "abfnrtv";
    static const char to[] = "\a\b\f\n\r\t\v";
    const char *found = strchr(from, c);
    return found != NULL && c != '\0' ? to[found - from] : c;
}

/* A text in quotes; raw keeps backslashes before anything but quotes. */
static int read_quoted(struct parser *p, bool raw, struct slice *text)
{
    struct buf out = {0};
    char quote = peek(p, 0);
    p->at++;
    while (!ends(p) && peek(p, 0) != quote) {
        char c = peek(p, 0);
        if (c == '\\' && p->at + 1 < p->text.len) {
            p->at++;
            c = peek(p, 0);
            if (raw && c != quote) {
                buf_add_char(&out, '\\');
            } else {
                c = escaped(c);
            }
        }
        buf_add_char(&out, c);
        p->at++;
    }
    *text = arena_copy(p->arena, buf_slice(&out));
    buf_free(&out);
    if (ends(p)) {
        return bad(p, "a quoted text is not closed");
    }
    p->at++;
    return 0;
}

static int read_number(struct parser *p, struct chain *to)
{
    size_t len = peek(p, 0) == '+' || peek(p, 0) == '-' ? 1 : 0;
    while ((peek(p, len) >= '0' && peek(p, len) <= '9') || peek(p, len) == '.') {
        len++;
    }
    struct slice word = slice_sub(p->text, p->at, len);
    int64_t whole = 0;
    if (slice_i64(word.data[0] == '+' ? slice_sub(word, 1, len) : word, &whole)) {
        append_literal(p, to, json_integer(whole));
    } else {
        char copy[NUMBER_MAX];
        char *end = copy;
        memcpy(copy, word.data, len < NUMBER_MAX ? len : NUMBER_MAX - 1);
        copy[len < NUMBER_MAX ? len : NUMBER_MAX - 1] = '\0';
        double value = strtod(copy, &end);
        if (end == copy || *end != '\0' || len >= NUMBER_MAX) {
            return bad(p, "this is no number");
        }
        append_literal(p, to, json_real(value));
    }
    p->at += len;
    return 0;
}

/* ---- brackets ---- */

static int read_steps(struct parser *p, struct chain *to);

/* "app.kubernetes.io/name" is first the name itself, then, as in kubectl, a path. */
static int read_dotted(struct parser *p, struct slice raw, struct jsonpath_node *field)
{
    struct parser names = {.arena = p->arena, .text = raw, .depth = p->depth + 1, .err = p->err};
    struct chain steps = {0};
    do {
        append(p, &steps, JSONPATH_FIELD)->name = read_name(&names);
    } while (take(&names, "."));
    if (names.at < raw.len) {
        return 0; /* other marks: a name and nothing else */
    }
    if (steps.first == steps.last) {
        field->name = steps.first->name; /* with its backslashes resolved */
    } else {
        field->second = steps.first;
    }
    return 0;
}

static int read_key(struct parser *p, struct chain *to)
{
    struct slice raw;
    int rc = read_quoted(p, true, &raw);
    if (rc != 0) {
        return rc;
    }
    struct jsonpath_node *field = append(p, to, JSONPATH_FIELD);
    field->name = raw;
    return read_dotted(p, raw, field);
}

static bool read_index(struct parser *p, int64_t *value)
{
    size_t len = peek(p, 0) == '-' ? 1 : 0;
    while (peek(p, len) >= '0' && peek(p, len) <= '9') {
        len++;
    }
    if (!slice_i64(slice_sub(p->text, p->at, len), value) || *value > INT32_MAX ||
        *value < INT32_MIN) {
        return false;
    }
    p->at += len;
    return true;
}

/* "3", "-1", "1:4", ":4", "::2", "*" */
static int read_slice(struct parser *p, struct chain *to)
{
    struct jsonpath_node *node = append(p, to, JSONPATH_SLICE);
    node->step = 1;
    if (take(p, "*")) {
        return 0;
    }
    node->has_from = read_index(p, &node->from);
    if (peek(p, 0) != ':') {
        node->single = node->has_to = true;
        node->to = node->from + 1;
        return node->has_from ? 0 : bad(p, "this is no index: want 2, -1, 0:3, * or 'name'");
    }
    p->at++;
    node->has_to = read_index(p, &node->to);
    if (take(p, ":") && read_index(p, &node->step) && node->step <= 0) {
        return bad(p, "the step must be greater than 0");
    }
    return 0;
}

static enum jsonpath_op read_op(struct parser *p)
{
    static const struct {
        const char *text;
        enum jsonpath_op op;
    } ops[] = {{"==", JSONPATH_EQ}, {"!=", JSONPATH_NE}, {"<=", JSONPATH_LE},
               {">=", JSONPATH_GE}, {"<", JSONPATH_LT},  {">", JSONPATH_GT}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (take(p, ops[i].text)) {
            return ops[i].op;
        }
    }
    return JSONPATH_EXISTS;
}

/* After "?(". */
static int read_filter(struct parser *p, struct chain *to)
{
    struct jsonpath_node *node = append(p, to, JSONPATH_FILTER);
    struct chain left = {0};
    struct chain right = {0};
    bool outer = p->filtered;
    p->filtered = true;
    int rc = read_steps(p, &left);
    node->op = read_op(p);
    if (rc == 0 && node->op != JSONPATH_EXISTS) {
        rc = read_steps(p, &right);
        rc = rc == 0 && right.first == NULL ? bad(p, "nothing to compare with") : rc;
    }
    node->first = left.first;
    node->second = right.first;
    p->filtered = outer;
    if (rc == 0 && !take(p, ")")) {
        rc = bad(p, "a filter is one comparison: [?(@.type==\"Ready\")]");
    }
    return rc;
}

static int read_item(struct parser *p, struct chain *to)
{
    skip_spaces(p);
    int rc = take(p, "?(")                             ? read_filter(p, to)
             : peek(p, 0) == '\'' || peek(p, 0) == '"' ? read_key(p, to)
                                                       : read_slice(p, to);
    skip_spaces(p);
    return rc;
}

/* After "[". One item is the step itself; several are a union. */
static int read_bracket(struct parser *p, struct chain *to)
{
    struct chain items = {0};
    if (++p->depth > DEPTH_MAX) {
        return bad(p, "brackets nest too deep");
    }
    do {
        struct chain item = {0};
        int rc = read_item(p, &item);
        if (rc != 0) {
            return rc;
        }
        append(p, &items, JSONPATH_ACTION)->first = item.first;
    } while (take(p, ","));
    if (!take(p, "]")) {
        return bad(p, "expected ]");
    }
    p->depth--;
    if (items.first == items.last) {
        struct jsonpath_node *only = append(p, to, JSONPATH_FIELD);
        *only = *items.first->first;
        only->next = NULL;
    } else {
        append(p, to, JSONPATH_UNION)->first = items.first;
    }
    return 0;
}

/* ---- steps ---- */

static int read_word(struct parser *p, struct chain *to)
{
    struct slice word = read_name(p);
    if (slice_eq_cstr(word, "true") || slice_eq_cstr(word, "false")) {
        append_literal(p, to, json_boolean(word.len == 4));
        return 0;
    }
    return err_set(p->err, ERR_INVALID,
                   "JSONPath, column %zu: \"%.*s\" needs a dot (a field) or quotes (a text)",
                   p->at + 1 - word.len, SLICE_ARG(word));
}

static int read_dot(struct parser *p, struct chain *to)
{
    bool recursive = take(p, "..");
    if (recursive) {
        if (to->last != NULL && to->last->type == JSONPATH_RECURSIVE) {
            return bad(p, ".. twice in a row");
        }
        append(p, to, JSONPATH_RECURSIVE);
    } else {
        p->at++;
    }
    if (ends(p) || ends_name(p, peek(p, 0))) { /* {.}, {..}, .[0] */
        return recursive && peek(p, 0) == '.' ? bad(p, ".. twice in a row") : 0;
    }
    struct slice name = read_name(p);
    if (slice_eq_cstr(name, "*")) {
        append(p, to, JSONPATH_WILDCARD);
    } else {
        append(p, to, JSONPATH_FIELD)->name = name;
    }
    return 0;
}

static int read_step(struct parser *p, struct chain *to)
{
    char c = peek(p, 0);
    struct slice text;
    if (c == '.') {
        return read_dot(p, to);
    }
    if (c == '[') {
        p->at++;
        return read_bracket(p, to);
    }
    if (c == '"' || c == '\'') {
        int rc = read_quoted(p, false, &text);
        if (rc == 0) {
            append_literal(p, to, json_str(text));
        }
        return rc;
    }
    if (c == '+' || c == '-' || (c >= '0' && c <= '9')) {
        return read_number(p, to);
    }
    return ends_name(p, c) ? bad(p, "this has no meaning here") : read_word(p, to);
}

/* Up to the brace, or to the end of a filter's side. */
static int read_steps(struct parser *p, struct chain *to)
{
    int rc = 0;
    while (rc == 0) {
        char c = peek(p, 0);
        if (ends(p) || (p->filtered ? strchr("=!<>)", c) != NULL : c == '}')) {
            break;
        }
        if (c == ' ' || c == '\t' || c == '$' || c == '@') {
            p->at++;
        } else {
            rc = read_step(p, to);
        }
    }
    return rc;
}

/* ---- parts ---- */

static bool take_keyword(struct parser *p, const char *word)
{
    size_t start = p->at;
    skip_spaces(p);
    if (take(p, word) && (ends(p) || strchr(" \t}.[", peek(p, 0)) != NULL)) {
        return true;
    }
    p->at = start;
    return false;
}

/* After "{". */
static int read_action(struct parser *p, struct chain levels[DEPTH_MAX + 1], int *level)
{
    struct chain steps = {0};
    if (take_keyword(p, "end")) {
        skip_spaces(p);
        if (*level == 0) {
            return bad(p, "{end} without {range}");
        }
        --*level;
        levels[*level].last->second = levels[*level + 1].first;
        return take(p, "}") ? 0 : bad(p, "expected }");
    }
    bool range = take_keyword(p, "range");
    int rc = read_steps(p, &steps);
    if (rc == 0 && !take(p, "}")) {
        rc = bad(p, "a brace is not closed");
    }
    if (rc != 0) {
        return rc;
    }
    append(p, &levels[*level], range ? JSONPATH_RANGE : JSONPATH_ACTION)->first = steps.first;
    if (range) {
        if (*level == DEPTH_MAX) {
            return bad(p, "ranges nest too deep");
        }
        levels[++*level] = (struct chain){0};
    }
    return 0;
}

static int parse(struct parser *p, const struct jsonpath_node **parts)
{
    struct chain levels[DEPTH_MAX + 1] = {{0}};
    int level = 0;
    int rc = 0;
    while (rc == 0 && !ends(p)) {
        struct slice rest = slice_sub(p->text, p->at, SIZE_MAX);
        size_t brace = slice_find(rest, SLICE("{"));
        struct slice text = slice_sub(rest, 0, brace);
        if (text.len > 0) {
            append_literal(p, &levels[level], json_str(text));
            p->at += text.len;
        }
        if (take(p, "{")) {
            rc = read_action(p, levels, &level);
        }
    }
    for (; level > 0; level--) {
        levels[level - 1].last->second = levels[level].first;
    }
    *parts = levels[0].first;
    return rc;
}

int jsonpath_parse(struct jsonpath *path, struct slice text, struct err *err)
{
    *path = (struct jsonpath){0};
    struct parser p = {.arena = &path->arena, .text = text, .err = err};
    int rc = text.len > JSONPATH_TEXT_MAX
                 ? err_set(err, ERR_INVALID, "JSONPath: longer than %d bytes", JSONPATH_TEXT_MAX)
                 : parse(&p, &path->parts);
    if (rc != 0) {
        jsonpath_free(path);
    }
    return rc;
}

/* One expression, whose values are all of the object. */
static bool is_one_path(const struct jsonpath_node *parts)
{
    if (parts->type != JSONPATH_ACTION || parts->next != NULL) {
        return false;
    }
    for (const struct jsonpath_node *s = parts->first; s != NULL; s = s->next) {
        if (s->type == JSONPATH_LITERAL) {
            return false;
        }
    }
    return true;
}

int jsonpath_parse_path(struct jsonpath *path, struct slice text, struct err *err)
{
    struct buf whole = {0};
    text = slice_trim(text);
    if (slice_starts_with(text, SLICE("{")) && slice_ends_with(text, SLICE("}"))) {
        text = slice_trim(slice_sub(text, 1, text.len - 2));
    }
    bool rooted = text.len > 0 && strchr(".$@['\"", text.data[0]) != NULL;
    buf_addf(&whole, "{%s%.*s}", rooted ? "" : ".", SLICE_ARG(text));
    int rc = text.len == 0 ? err_set(err, ERR_INVALID, "JSONPath: empty")
                           : jsonpath_parse(path, buf_slice(&whole), err);
    if (rc == 0 && !is_one_path(path->parts)) {
        jsonpath_free(path);
        rc = err_set(err, ERR_INVALID, "JSONPath: one path is wanted, not a template");
    }
    buf_free(&whole);
    return rc;
}

void jsonpath_free(struct jsonpath *path)
{
    arena_free(&path->arena);
    path->parts = NULL;
}
