/* Reading and changing a worker that stands still. SPDX-License-Identifier: Apache-2.0
 *
 * Memory goes through /proc/PID/mem, which also writes to pages that the worker itself may not (its
 * machine code: the kernel gives it a private copy). Registers go through ptrace (registers.c). */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "port_linux.h"
#include "span.h"
#include "worker_arch.h"

static int refused(hil_worker_t *w) {
  w->last_errno = (uint32_t)errno;
  return HIL_ERR_IO;
}

static int general(hil_worker_t *w, hil_arch_regs_t *out) {
  size_t len = sizeof *out;
  return registers_of_worker(w, false, NT_PRSTATUS, out, &len);
}

int worker_locate(hil_worker_t *w, hil_target_t target, uintptr_t *out_base, uint64_t *out_len) {
  const hil_workload_t *l = w->workload;
  hil_arch_regs_t regs;
  if (!w->pid || !l) return HIL_ERR_STATE;
  switch (target) {
    case TARGET_STATE:
      *out_base = (uintptr_t)w->memory.region[0];
      *out_len = l->state_len;
      break;
    case TARGET_INPUT:
      *out_base = (uintptr_t)w->memory.region[1];
      *out_len = l->input_len;
      break;
    case TARGET_OUTPUT:
      *out_base = (uintptr_t)w->memory.region[2];
      *out_len = l->output_len;
      break;
    case TARGET_HEAP:
      *out_base = (uintptr_t)w->scratch;
      *out_len = l->scratch_len;
      break;
    case TARGET_TEXT:
      *out_base = (uintptr_t)l->text_begin;
      *out_len = (uint64_t)(l->text_end - l->text_begin);
      break;
    case TARGET_STACK: {
      if (general(w, &regs) != HIL_OK) return HIL_ERR_IO;
      const uintptr_t sp = (uintptr_t)ARCH_SP(regs), base = (uintptr_t)w->stack;
      if (sp < base || sp >= base + WORKER_STACK_LEN) return HIL_ERR_STATE; /* corrupted before */
      *out_base = sp;
      *out_len = base + WORKER_STACK_LEN - sp;
      break;
    }
    default: return HIL_ERR_NOSYS;
  }
  return HIL_OK;
}

int worker_target_len(hil_worker_t *w, hil_target_t target, uint64_t *out_len) {
  uintptr_t base;
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    *out_len = registers_len(target);
    return w->pid ? HIL_OK : HIL_ERR_STATE;
  }
  return worker_locate(w, target, &base, out_len);
}

int worker_target_read(hil_worker_t *w, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    const int done = registers_access(w->pid, target, offset, out, NULL, len);
    return done == HIL_ERR_IO ? refused(w) : done;
  }
  uintptr_t base;
  uint64_t size;
  const int status = worker_locate(w, target, &base, &size);
  if (status != HIL_OK) return status;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  return pread(w->mem_fd, out, len, (off_t)(base + offset)) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_target_write(hil_worker_t *w, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  w->was_hit = true;
  if (target == TARGET_TEXT) w->code_was_hit = true;
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    const int done = registers_access(w->pid, target, offset, NULL, bytes, len);
    return done == HIL_ERR_IO ? refused(w) : done;
  }
  uintptr_t base;
  uint64_t size;
  const int status = worker_locate(w, target, &base, &size);
  if (status != HIL_OK) return status;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  return pwrite(w->mem_fd, bytes, len, (off_t)(base + offset)) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_read_at(hil_worker_t *w, uint64_t address, uint8_t *out, size_t len) {
  if (!w->pid) return HIL_ERR_STATE;
  return pread(w->mem_fd, out, len, (off_t)address) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_write_at(hil_worker_t *w, uint64_t address, const uint8_t *bytes, size_t len) {
  if (!w->pid) return HIL_ERR_STATE;
  return pwrite(w->mem_fd, bytes, len, (off_t)address) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_sefi(hil_worker_t *w, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  hil_arch_regs_t regs;
  if (!w->pid) return HIL_ERR_STATE;
  if (kind != SEFI_HANG && kind != SEFI_CRASH) return HIL_ERR_ARG;
  w->was_hit = w->code_was_hit = true;
  const int status = general(w, &regs);
  if (status != HIL_OK) return status;
  const uint8_t hang[] = ARCH_HANG_BYTES(regs), crash[] = ARCH_CRASH_BYTES(regs);
  const off_t pc = (off_t)ARCH_PC(regs);
  *out_len = ARCH_PATCH_LEN;
  if (pread(w->mem_fd, before, ARCH_PATCH_LEN, pc) != ARCH_PATCH_LEN ||
      pwrite(w->mem_fd, kind == SEFI_HANG ? hang : crash, ARCH_PATCH_LEN, pc) != ARCH_PATCH_LEN ||
      pread(w->mem_fd, after, ARCH_PATCH_LEN, pc) != ARCH_PATCH_LEN) {
    return refused(w);
  }
  return HIL_OK;
}

uint64_t worker_pc_offset(hil_worker_t *w) {
  hil_arch_regs_t regs;
  if (!w->pid || general(w, &regs) != HIL_OK) return UINT64_MAX;
  const uintptr_t pc = (uintptr_t)ARCH_PC(regs), begin = (uintptr_t)w->workload->text_begin;
  return pc >= begin && pc < (uintptr_t)w->workload->text_end ? pc - begin : UINT64_MAX;
}
