/* Registers of a process that is traced and stands still. SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "port_linux.h"
#include "span.h"
#include "worker_arch.h"

int registers_get_set(pid_t pid, bool write, int set, void *regs, size_t len) {
  struct iovec io = {regs, len};
  if (ptrace(write ? PTRACE_SETREGSET : PTRACE_GETREGSET, pid, (void *)(intptr_t)set, &io) != 0) {
    return HIL_ERR_IO;
  }
  if (io.iov_len == len) return HIL_OK;
  errno = ENOTSUP; /* a program for another machine than the agent, such as of 32 bits */
  return HIL_ERR_IO;
}

int registers_of_worker(hil_worker_t *w, bool write, int set, void *regs, size_t *len) {
  struct iovec io = {regs, *len};
  long done;
#if defined(__x86_64__)
  /* A hit may have brought the worker into 32-bit mode, in which its sets are those of i386. These
   * requests have the sets of the agent's mode, and bring it back. */
  if (set == NT_PRSTATUS && *len == sizeof(struct user_regs_struct)) {
    done = ptrace(write ? PTRACE_SETREGS : PTRACE_GETREGS, w->pid, NULL, regs);
  } else if (set == NT_PRFPREG && *len == sizeof(struct user_fpregs_struct)) {
    done = ptrace(write ? PTRACE_SETFPREGS : PTRACE_GETFPREGS, w->pid, NULL, regs);
  } else
#endif
  {
    done = ptrace(write ? PTRACE_SETREGSET : PTRACE_GETREGSET, w->pid, (void *)(intptr_t)set, &io);
  }
  if (done != 0) {
    w->last_errno = (uint32_t)errno;
    return HIL_ERR_IO;
  }
  *len = io.iov_len;
  return HIL_OK;
}

enum {
  GPR_SET_BYTES = ARCH_GPR_COUNT * ARCH_GPR_BYTES,
  LARGER_SET_BYTES = (int)ARCH_VECTOR_BYTES > (int)GPR_SET_BYTES ? (int)ARCH_VECTOR_BYTES : (int)GPR_SET_BYTES
};

static const size_t gpr_offsets[ARCH_GPR_COUNT] = ARCH_GPR_OFFSETS;

/* All of TARGET_GPR as one array, in or out. */
static int gpr(pid_t pid, bool write, uint8_t bytes[GPR_SET_BYTES]) {
  hil_arch_regs_t regs;
  int status = registers_get_set(pid, false, NT_PRSTATUS, &regs, sizeof regs);
  if (status != HIL_OK) return status;
  for (size_t i = 0; i < ARCH_GPR_COUNT; i++) {
    uint8_t *reg = (uint8_t *)&regs + gpr_offsets[i];
    if (write) {
      memcpy(reg, bytes + ARCH_GPR_BYTES * i, ARCH_GPR_BYTES);
    } else {
      memcpy(bytes + ARCH_GPR_BYTES * i, reg, ARCH_GPR_BYTES);
    }
  }
  return write ? registers_get_set(pid, true, NT_PRSTATUS, &regs, sizeof regs) : HIL_OK;
}

static int vector(pid_t pid, bool write, uint8_t bytes[ARCH_VECTOR_BYTES]) {
  hil_arch_fpregs_t regs;
  int status = registers_get_set(pid, false, ARCH_VECTOR_SET, &regs, sizeof regs);
  if (status != HIL_OK) return status;
  if (!write) {
    memcpy(bytes, ARCH_VECTOR(regs), ARCH_VECTOR_BYTES);
    return HIL_OK;
  }
  memcpy(ARCH_VECTOR(regs), bytes, ARCH_VECTOR_BYTES);
  return registers_get_set(pid, true, ARCH_VECTOR_SET, &regs, sizeof regs);
}

uint64_t registers_len(hil_target_t target) {
  return target == TARGET_GPR ? (uint64_t)GPR_SET_BYTES : (uint64_t)ARCH_VECTOR_BYTES;
}

int registers_stack_pointer(pid_t pid, uintptr_t *out) {
  hil_arch_regs_t regs;
  const int status = registers_get_set(pid, false, NT_PRSTATUS, &regs, sizeof regs);
  if (status == HIL_OK) *out = (uintptr_t)ARCH_SP(regs);
  return status;
}

/* The whole set is read, |len| bytes at |offset| are taken or replaced. */
int registers_access(pid_t pid, hil_target_t target, uint64_t offset, uint8_t *out, const uint8_t *in,
                     size_t len) {
  uint8_t all[LARGER_SET_BYTES];
  if (!span_within(offset, len, registers_len(target)) || (!out && !in)) return HIL_ERR_ARG;
  const int status = target == TARGET_GPR ? gpr(pid, false, all) : vector(pid, false, all);
  if (status != HIL_OK) return status;
  if (out) {
    memcpy(out, all + offset, len);
    return HIL_OK;
  }
  memcpy(all + offset, in, len);
  return target == TARGET_GPR ? gpr(pid, true, all) : vector(pid, true, all);
}
