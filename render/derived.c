/* derived.c: from a workload to the lists that containers, volumes, ConfigMaps and Secrets are made
 * of.
 *
 * Names and shapes are OpenChoreo's, to the byte where they name objects: an env ConfigMap is
 * "COMPONENT-ENV-env-configs-h", a file's "COMPONENT-ENV-config-FILE-h", an external secret's name
 * also hashes what it refers to, so that a changed reference makes a new object and rolls the pods.
 *
 * A reference to a secret is looked up among the sources: a SecretReference stays remote (templates
 * make an ExternalSecret of it), a Secret of ours travels with its value (templates make a Secret),
 * a ConfigMap's value becomes plain configuration. Order: the workload's, overrides that replace in
 * place, additions behind; so the same input gives the same lists. What is looked for by name is
 * found in maps: lists that were stored before they had a limit are long. */
#include "render/derived.h"

#include <string.h>

#include "proto/object.h"
#include "render/environment.h"
#include "render/members.h"
#include "render/name.h"
#include "render/plane_access.h"
#include "render/trace.h"

struct deriving {
    struct arena *arena;
    const struct render_component *in;
    struct slice prefix; /* COMPONENT-ENVIRONMENT */
    json_t *configs;     /* {envs, files} */
    json_t *secrets;
    struct map sources;      /* by derive_key() of kind and name */
    struct map remotes;      /* remoteRefs by derive_key() of a SecretReference and a key of it */
    struct map config_files; /* by dashed(): the first of its name */
    struct map secret_files;
    struct err *err;
};

static void set_text(json_t *object, const char *key, struct slice text)
{
    json_object_set_new(object, key, json_str(text));
}

/* Merging overrides. */

/* An entry's own key: "key" as OpenChoreo has it, "name" as our environments do. */
static struct slice key_of(const json_t *entry)
{
    struct slice key = json_text_at(entry, "key");
    return key.len > 0 ? key : json_text_at(entry, "name");
}

static bool same_entry(const json_t *a, const json_t *b)
{
    return slice_eq(key_of(a), key_of(b)) &&
           slice_eq(json_text_at(a, "mountPath"), json_text_at(b, "mountPath"));
}

/* A member that is set again keeps its place. */
static void merge_entries(json_t *into, const json_t *more)
{
    struct buf id = {0};
    for (size_t i = 0; i < json_array_size(more); i++) {
        const json_t *entry = json_array_get(more, i);
        buf_clear(&id);
        buf_add(&id, key_of(entry));
        buf_add_char(&id, '\0');
        buf_add(&id, json_text_at(entry, "mountPath"));
        json_object_setn_new(into, buf_cstr(&id), id.len, json_deep_copy(entry));
    }
    buf_free(&id);
}

/* Who says what of the container's env or files, in order: the later one wins. */
struct source {
    const char *name;
    const json_t *entries;
};

enum { SOURCES_MAX = 4 + 2 * ENVIRONMENT_LEVELS };

static size_t sources_of(const struct deriving *d, const char *key, struct source *sources)
{
    const struct render_component *in = d->in;
    struct environment_level levels[ENVIRONMENT_LEVELS];
    size_t level_count = strcmp(key, "env") != 0
                             ? 0
                             : environment_levels(in->environment, in->environment_own,
                                                  in->environment_template, levels);
    size_t count = 0;
    sources[count++] = (struct source){"project", json_at(in->release, "project", key, NULL)};
    sources[count++] =
        (struct source){"component", json_at(in->release, "workload", "container", key, NULL)};
    for (size_t i = 0; i < level_count; i++) {
        sources[count++] =
            (struct source){levels[i].name, json_object_get(levels[i].overrides, key)};
    }
    sources[count++] = (struct source){"project.environments", json_object_get(in->project, key)};
    for (size_t i = 0; i < level_count; i++) {
        const json_t *one = environment_component(levels[i].overrides, in->id.component);
        sources[count++] = (struct source){levels[i].components, json_object_get(one, key)};
    }
    sources[count++] = (struct source){
        "binding", json_at(in->binding, "workloadOverrides", "container", key, NULL)};
    return count;
}

