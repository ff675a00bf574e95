/* Run a fuzz target over the files of a folder, without a fuzzer. SPDX-License-Identifier: Apache-2.0
 *
 * Usage: regress_NAME FOLDER. A target that finds something aborts. A missing, unreadable or empty
 * folder is a failure: nothing tested is not a pass. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 1 run, 0 not a file, -1 could not be read. */
static int run_file(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) return -1;
  if (!S_ISREG(info.st_mode)) return 0;
  const size_t size = (size_t)info.st_size;
  uint8_t *bytes = malloc(size ? size : 1); /* exactly its size, so that a sanitizer sees the end */
  FILE *file = fopen(path, "rb");
  const int complete = bytes && file && fread(bytes, 1, size, file) == size;
  if (file) fclose(file);
  if (complete) LLVMFuzzerTestOneInput(bytes, size);
  free(bytes);
  return complete ? 1 : -1;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  DIR *folder = opendir(argv[1]);
  if (!folder) {
    perror(argv[1]);
    return 1;
  }
  int count = 0, failed = 0;
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
    const int result = n > 0 && (size_t)n < sizeof path ? run_file(path) : -1;
    if (result > 0) count++;
    if (result < 0) {
      fprintf(stderr, "%s: cannot be read\n", path);
      failed = 1;
    }
  }
  closedir(folder);
  printf("%d files\n", count);
  return failed || count == 0;
}
