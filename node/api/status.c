/* status.c: Status objects, written member by member in canonical order of meaning.
 *
 * Kubernetes' clients decide by `reason` and print `message`; `details` names what it is about.
 * Nothing here can fail: texts are quoted, never trusted. */
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

static void add_details(const struct status *status, struct buf *out)
{
    bool causes = status->causes != NULL && status->causes->count != 0;
    bool more = causes || status->cause_reason != NULL;
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
    if (status->retry_after_s != 0) {
        buf_addf(out, "\"retryAfterSeconds\":%d,", status->retry_after_s);
    }
    out->data[out->len - 1] = '}';
    buf_add_char(out, ',');
}

void status_write(const struct status *status, struct buf *out)
{
    bool ok = status->code == ERR_OK;
    struct slice message = status->message;
    if (message.len == 0 && !ok) {
        message = slice_of(err_meaning(status->code));
    }
    buf_add_cstr(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
    if (status->continued.len != 0) {
        buf_add_cstr(out, "\"continue\":");
        json_quote(out, status->continued);
    }
    buf_add_cstr(out, "},");
    buf_addf(out, "\"status\":\"%s\",", ok ? "Success" : "Failure");
    add_member(out, "message", message);
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
