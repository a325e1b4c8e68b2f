/* replay.c: runs a fuzz target over the files of a folder, for builds without libFuzzer. An empty
 * or absent folder is a failure: a corpus that went missing must not pass. */
#include <dirent.h>
#include <stdio.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX_BYTES = 16 * 1024 * 1024 };

static int replay(const char *folder, const char *name)
{
    struct buf path = {0};
    struct buf input = {0};
    struct err err;
    buf_addf(&path, "%s/%s", folder, name);
    int rc = file_read(buf_cstr(&path), INPUT_MAX_BYTES, &input, &err);
    if (rc != 0) {
        (void)fprintf(stderr, "%s\n", err.message);
    } else {
        (void)LLVMFuzzerTestOneInput((const uint8_t *)buf_cstr(&input), input.len);
    }
    buf_free(&path);
    buf_free(&input);
    return rc;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    int count = 0;
    int rc = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL && rc == 0; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            rc = replay(argv[1], entry->d_name);
            count++;
        }
    }
    (void)closedir(dir);
    (void)printf("%d inputs\n", count);
    return rc == 0 && count > 0 ? 0 : 1;
}