/* What an entry says: its text, or where that is from. */
static json_t *said(const json_t *entry)
{
    const json_t *from = json_object_get(entry, "valueFrom");
    return from != NULL ? json_deep_copy(from) : json_str(json_text_at(entry, "value"));
}

/* One row of the trace: who set an entry, and whom that hides. */
static void trace_entry(const struct deriving *d, const char *key, const json_t *entry,
                        const struct source *sources, size_t count)
{
    const char *owner = "";
    json_t *hides = json_array();
    for (size_t i = count; i > 0; i--) {
        for (size_t k = 0; k < json_array_size(sources[i - 1].entries); k++) {
            const json_t *one = json_array_get(sources[i - 1].entries, k);
            if (same_entry(one, entry) && owner[0] == '\0') {
                owner = sources[i - 1].name;
            } else if (same_entry(one, entry)) {
                json_array_append_new(hides, json_pack("{s:s, s:o}", "layer", sources[i - 1].name,
                                                       "value", said(one)));
            }
        }
    }
    const char *path = arena_printf(d->arena, "%s.%.*s", key, SLICE_ARG(key_of(entry)));
    json_t *row = json_pack("{s:s, s:s, s:o, s:s}", "scope", "workload", "path", path, "value",
                            said(entry), "layer", owner);
    if (json_array_size(hides) > 0) {
        json_object_set(row, "hides", hides);
    }
    json_decref(hides);
    json_array_append_new(d->in->trace->values, row);
}

/* The container's env or files with every override. */
static json_t *merged(const struct deriving *d, const char *key)
{
    struct source sources[SOURCES_MAX];
    size_t count = sources_of(d, key, sources);
    json_t *by_id = json_object();
    json_t *all = json_array();
    const char *id;
    json_t *entry;
    for (size_t i = 0; i < count; i++) {
        merge_entries(by_id, sources[i].entries);
    }
    json_object_foreach(by_id, id, entry)
    {
        json_array_append(all, entry);
    }
    json_decref(by_id);
    for (size_t i = 0; d->in->trace != NULL && i < json_array_size(all); i++) {
        trace_entry(d, key, json_array_get(all, i), sources, count);
    }
    return all;
}

/* Looking references up. */

struct slice derive_key(struct arena *arena, struct slice a, struct slice b)
{
    const char *key = arena_printf(arena, "%.*s%c%.*s", SLICE_ARG(a), '\0', SLICE_ARG(b));
    return slice_make(key, a.len + 1 + b.len);
}

static void map_first(struct map *map, struct slice key, json_t *value)
{
    if (value != NULL && map_get(map, key) == NULL) {
        map_put(map, key, value);
    }
}

static void index_remotes(struct deriving *d, const json_t *reference)
{
    const json_t *data = json_at(reference, "spec", "data", NULL);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *one = json_array_get(data, i);
        struct slice key =
            derive_key(d->arena, object_name(reference), json_text_at(one, "secretKey"));
        map_first(&d->remotes, key, json_object_get(one, "remoteRef"));
    }
}

static void index_sources(struct deriving *d)
{
    for (size_t i = 0; i < json_array_size(d->in->sources); i++) {
        json_t *source = json_array_get(d->in->sources, i);
        struct slice kind = json_text_at(source, "kind");
        map_first(&d->sources, derive_key(d->arena, kind, object_name(source)), source);
        if (slice_eq_cstr(kind, "SecretReference")) {
            index_remotes(d, source);
        }
    }
}

static const json_t *source_of(const struct deriving *d, const char *kind, struct slice name)
{
    return map_get(&d->sources, derive_key(d->arena, slice_of(kind), name));
}

static int unresolved(const struct deriving *d, const json_t *item, const char *kind,
                      const json_t *ref, bool exists)
{
    return err_set(d->err, ERR_NOT_FOUND, "\"%.*s\" needs key \"%.*s\" of %s \"%.*s\", which %s",
                   SLICE_ARG(key_of(item)), SLICE_ARG(json_text_at(ref, "key")), kind,
                   SLICE_ARG(json_text_at(ref, "name")),
                   exists ? "has no such key" : "does not exist");
}

