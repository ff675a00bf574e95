/* The registers of the worker of a campaign. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "campaign.h"

static const size_t offsets[ARCH_GPR_COUNT] = ARCH_GPR_OFFSETS;

static int set(hil_worker_t *w, int which, const void *registers, size_t len) {
  return registers_of_worker(w, true, which, (void *)(uintptr_t)registers, &len);
}

int registers_get_general(hil_worker_t *w, hil_arch_regs_t *out) {
  size_t len = sizeof *out;
  return registers_of_worker(w, false, NT_PRSTATUS, out, &len);
}

int registers_set_general(hil_worker_t *w, const hil_arch_regs_t *regs) {
  return set(w, NT_PRSTATUS, regs, sizeof *regs);
}

/* Not every processor has the larger sets. */
int registers_get(hil_worker_t *w, hil_registers_t *out) {
  static const int sets[] = ARCH_EXTENDED_SETS;
  int status = registers_get_general(w, &out->general);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
    out->extended_set = sets[i];
    out->extended_len = sizeof out->extended;
    status = registers_of_worker(w, false, sets[i], out->extended, &out->extended_len);
    if (status == HIL_OK) break;
  }
  return status;
}

int registers_set(hil_worker_t *w, const hil_registers_t *regs) {
  const int status = set(w, regs->extended_set, regs->extended, regs->extended_len);
  return status == HIL_OK ? registers_set_general(w, &regs->general) : status;
}

void registers_flip_general(hil_arch_regs_t *regs, size_t index, uint8_t mask) {
  uint8_t *byte = (uint8_t *)regs + offsets[index / ARCH_GPR_BYTES] + index % ARCH_GPR_BYTES;
  *byte ^= mask;
}

int registers_flip_vector(hil_worker_t *w, const hil_registers_t *regs, size_t index, uint8_t mask) {
  hil_arch_fpregs_t vectors;
  size_t len = sizeof vectors;
#ifdef ARCH_EXTENDED_VECTOR_AT /* to set the smaller set would clear what is beside it in the registers */
  static uint8_t extended[EXTENDED_MAX];
  const size_t at = ARCH_EXTENDED_VECTOR_AT(regs->extended_set, regs->extended, index);
  if (at) {
    memcpy(extended, regs->extended, regs->extended_len);
    extended[at] ^= mask;
    return set(w, regs->extended_set, extended, regs->extended_len);
  }
#endif
  (void)regs;
  const int status = registers_of_worker(w, false, ARCH_VECTOR_SET, &vectors, &len);
  if (status != HIL_OK) return status;
  ARCH_VECTOR(vectors)[index] ^= mask;
  return set(w, ARCH_VECTOR_SET, &vectors, sizeof vectors);
}

uint64_t registers_value(const hil_arch_regs_t *regs, size_t i) {
  uint64_t v64;
  uint32_t v32;
  const uint8_t *at = (const uint8_t *)regs + offsets[i];
  if (ARCH_GPR_BYTES == sizeof v32) {
    memcpy(&v32, at, sizeof v32);
    return v32;
  }
  memcpy(&v64, at, sizeof v64);
  return v64;
}
