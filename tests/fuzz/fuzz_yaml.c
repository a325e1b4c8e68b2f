/* Any bytes: reading never crashes, hangs or grows without bound. A document that reads is written
 * as text that reads back as the same tree. */
#include <string.h>

#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

static int check_document(json_t *document, int line, void *user, struct err *err)
{
    (void)user;
    struct buf text = {0};
    json_t *back;
    PROPERTY(line > 0);
    yaml_emit(document, &text);
    int rc = yaml_parse(buf_slice(&text), "emitted", &back, err);
    if (rc != 0 || !json_equal(document, back)) {
        (void)fprintf(stderr, "%s\n", buf_cstr(&text));
    }
    PROPERTY(rc == 0);
    PROPERTY(json_equal(document, back));
    json_decref(back);
    buf_free(&text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    int rc = yaml_each(slice_make(data, size), "input", check_document, NULL, &err);
    if (rc != 0) {
        PROPERTY(rc == ERR_INVALID && strncmp(err.message, "input:", 6) == 0);
    }
    (void)yaml_line_of(slice_make(data, size), "a[0].b");
    return 0;
}
