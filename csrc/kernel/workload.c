/* The registry of workloads. SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <string.h>

/* The large ones, which a build for a small board leaves out together with their files: the weights of infer are
 * half of its flash, those of lm three times as much. */
#ifdef HIL_WITHOUT_INFER
#define INFER(X)
#else
#define INFER(X) X(infer)
#endif
#ifdef HIL_WITHOUT_FFT
#define FFT(X)
#else
#define FFT(X) X(fft)
#endif
#ifdef HIL_WITHOUT_AES128
#define AES128(X)
#else
#define AES128(X) X(aes128)
#endif
#ifdef HIL_WITHOUT_MEKF
#define MEKF(X)
#else
#define MEKF(X) X(mekf)
#endif
#ifdef HIL_WITHOUT_TRAIN
#define TRAIN(X)
#else
#define TRAIN(X) X(train) X(train_recheck) X(train_rollback)
#endif
#ifdef HIL_WITHOUT_LM
#define LM(X)
#else
#define LM(X) X(lm) X(lm_abft)
#endif

/* One classifier in four number formats, and with protections in software. */
#ifdef HIL_WITHOUT_DENSE
#define DENSE(X)
#else
#define DENSE(X)       \
  X(dense_int8)        \
  X(dense_bf16)        \
  X(dense_fp16)        \
  X(dense_fp32)        \
  X(dense_bf16_clip)   \
  X(dense_fp16_clip)   \
  X(dense_fp32_clip)   \
  X(dense_bf16_parity) \
  X(dense_fp16_parity) \
  X(dense_int8_dup)    \
  X(dense_bf16_dup)    \
  X(dense_int8_secded) \
  X(dense_bf16_secded)
#endif
#ifdef HIL_WITHOUT_MATMUL_ABFT
#define MATMUL_ABFT(X)
#else
#define MATMUL_ABFT(X) X(matmul_abft)
#endif

/* Those of a user, beside these: -D'HIL_OWN_WORKLOADS(X)=X(mine)' and mine.c (`hil board build --workload mine.c`). */
#ifndef HIL_OWN_WORKLOADS
#define HIL_OWN_WORKLOADS(X)
#endif

/* One line per workload: kernel/workloads/NAME.c defines workload_NAME. A variant that protects itself is called
 * NAME+PROTECTION, in C NAME_PROTECTION. A file may define several. */
#define WORKLOADS(X) \
  X(attitude)        \
  INFER(X)           \
  X(matmul)          \
  X(sha256)          \
  X(archive)         \
  FFT(X)             \
  X(qsort)           \
  AES128(X)          \
  X(crc32)           \
  MEKF(X)            \
  TRAIN(X)           \
  LM(X)              \
  MATMUL_ABFT(X)     \
  DENSE(X)           \
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
    if (strncmp(registry[i]->name, name, WORKLOAD_NAME_SENT) == 0) {
      return registry[i];
    }
  }
  return NULL;
}
