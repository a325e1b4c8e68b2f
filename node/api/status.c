/* status.c: Status objects, written member by member in canonical order of meaning.
 *
 * Kubernetes' clients decide by `reason` and print `message`; `details` names what it is about.
 * Of what is invalid kubectl prints the causes alone: who found but one fault, and said it in the
 * message, gets a cause made of that. Nothing here can fail: texts are quoted, never trusted. */
#include "node/api/status.h"

int status_http(const struct status *status)
{
    return status->http != 0 ? status->http : err_http_status(status->code);
}

static void add_member(struct buf *out, const char *name, struct slice value)
{
    if (value.len != 0) {
        buf_addf(out, "\"%s\":", name);
        json_quote(out, value);
        buf_add_char(out, ',');
    }
}

static struct slice message_of(const struct status *status)
{
    bool unsaid = status->message.len == 0 && status->code != ERR_OK;
    return unsaid ? slice_of(err_meaning(status->code)) : status->message;
}

/* The field that a message begins with, taken off it ("dryRun: Unsupported value"), maybe behind
 * what has it ("PatchOptions \"\" is invalid: force: Forbidden"). Who names none means the spec. */
static struct slice take_field(struct slice *message)
{
    size_t invalid = slice_find(*message, SLICE(" is invalid: "));
    struct slice said =
        invalid == SIZE_MAX ? *message : slice_sub(*message, invalid + 13, message->len);
    size_t end = slice_find(said, SLICE(": "));
    struct slice field = slice_sub(said, 0, end == SIZE_MAX ? 0 : end);
    if (field.len == 0 || slice_find(field, SLICE(" ")) != SIZE_MAX) {
        return SLICE("spec");
    }
    *message = slice_sub(said, end + 2, said.len);
    return field;
}

static void add_own_cause(const struct status *status, struct buf *out)
{
    struct slice message = message_of(status);
    struct slice field = take_field(&message);
    buf_addf(out, "\"causes\":[{\"reason\":\"%s\",\"message\":", cause_reason(CAUSE_INVALID));
    json_quote(out, message);
    buf_add_cstr(out, ",\"field\":");
    json_quote(out, field);
    buf_add_cstr(out, "}],");
}

static void add_details(const struct status *status, struct buf *out)
{
    bool causes = status->causes != NULL && status->causes->count != 0;
    bool own = !causes && status->cause_reason == NULL && status->code == ERR_UNPROCESSABLE;
    bool more = causes || own || status->cause_reason != NULL;
    if (status->name.len + status->group.len + status->kind.len + status->uid.len == 0 && !more &&
        status->retry_after_s == 0) {
        return;
    }
    buf_add_cstr(out, "\"details\":{");
    add_member(out, "name", status->name);
    add_member(out, "group", status->group);
    add_member(out, "kind", status->kind);
    add_member(out, "uid", status->uid);
    if (causes) {
        json_t *list = causes_json(status->causes);
        buf_add_cstr(out, "\"causes\":");
        json_canonical(list, out);
        buf_add_char(out, ',');
        json_decref(list);
    }
    if (!causes && status->cause_reason != NULL) {
        buf_addf(out, "\"causes\":[{\"reason\":\"%s\",\"message\":\"%s\"}],", status->cause_reason,
                 status->cause_reason);
    }
    if (own) {
        add_own_cause(status, out);
    }
    if (status->retry_after_s != 0) {
        buf_addf(out, "\"retryAfterSeconds\":%d,", status->retry_after_s);
    }
    out->data[out->len - 1] = '}';
    buf_add_char(out, ',');
}

void status_write(const struct status *status, struct buf *out)
{
    bool ok = status->code == ERR_OK;
    buf_add_cstr(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
    if (status->continued.len != 0) {
        buf_add_cstr(out, "\"continue\":");
        json_quote(out, status->continued);
    }
    buf_add_cstr(out, "},");
    buf_addf(out, "\"status\":\"%s\",", ok ? "Success" : "Failure");
    add_member(out, "message", message_of(status));
    if (!ok) {
        const char *reason = status->reason != NULL ? status->reason : err_reason(status->code);
        add_member(out, "reason", slice_of(reason));
    }
    add_details(status, out);
    if (ok) {
        out->data[out->len - 1] = '}';
        buf_add_char(out, '\n');
    } else {
        buf_addf(out, "\"code\":%d}\n", status_http(status));
    }
}