/* Of a plane's store a namespace may have what the plane says. */
static int check_remote(const struct deriving *d, const json_t *item, const json_t *ref,
                        const json_t *remote)
{
    const json_t *plane = d->in->dataplane;
    struct slice key = json_text_at(remote, "key");
    if (plane_allows_key(plane, d->in->id.ns, key)) {
        return 0;
    }
    return err_set(
        d->err, ERR_UNPROCESSABLE,
        "\"%.*s\" takes \"%.*s\" from the secret store by SecretReference \"%.*s\": data "
        "plane %.*s lets namespace %.*s have keys that begin with %s",
        SLICE_ARG(key_of(item)), SLICE_ARG(key), SLICE_ARG(json_text_at(ref, "name")),
        SLICE_ARG(d->in->id.dataplane), SLICE_ARG(d->in->id.ns),
        plane_key_prefixes(plane, d->in->id.ns, d->arena));
}

/* Fills item with what a secretKeyRef means: remoteRef, or value in base64. */
static int resolve_secret(const struct deriving *d, const json_t *ref, const json_t *item,
                          json_t *result)
{
    struct slice name = json_text_at(ref, "name");
    struct slice key = json_text_at(ref, "key");
    const json_t *reference = source_of(d, "SecretReference", name);
    const json_t *secret = source_of(d, "Secret", name);
    const json_t *remote = map_get(&d->remotes, derive_key(d->arena, name, key));
    const json_t *data = json_object_get(secret, "data");
    const json_t *value = key.len > 0 ? json_object_getn(data, key.data, key.len) : NULL;
    if (remote != NULL) {
        json_object_set_new(result, "remoteRef", json_deep_copy(remote));
        return check_remote(d, item, ref, remote);
    }
    if (remote == NULL && object_is_kept_secret(secret)) {
        return err_set(d->err, ERR_UNPROCESSABLE,
                       "\"%.*s\" names Secret \"%.*s\", which is the control plane's own: what a "
                       "resource puts out arrives by dependencies",
                       SLICE_ARG(key_of(item)), SLICE_ARG(name));
    }
    if (value != NULL) {
        json_object_set_new(result, "value", json_deep_copy(value));
        return 0;
    }
    bool remote_only = reference != NULL && secret == NULL;
    return unresolved(d, item, remote_only ? "SecretReference" : "Secret", ref,
                      reference != NULL || secret != NULL);
}

static int resolve_config(const struct deriving *d, const json_t *ref, const json_t *item,
                          json_t *result)
{
    struct slice name = json_text_at(ref, "name");
    struct slice key = json_text_at(ref, "key");
    const json_t *source = source_of(d, "ConfigMap", name);
    const json_t *data = json_object_get(source, "data");
    const json_t *value = key.len > 0 ? json_object_getn(data, key.data, key.len) : NULL;
    if (!json_is_string(value)) {
        return unresolved(d, item, "ConfigMap", ref, source != NULL);
    }
    json_object_set_new(result, "value", json_deep_copy(value));
    return 0;
}

/* One env variable or file into configs or secrets. */
static int place_item(const struct deriving *d, const json_t *item, const char *list)
{
    const json_t *secret = json_at(item, "valueFrom", "secretKeyRef", NULL);
    const json_t *config = json_at(item, "valueFrom", "configMapKeyRef", NULL);
    json_t *result = json_object();
    int rc = 0;
    set_text(result, "name", key_of(item));
    if (strcmp(list, "files") == 0) {
        set_text(result, "mountPath", json_text_at(item, "mountPath"));
    }
    if (secret != NULL) {
        rc = resolve_secret(d, secret, item, result);
    } else if (config != NULL) {
        rc = resolve_config(d, config, item, result);
    } else {
        set_text(result, "value", json_text_at(item, "value"));
    }
    if (rc == 0) {
        json_array_append(json_object_get(secret != NULL ? d->secrets : d->configs, list), result);
    }
    json_decref(result);
    return rc;
}

static int place_all(const struct deriving *d, const char *from, const char *list)
{
    json_t *all = merged(d, from);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(all); i++) {
        rc = place_item(d, json_array_get(all, i), list);
    }
    json_decref(all);
    return rc;
}

/* Names of objects. */

static struct slice dashed(struct arena *arena, struct slice text)
{
    char *copy = arena_cstr(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = copy[i] == '.' ? '-' : copy[i];
    }
    return slice_make(copy, text.len);
}

