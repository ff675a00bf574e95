/* The programs that an agent may run: those of its own command line. SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "port_linux.h"

static bool name_is_good(const char *name, size_t len) {
  return len > 0 && len <= EXEC_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") >= len;
}

int exec_allow(hil_exec_list_t *list, const char *spec) {
  const char *equals = strchr(spec, '=');
  if (!equals || equals[1] != '/' || !name_is_good(spec, (size_t)(equals - spec)) ||
      list->count == EXEC_PROGRAMS_MAX) {
    return -1;
  }
  hil_exec_program_t *p = &list->program[list->count];
  memset(p, 0, sizeof *p);
  memcpy(p->name, spec, (size_t)(equals - spec));
  for (int i = 0; i < list->count; i++) {
    if (!strcmp(list->program[i].name, p->name)) return -1;
  }
  const size_t len = strlen(equals + 1);
  if (len >= sizeof p->text) return -1;
  memcpy(p->text, equals + 1, len);
  int count = 0;
  for (char *part = p->text; part;) {
    if (count == EXEC_ARGUMENTS_MAX) return -1;
    p->argument[count++] = part;
    part = strchr(part, ',');
    if (part) *part++ = 0;
  }
  list->count++;
  return 0;
}

const hil_exec_program_t *exec_named(const hil_exec_list_t *list, const char *name) {
  for (int i = 0; i < list->count; i++) {
    if (!strcmp(list->program[i].name, name)) return &list->program[i];
  }
  return NULL;
}
