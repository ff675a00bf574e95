/* What an instruction does with a place that is watched. SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <string.h>

#include "a64_access.h"
#include "port_linux.h"
#include "worker_arch.h"
#include "x86_insn.h"

#if defined(__x86_64__)

enum { BEFORE_MAX = 256 /* [byte] of code: after about 20 all ways to read it agree */, RETURN_MAX = 64 };

#define REG_AT(field) offsetof(struct user_regs_struct, field)

/* Read |before| bytes before |pc| and a whole instruction from it on, as far as they are mapped. */
static void read_code(hil_worker_t *w, uint64_t pc, uint8_t bytes[BEFORE_MAX + X86_INSN_MAX],
                      hil_x86_code_t *out) {
  const uint64_t begin = (uint64_t)(uintptr_t)w->workload->text_begin;
  const bool inside = pc >= begin && pc <= (uint64_t)(uintptr_t)w->workload->text_end;
  out->begins = inside && pc - begin <= BEFORE_MAX;
  out->before = out->begins ? (size_t)(pc - begin) : BEFORE_MAX;
  out->after = X86_INSN_MAX;
  out->bytes = bytes;
  if (worker_read_at(w, pc - out->before, bytes, out->before + out->after) == HIL_OK) return;
  out->after = 0;
  if (worker_read_at(w, pc - out->before, bytes, out->before) != HIL_OK) out->before = 0;
}

static void read_return(hil_worker_t *w, uint64_t sp, uint8_t bytes[RETURN_MAX], hil_x86_return_t *out) {
  *out = (hil_x86_return_t){.bytes = bytes};
  uint64_t at;
  if (worker_read_at(w, sp, (uint8_t *)&at, sizeof at) != HIL_OK || at < RETURN_MAX) return;
  out->return_address = at;
  if (worker_read_at(w, at - RETURN_MAX, bytes, RETURN_MAX) == HIL_OK) out->len = RETURN_MAX;
}

static bool read_registers(hil_worker_t *w, hil_x86_regs_t *out) {
  static const size_t offsets[16] = {
      REG_AT(rax), REG_AT(rcx), REG_AT(rdx), REG_AT(rbx), REG_AT(rsp), REG_AT(rbp), REG_AT(rsi), REG_AT(rdi),
      REG_AT(r8),  REG_AT(r9),  REG_AT(r10), REG_AT(r11), REG_AT(r12), REG_AT(r13), REG_AT(r14), REG_AT(r15)};
  hil_arch_regs_t all;
  size_t len = sizeof all;
  if (registers_of_worker(w, false, NT_PRSTATUS, &all, &len) != HIL_OK) return false;
  for (size_t i = 0; i < 16; i++) memcpy(&out->reg[i], (const uint8_t *)&all + offsets[i], sizeof(uint64_t));
  out->pc = ARCH_PC(all);
  return true;
}

hil_watch_verdict_t watch_judge(hil_worker_t *w, const hil_debug_place_t *place) {
  enum { STACK_POINTER = 4 };
  if (!place->written) return WATCH_READ;
  hil_x86_regs_t regs;
  hil_x86_code_t code;
  hil_x86_return_t top;
  uint8_t bytes[BEFORE_MAX + X86_INSN_MAX], calls[RETURN_MAX];
  if (!read_registers(w, &regs)) return WATCH_UNSURE;
  read_code(w, regs.pc, bytes, &code);
  read_return(w, regs.reg[STACK_POINTER], calls, &top);
  switch (x86_judge_write(&code, &regs, &top, place->address, place->len)) {
    case X86_READ_FIRST: return WATCH_READ;
    case X86_OVERWRITTEN: return WATCH_OVERWRITTEN;
    default: return WATCH_UNSURE;
  }
}

hil_watch_verdict_t watch_judge_fault(hil_worker_t *w, const hil_debug_place_t *place) {
  hil_x86_regs_t regs;
  uint8_t bytes[X86_INSN_MAX];
  if (!place->len) return WATCH_PASSED_BY;
  if (!read_registers(w, &regs)) return WATCH_UNSURE;
  if (worker_read_at(w, regs.pc, bytes, sizeof bytes) != HIL_OK)
    return WATCH_PASSED_BY; /* there is no code */
  switch (x86_judge_fault(bytes, sizeof bytes, &regs, place->address, place->len)) {
    case X86_READ_FIRST: return WATCH_READ;
    case X86_NOT_ACCESSED: return WATCH_PASSED_BY;
    default: return WATCH_UNSURE;
  }
}

/* From the beginning of the code, as the agent has it: upsets change the worker's own copy. */
uintptr_t watch_instruction_at(const hil_workload_t *workload, uintptr_t address) {
  const uint8_t *at = workload->text_begin, *end = workload->text_end;
  hil_x86_insn_t i;
  while (at < end && x86_decode(at, (size_t)(end - at), &i) == HIL_OK) {
    if ((uintptr_t)at + i.len > address) return (uintptr_t)at <= address ? (uintptr_t)at : 0;
    at += i.len;
  }
  return 0;
}

#elif defined(__aarch64__)

hil_watch_verdict_t watch_judge(hil_worker_t *w, const hil_debug_place_t *place) {
  hil_arch_regs_t all;
  hil_a64_access_t access;
  uint64_t x[32];
  uint32_t instruction;
  if (!place->len) return WATCH_READ;
  size_t len = sizeof all;
  if (registers_of_worker(w, false, NT_PRSTATUS, &all, &len) != HIL_OK) return WATCH_UNSURE;
  memcpy(x, all.regs, 31 * sizeof x[0]);
  x[31] = ARCH_SP(all);
  if (worker_read_at(w, ARCH_PC(all), (uint8_t *)&instruction, sizeof instruction) != HIL_OK ||
      !a64_access(instruction, x, &access)) {
    return WATCH_UNSURE;
  }
  const uint64_t begin = place->address, end = begin + place->len;
  if (access.address >= end || access.address + access.size <= begin) return WATCH_PASSED_BY;
  if (!access.writes) return WATCH_READ;
  return access.address <= begin && access.address + access.size >= end ? WATCH_OVERWRITTEN : WATCH_UNSURE;
}

uintptr_t watch_instruction_at(const hil_workload_t *workload, uintptr_t address) {
  (void)workload;
  return address & ~(uintptr_t)3;
}

/* Debug registers report before the access: there is none that they missed. */
hil_watch_verdict_t watch_judge_fault(hil_worker_t *w, const hil_debug_place_t *place) {
  (void)w, (void)place;
  return WATCH_PASSED_BY;
}

#else

hil_watch_verdict_t watch_judge_fault(hil_worker_t *w, const hil_debug_place_t *place) {
  (void)w, (void)place;
  return WATCH_PASSED_BY;
}

hil_watch_verdict_t watch_judge(hil_worker_t *w, const hil_debug_place_t *place) {
  (void)w, (void)place;
  return WATCH_UNSURE;
}

uintptr_t watch_instruction_at(const hil_workload_t *workload, uintptr_t address) {
  (void)workload, (void)address;
  return 0;
}

#endif