static void index_files(const struct deriving *d, const json_t *files, struct map *first)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        json_t *file = json_array_get(files, i);
        map_first(first, dashed(d->arena, json_text_at(file, "name")), file);
    }
}

/* "DIRECTORY/NAME" of a file before which another comes to the same name, in another directory or
 * with a dot for a dash; else nothing. Its object must not be that one's, which keeps its name. */
static struct slice told_apart(const struct deriving *d, const struct map *first,
                               const json_t *file)
{
    struct slice name = json_text_at(file, "name");
    struct slice path = json_text_at(file, "mountPath");
    const json_t *keeper = map_get(first, dashed(d->arena, name));
    if (slice_eq(json_text_at(keeper, "name"), name) &&
        slice_eq(json_text_at(keeper, "mountPath"), path)) {
        return SLICE("");
    }
    return slice_of(arena_printf(d->arena, "%.*s/%.*s", SLICE_ARG(path), SLICE_ARG(name)));
}

static struct slice file_name(const struct deriving *d, const char *kind, const json_t *file,
                              struct slice more)
{
    const struct slice parts[] = {d->prefix, slice_of(kind),
                                  dashed(d->arena, json_text_at(file, "name"))};
    return more.len == 0
               ? name_join(d->arena, NAME_SUBDOMAIN_MAX, parts, 3)
               : name_join_extra(d->arena, NAME_SUBDOMAIN_MAX, parts, 3, name_hash(d->arena, more));
}

static struct slice config_file_name(const struct deriving *d, const json_t *file)
{
    return file_name(d, "config", file, told_apart(d, &d->config_files, file));
}

/* "key NUL property NUL version" of a remoteRef. */
static void add_remote(struct buf *out, const json_t *remote)
{
    static const char *const keys[] = {"key", "property", "version"};
    for (size_t i = 0; i < 3; i++) {
        if (i > 0) {
            buf_add_char(out, '\0');
        }
        buf_add(out, json_text_at(remote, keys[i]));
    }
}

static struct slice secret_file_name(const struct deriving *d, const json_t *file)
{
    const json_t *remote = json_object_get(file, "remoteRef");
    struct buf text = {0};
    if (remote != NULL) {
        add_remote(&text, remote);
    }
    buf_add(&text, told_apart(d, &d->secret_files, file));
    struct slice name = file_name(d, "secret", file, buf_slice(&text));
    buf_free(&text);
    return name;
}

static struct slice config_envs_name(const struct deriving *d)
{
    const struct slice parts[] = {d->prefix, SLICE("env-configs")};
    return name_join(d->arena, NAME_SUBDOMAIN_MAX, parts, 2);
}

static struct slice secret_values_name(const struct deriving *d)
{
    const struct slice parts[] = {d->prefix, SLICE("env-secret-values")};
    return name_join(d->arena, NAME_SUBDOMAIN_MAX, parts, 2);
}

static struct slice secret_envs_name(const struct deriving *d, const json_t *envs)
{
    const struct slice parts[] = {d->prefix, SLICE("env-secrets")};
    struct buf text = {0};
    for (size_t i = 0; i < json_array_size(envs); i++) {
        const json_t *env = json_array_get(envs, i);
        buf_add(&text, json_text_at(env, "name"));
        buf_add_char(&text, '\0');
        add_remote(&text, json_object_get(env, "remoteRef"));
        buf_add_char(&text, '\0');
    }
    struct slice extra = name_hash(d->arena, buf_slice(&text));
    buf_free(&text);
    return name_join_extra(d->arena, NAME_SUBDOMAIN_MAX, parts, 2, extra);
}

/* The methods of configurations. */

/* Those of a list with a remoteRef, or those without. A new list of the same members. */
static json_t *with_remote(const json_t *list, bool remote)
{
    json_t *some = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        if ((json_object_get(item, "remoteRef") != NULL) == remote) {
            json_array_append(some, item);
        }
    }
    return some;
}

/* [{resourceName, envs}], or [] if there are none. */
static json_t *by_container(struct slice name, const json_t *envs)
{
    json_t *result = json_array();
    if (json_array_size(envs) > 0) {
        json_t *one = json_object();
        set_text(one, "resourceName", name);
        json_object_set_new(one, "envs", json_deep_copy(envs));
        json_array_append_new(result, one);
    }
    return result;
}

