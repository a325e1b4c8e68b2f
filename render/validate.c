/* validate.c: rules. */
#include "render/validate.h"

static struct slice place(struct template_scope *scope, struct slice path, const char *list,
                          size_t index, const char *member)
{
    return slice_of(arena_printf(scope->arena, "%.*s%s%s[%zu]%s%s", SLICE_ARG(path),
                                 path.len > 0 ? "." : "", list, index, member[0] != '\0' ? "." : "",
                                 member));
}

static void add_failure(struct buf *failures, struct slice path, struct slice message)
{
    if (failures->len > 0) {
        buf_add_cstr(failures, "; ");
    }
    buf_addf(failures, "%.*s: %.*s", SLICE_ARG(path), SLICE_ARG(message));
}

static int result_of(struct buf *failures, int rc, struct err *err)
{
    if (rc == 0 && failures->len > 0) {
        rc = err_set(err, ERR_UNPROCESSABLE, "%.*s", SLICE_ARG(buf_slice(failures)));
    }
    buf_free(failures);
    return rc;
}

int validate_before(struct template_scope *scope, const json_t *spec, struct slice path,
                    struct err *err)
{
    static const char *const lists[] = {"validations", "preRenderValidations"};
    struct buf failures = {0};
    int rc = 0;
    for (size_t k = 0; k < 2; k++) {
        const json_t *rules = json_object_get(spec, lists[k]);
        for (size_t i = 0; rc == 0 && i < json_array_size(rules); i++) {
            const json_t *rule = json_array_get(rules, i);
            bool holds;
            rc = template_bool(scope, json_text_at(rule, "rule"),
                               place(scope, path, lists[k], i, "rule"), &holds, err);
            if (rc == 0 && !holds) {
                add_failure(&failures, place(scope, path, lists[k], i, ""),
                            json_text_at(rule, "message"));
            }
        }
    }
    return result_of(&failures, rc, err);
}

/* "apps" of "apps/v1", "" of "v1". */
static struct slice group_of(const json_t *object, struct slice *version)
{
    struct slice api = json_text_at(object, "apiVersion");
    size_t slash = slice_find(api, SLICE("/"));
    *version = slash == SIZE_MAX ? api : slice_sub(api, slash + 1, api.len);
    return slash == SIZE_MAX ? SLICE("") : slice_sub(api, 0, slash);
}

int validate_selects(struct template_scope *scope, const json_t *target, const json_t *object,
                     struct slice path, bool *selected, struct err *err)
{
    struct slice version;
    struct slice group = group_of(object, &version);
    struct slice where = json_text_at(target, "where");
    struct slice wanted_version = json_text_at(target, "version");
    *selected = slice_eq(group, json_text_at(target, "group")) &&
                (wanted_version.len == 0 || slice_eq(version, wanted_version)) &&
                slice_eq(json_text_at(object, "kind"), json_text_at(target, "kind"));
    int rc = template_charge(scope, path, 1, err); /* targets times objects times loops */
    if (rc != 0 || !*selected || where.len == 0) {
        return rc;
    }
    template_set(scope, SLICE("resource"), cel_of_json(scope->arena, object));
    rc = template_bool(scope, where,
                       slice_of(arena_printf(scope->arena, "%.*s.target.where", SLICE_ARG(path))),
                       selected, err);
    template_unset(scope, SLICE("resource"));
    return rc;
}

struct after {
    struct template_scope *scope;
    const json_t *rule;
    struct slice path;
    const struct resource_list *list;
    struct buf *failures;
};

/* One rule on one object. */
static int judge(struct after *a, const json_t *object, struct err *err)
{
    bool holds;
    template_set(a->scope, SLICE("resource"), cel_of_json(a->scope->arena, object));
    int rc = template_bool(a->scope, json_text_at(a->rule, "rule"),
                           slice_of(arena_printf(a->scope->arena, "%.*s.rule", SLICE_ARG(a->path))),
                           &holds, err);
    template_unset(a->scope, SLICE("resource"));
    if (rc == 0 && !holds) {
        struct slice name = json_text(json_at(object, "metadata", "name", NULL));
        add_failure(
            a->failures,
            slice_of(arena_printf(a->scope->arena, "%.*s: %.*s/%.*s", SLICE_ARG(a->path),
                                  SLICE_ARG(json_text_at(object, "kind")), SLICE_ARG(name))),
            json_text_at(a->rule, "message"));
    }
    return rc;
}

/* One rule, with its loop's variable bound, on every object that it selects. */
static int judge_all(void *user, struct err *err)
{
    struct after *a = user;
    const json_t *target = json_object_get(a->rule, "target");
    const json_t *must = json_object_get(target, "mustMatch");
    size_t hits = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < a->list->count; i++) {
        bool selected;
        rc = validate_selects(a->scope, target, a->list->items[i].object, a->path, &selected, err);
        if (rc == 0 && selected) {
            hits++;
            rc = judge(a, a->list->items[i].object, err);
        }
    }
    if (rc == 0 && hits == 0 && !json_is_false(must)) {
        add_failure(a->failures, a->path, SLICE("no object matches the target"));
    }
    return rc;
}

int validate_after(struct template_scope *scope, const json_t *spec, struct slice path,
                   const struct resource_list *list, struct err *err)
{
    const json_t *rules = json_object_get(spec, "postRenderValidations");
    struct buf failures = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        struct slice when = json_text_at(rule, "when");
        struct after a = {scope, rule, place(scope, path, "postRenderValidations", i, ""), list,
                          &failures};
        bool asked = resources_here(rule);
        if (asked && when.len > 0) {
            rc = template_bool(scope, when, place(scope, path, "postRenderValidations", i, "when"),
                               &asked, err);
        }
        if (rc == 0 && asked) {
            rc = resources_each(scope, rule, a.path, judge_all, &a, err);
        }
    }
    return result_of(&failures, rc, err);
}
