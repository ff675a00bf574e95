/* Reading and changing a worker that stands still. SPDX-License-Identifier: Apache-2.0
 *
 * Memory goes through /proc/PID/mem, which also writes to pages that the worker itself may not (its
 * machine code: the kernel gives it a private copy). Registers go through ptrace. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "port_linux.h"
#include "span.h"
#include "worker_arch.h"

static int refused(hil_worker_t *w) {
  w->last_errno = (uint32_t)errno;
  return HIL_ERR_IO;
}

static int get_set(hil_worker_t *w, bool write, int set, void *regs, size_t len) {
  struct iovec io = {regs, len};
  const long done = write ? ptrace(PTRACE_SETREGSET, w->pid, (void *)(intptr_t)set, &io)
                          : ptrace(PTRACE_GETREGSET, w->pid, (void *)(intptr_t)set, &io);
  return done == 0 ? HIL_OK : refused(w);
}

/* Where a memory target lies in the worker, and how long it is now. */
static int locate(hil_worker_t *w, hil_target_t target, uintptr_t *out_base, uint64_t *out_len) {
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
      if (get_set(w, false, NT_PRSTATUS, &regs, sizeof regs) != HIL_OK) return HIL_ERR_IO;
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

enum {
  GPR_SET_BYTES = ARCH_GPR_COUNT * ARCH_GPR_BYTES,
  LARGER_SET_BYTES = (int)ARCH_VECTOR_BYTES > (int)GPR_SET_BYTES ? (int)ARCH_VECTOR_BYTES : (int)GPR_SET_BYTES
};

static const size_t gpr_offsets[ARCH_GPR_COUNT] = ARCH_GPR_OFFSETS;

/* All of TARGET_GPR as one array, in or out. */
static int gpr(hil_worker_t *w, bool write, uint8_t bytes[GPR_SET_BYTES]) {
  hil_arch_regs_t regs;
  int status = get_set(w, false, NT_PRSTATUS, &regs, sizeof regs);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i < ARCH_GPR_COUNT; i++) {
    uint8_t *reg = (uint8_t *)&regs + gpr_offsets[i];
    if (write) {
      memcpy(reg, bytes + ARCH_GPR_BYTES * i, ARCH_GPR_BYTES);
    } else {
      memcpy(bytes + ARCH_GPR_BYTES * i, reg, ARCH_GPR_BYTES);
    }
  }
  return write ? get_set(w, true, NT_PRSTATUS, &regs, sizeof regs) : HIL_OK;
}

static int vector(hil_worker_t *w, bool write, uint8_t bytes[ARCH_VECTOR_BYTES]) {
  hil_arch_fpregs_t regs;
  int status = get_set(w, false, ARCH_VECTOR_SET, &regs, sizeof regs);
  if (status != HIL_OK) return status;
  if (!write) {
    memcpy(bytes, ARCH_VECTOR(regs), ARCH_VECTOR_BYTES);
    return HIL_OK;
  }
  memcpy(ARCH_VECTOR(regs), bytes, ARCH_VECTOR_BYTES);
  return get_set(w, true, ARCH_VECTOR_SET, &regs, sizeof regs);
}

int worker_target_len(hil_worker_t *w, hil_target_t target, uint64_t *out_len) {
  uintptr_t base;
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    *out_len = target == TARGET_GPR ? (uint64_t)GPR_SET_BYTES : (uint64_t)ARCH_VECTOR_BYTES;
    return w->pid ? HIL_OK : HIL_ERR_STATE;
  }
  return locate(w, target, &base, out_len);
}

/* Registers: the whole set is read, |len| bytes at |offset| are taken or replaced. */
static int register_access(hil_worker_t *w, hil_target_t target, uint64_t offset, uint8_t *out,
                           const uint8_t *in, size_t len) {
  uint8_t all[LARGER_SET_BYTES];
  const uint64_t size = target == TARGET_GPR ? (uint64_t)GPR_SET_BYTES : (uint64_t)ARCH_VECTOR_BYTES;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  int status = target == TARGET_GPR ? gpr(w, false, all) : vector(w, false, all);
  if (status != HIL_OK) return status;
  if (out) {
    memcpy(out, all + offset, len);
    return HIL_OK;
  }
  if (!in) return HIL_ERR_ARG;
  memcpy(all + offset, in, len);
  return target == TARGET_GPR ? gpr(w, true, all) : vector(w, true, all);
}

int worker_target_read(hil_worker_t *w, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    return register_access(w, target, offset, out, NULL, len);
  }
  uintptr_t base;
  uint64_t size;
  const int status = locate(w, target, &base, &size);
  if (status != HIL_OK) return status;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  return pread(w->mem_fd, out, len, (off_t)(base + offset)) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_target_write(hil_worker_t *w, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  if (target == TARGET_GPR || target == TARGET_VECTOR) {
    return register_access(w, target, offset, NULL, bytes, len);
  }
  uintptr_t base;
  uint64_t size;
  const int status = locate(w, target, &base, &size);
  if (status != HIL_OK) return status;
  if (!span_within(offset, len, size)) return HIL_ERR_ARG;
  return pwrite(w->mem_fd, bytes, len, (off_t)(base + offset)) == (ssize_t)len ? HIL_OK : refused(w);
}

int worker_sefi(hil_worker_t *w, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  hil_arch_regs_t regs;
  if (!w->pid) return HIL_ERR_STATE;
  if (kind != SEFI_HANG && kind != SEFI_CRASH) return HIL_ERR_ARG;
  const int status = get_set(w, false, NT_PRSTATUS, &regs, sizeof regs);
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
  if (!w->pid || get_set(w, false, NT_PRSTATUS, &regs, sizeof regs) != HIL_OK) return UINT64_MAX;
  const uintptr_t pc = (uintptr_t)ARCH_PC(regs), begin = (uintptr_t)w->workload->text_begin;
  return pc >= begin && pc < (uintptr_t)w->workload->text_end ? pc - begin : UINT64_MAX;
}