static json_t *file_list(const struct deriving *d, const json_t *files, bool secret)
{
    json_t *result = json_array();
    for (size_t i = 0; i < json_array_size(files); i++) {
        json_t *file = json_deep_copy(json_array_get(files, i));
        set_text(file, "resourceName",
                 secret ? secret_file_name(d, file) : config_file_name(d, file));
        json_array_append_new(result, file);
    }
    return result;
}

/* Secrets with values of ours: [{resourceName, data: {key: base64}}]. */
static json_t *secret_values(const struct deriving *d, const json_t *envs, const json_t *files)
{
    json_t *result = json_array();
    if (json_array_size(envs) > 0) {
        json_t *data = json_object();
        for (size_t i = 0; i < json_array_size(envs); i++) {
            const json_t *env = json_array_get(envs, i);
            json_object_set(data, json_string_value(json_object_get(env, "name")),
                            json_object_get(env, "value"));
        }
        json_t *one = json_pack("{s:o}", "data", data);
        set_text(one, "resourceName", secret_values_name(d));
        json_array_append_new(result, one);
    }
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        json_t *data = json_object();
        json_object_set(data, json_string_value(json_object_get(file, "name")),
                        json_object_get(file, "value"));
        json_t *one = json_pack("{s:o}", "data", data);
        set_text(one, "resourceName", secret_file_name(d, file));
        json_array_append_new(result, one);
    }
    return result;
}

static void add_env_from(json_t *list, const char *kind, struct slice name)
{
    json_t *ref = json_object();
    set_text(ref, "name", name);
    json_array_append_new(list, json_pack("{s:o}", kind, ref));
}

static struct slice volume_name(const struct deriving *d, const json_t *file)
{
    struct slice path = json_text_at(file, "mountPath");
    struct slice name = json_text_at(file, "name");
    struct slice whole =
        slice_of(arena_printf(d->arena, "%.*s/%.*s", SLICE_ARG(path), SLICE_ARG(name)));
    struct slice hash = name_hash(d->arena, whole);
    return slice_of(arena_printf(d->arena, "file-mount-%.*s", SLICE_ARG(hash)));
}

static void add_mounts(const struct deriving *d, const json_t *files, json_t *mounts)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        struct slice path = json_text_at(file, "mountPath");
        struct slice name = json_text_at(file, "name");
        /* "/etc/app/" and "/etc/app" mean the same directory. */
        while (path.len > 1 && path.data[path.len - 1] == '/') {
            path.len--;
        }
        json_t *mount = json_object();
        set_text(mount, "name", volume_name(d, file));
        set_text(mount, "mountPath",
                 slice_of(arena_printf(d->arena, "%.*s%s%.*s", SLICE_ARG(path),
                                       path.len == 1 ? "" : "/", SLICE_ARG(name))));
        set_text(mount, "subPath", name);
        json_array_append_new(mounts, mount);
    }
}

/* Keyed by name first, so that a file mounted twice makes one volume, and sorted by it. */
static void add_volumes(const struct deriving *d, const json_t *files, bool secret, json_t *by_name)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        struct slice name = volume_name(d, file);
        json_t *source = json_object();
        set_text(source, secret ? "secretName" : "name",
                 secret ? secret_file_name(d, file) : config_file_name(d, file));
        json_t *volume = json_pack("{s:o}", secret ? "secret" : "configMap", source);
        set_text(volume, "name", name);
        json_object_setn_new(by_name, name.data, name.len, volume);
    }
}

/* The members of an object in the order of their keys, as an array. */
static json_t *sorted_values(struct arena *arena, const json_t *object)
{
    struct member *members;
    size_t count = members_sorted(arena, object, &members);
    json_t *result = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append(result, members[i].value);
    }
    return result;
}

