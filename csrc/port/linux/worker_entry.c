/* The worker's clean start. SPDX-License-Identifier: Apache-2.0
 *
 * A clone begins with the agent's registers, and sets itself up on a stack: what both leave behind
 * differs from run to run (process ids, times, sequence numbers), and an upset that hits it would do
 * another thing each time. So the set-up runs on a stack of its own, and at its first
 * stop the agent puts every register to a fixed value and lets the steps begin on a stack of zeros. */
#include <elf.h>
#include <string.h>

#include "port_linux.h"
#include "worker_arch.h"

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum { XSTATE_MAX = 1 << 15 /* [byte] more than any processor has today */ };

static int clear_vectors(hil_worker_t *w) {
  hil_arch_fpregs_t vectors;
  size_t len = sizeof vectors;
  memset(&vectors, 0, sizeof vectors);
  ARCH_RESET_VECTOR_CONTROL(vectors);
  const int status = registers_of_worker(w, true, ARCH_VECTOR_SET, &vectors, &len);
#ifdef ARCH_XSTATE_HEADER /* what lies beyond the oldest set */
  static uint8_t state[XSTATE_MAX] __attribute__((aligned(64)));
  len = sizeof state;
  if (status == HIL_OK && registers_of_worker(w, false, NT_X86_XSTATE, state, &len) == HIL_OK &&
      len > ARCH_XSTATE_HEADER + sizeof(uint64_t)) {
    memset(state + ARCH_XSTATE_HEADER, 0, sizeof(uint64_t));
    (void)registers_of_worker(w, true, NT_X86_XSTATE, state, &len);
  }
#endif
  return status;
}

int worker_enter(hil_worker_t *w, uintptr_t entry, uintptr_t stack_top) {
  static const size_t offsets[ARCH_GPR_COUNT] = ARCH_GPR_OFFSETS;
  hil_arch_regs_t regs;
  size_t len = sizeof regs;
  int status = registers_of_worker(w, false, NT_PRSTATUS, &regs, &len);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i < ARCH_GPR_COUNT; i++) {
    if (!ARCH_KEEPS_GPR(offsets[i])) memset((uint8_t *)&regs + offsets[i], 0, ARCH_GPR_BYTES);
  }
  ARCH_ENTER(regs, entry, stack_top);
  status = clear_vectors(w);
  return status == HIL_OK ? registers_of_worker(w, true, NT_PRSTATUS, &regs, &len) : status;
}

static bool is_preserved(size_t offset) {
  static const size_t preserved[] = ARCH_PRESERVED_OFFSETS;
  for (size_t i = 0; i < sizeof preserved / sizeof preserved[0]; i++) {
    if (preserved[i] == offset) return true;
  }
  return false;
}

int worker_clear_registers(hil_worker_t *w) {
  static const size_t offsets[ARCH_GPR_COUNT] = ARCH_GPR_OFFSETS;
  hil_arch_regs_t regs;
  size_t len = sizeof regs;
  int status = registers_of_worker(w, false, NT_PRSTATUS, &regs, &len);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i + 1u < ARCH_GPR_COUNT; i++) { /* all but the program counter */
    if (ARCH_KEEPS_GPR(offsets[i]) || is_preserved(offsets[i])) continue;
    memset((uint8_t *)&regs + offsets[i], 0, ARCH_GPR_BYTES);
  }
  ARCH_CLEAR_FLAGS(regs);
  status = clear_vectors(w);
  return status == HIL_OK ? registers_of_worker(w, true, NT_PRSTATUS, &regs, &len) : status;
}
