#include "proto/kind_info.h"

static char **cstr_array(struct arena *arena, const struct slice *items, size_t count)
{
    char **out = arena_alloc(arena, count * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i] = arena_cstr(arena, items[i]);
    }
    return out;
}

static char **verbs_of(struct arena *arena, const struct kind *k, size_t *count)
{
    char **out = arena_alloc(arena, KIND_VERB_COUNT * sizeof *out);
    *count = 0;
    for (int i = 0; i < KIND_VERB_COUNT; i++) {
        if (k->verbs & (1u << i)) {
            out[(*count)++] = arena_cstr(arena, slice_of(kind_verb_name(i)));
        }
    }
    return out;
}

Choreo__V1__KindInfo *kind_info(struct arena *arena, const struct kind *kind)
{
    Choreo__V1__KindInfo *info = ARENA_NEW(arena, Choreo__V1__KindInfo);
    choreo__v1__kind_info__init(info);
    info->group = arena_cstr(arena, kind->group);
    info->version = arena_cstr(arena, kind->version);
    info->kind = arena_cstr(arena, kind->kind);
    info->plural = arena_cstr(arena, kind->plural);
    info->singular = arena_cstr(arena, kind->singular);
    info->message = arena_cstr(arena, kind->message);
    info->short_names = cstr_array(arena, kind->short_names, kind->short_name_count);
    info->n_short_names = kind->short_name_count;
    info->categories = cstr_array(arena, kind->categories, kind->category_count);
    info->n_categories = kind->category_count;
    info->has_namespaced = true;
    info->namespaced = kind->namespaced;
    info->has_status = true;
    info->status = kind->status;
    info->has_scale = true;
    info->scale = kind->scale_spec_replicas.len > 0;
    info->verbs = verbs_of(arena, kind, &info->n_verbs);
    info->doc = arena_cstr(arena, kind->doc);
    return info;
}
