/* The registry of workloads. SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <string.h>

/* Its tables of weights are half of a small board's flash: -DHIL_WITHOUT_INFER builds an agent without it, and
 * without infer.c. */
#ifdef HIL_WITHOUT_INFER
#define INFER(X)
#else
#define INFER(X) X(infer)
#endif

/* Those of a user, beside these: -D'HIL_OWN_WORKLOADS(X)=X(mine)' and mine.c (`hil board build --workload mine.c`). */
#ifndef HIL_OWN_WORKLOADS
#define HIL_OWN_WORKLOADS(X)
#endif

/* One line per workload: kernel/workloads/NAME.c defines workload_NAME. */
#define WORKLOADS(X) \
  X(attitude)        \
  INFER(X)           \
  X(matmul)          \
  X(sha256)          \
  X(archive)         \
  X(fft)             \
  X(qsort)           \
  X(aes128)          \
  X(crc32)           \
  X(mekf)            \
  HIL_OWN_WORKLOADS(X)

#define DECLARE(name) extern const hil_workload_t workload_##name;
WORKLOADS(DECLARE)

#define ADDRESS(name) &workload_##name,
static const hil_workload_t *const registry[] = {WORKLOADS(ADDRESS)};

enum { REGISTERED = sizeof registry / sizeof registry[0] };

const hil_workload_t *workload_at(int index) {
  return index >= 0 && index < (int)REGISTERED ? registry[index] : NULL;
}

const hil_workload_t *workload_find(const char *name) {
  for (int i = 0; name && i < (int)REGISTERED; i++) {
    if (strcmp(registry[i]->name, name) == 0) {
      return registry[i];
    }
  }
  return NULL;
}