static json_t *configuration_methods(const struct deriving *d)
{
    const json_t *envs = json_object_get(d->configs, "envs");
    const json_t *files = json_object_get(d->configs, "files");
    const json_t *secret_files = json_object_get(d->secrets, "files");
    json_t *remote_envs = with_remote(json_object_get(d->secrets, "envs"), true);
    json_t *value_envs = with_remote(json_object_get(d->secrets, "envs"), false);
    json_t *remote_files = with_remote(secret_files, true);
    json_t *value_files = with_remote(secret_files, false);
    json_t *env_from = json_array();
    json_t *mounts = json_array();
    json_t *volumes = json_object();
    if (json_array_size(envs) > 0) {
        add_env_from(env_from, "configMapRef", config_envs_name(d));
    }
    if (json_array_size(remote_envs) > 0) {
        add_env_from(env_from, "secretRef", secret_envs_name(d, remote_envs));
    }
    if (json_array_size(value_envs) > 0) {
        add_env_from(env_from, "secretRef", secret_values_name(d));
    }
    add_mounts(d, files, mounts);
    add_mounts(d, secret_files, mounts);
    add_volumes(d, files, false, volumes);
    add_volumes(d, secret_files, true, volumes);
    json_t *methods =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "toContainerEnvFrom", env_from,
                  "toContainerVolumeMounts", mounts, "toVolumes", sorted_values(d->arena, volumes),
                  "toConfigEnvsByContainer", by_container(config_envs_name(d), envs),
                  "toSecretEnvsByContainer",
                  by_container(secret_envs_name(d, remote_envs), remote_envs), "toConfigFileList",
                  file_list(d, files, false), "toSecretFileList", file_list(d, remote_files, true),
                  "toSecretValues", secret_values(d, value_envs, value_files));
    json_decref(volumes);
    json_decref(remote_envs);
    json_decref(value_envs);
    json_decref(remote_files);
    json_decref(value_files);
    return methods;
}

/* What somebody wrote for this component wins over what a dependency sets by convention. What its
 * project says of all of its components is for where nobody says otherwise. */
static void prefer_written(const struct deriving *d, json_t *variables)
{
    struct source sources[SOURCES_MAX];
    struct map written = {0};
    size_t count = sources_of(d, "env", sources);
    for (size_t i = 1; i < count; i++) { /* the first is the project */
        for (size_t k = 0; k < json_array_size(sources[i].entries); k++) {
            json_t *entry = json_array_get(sources[i].entries, k);
            map_put(&written, key_of(entry), entry);
        }
    }
    derive_dependencies_without(variables, &written);
    map_free(&written);
}

static int derive_configurations(struct deriving *d, json_t *variables, json_t *derived)
{
    json_t *configurations = json_pack("{s:{s:[],s:[]}, s:{s:[],s:[]}}", "configs", "envs", "files",
                                       "secrets", "envs", "files");
    d->configs = json_object_get(configurations, "configs");
    d->secrets = json_object_get(configurations, "secrets");
    json_object_set_new(variables, "configurations", configurations);
    prefer_written(d, variables);
    index_sources(d);
    int rc = place_all(d, "env", "envs");
    if (rc == 0) {
        rc = place_all(d, "files", "files");
    }
    json_t *pull = json_array();
    rc = rc == 0 ? derive_pull_secrets(d->arena, d->in, &d->sources, pull, d->err) : rc;
    if (rc == 0) {
        index_files(d, json_object_get(d->configs, "files"), &d->config_files);
        index_files(d, json_object_get(d->secrets, "files"), &d->secret_files);
        json_t *methods = configuration_methods(d);
        json_object_set(methods, "toImagePullSecrets", pull);
        json_object_set_new(derived, "configurations", methods);
    }
    json_decref(pull);
    return rc;
}

int derive(struct arena *arena, const struct render_component *in, json_t *variables,
           json_t *derived, struct err *err)
{
    struct deriving d = {.arena = arena, .in = in, .err = err};
    d.prefix = slice_of(arena_printf(arena, "%.*s-%.*s", SLICE_ARG(in->id.component),
                                     SLICE_ARG(in->id.environment)));
    int rc = derive_workload(arena, in, variables, derived, err);
    if (rc == 0) {
        rc = derive_dependencies(arena, in, variables, derived, err);
    }
    rc = rc == 0 ? derive_configurations(&d, variables, derived) : rc;
    map_free(&d.sources);
    map_free(&d.remotes);
    map_free(&d.config_files);
    map_free(&d.secret_files);
    return rc;
}
