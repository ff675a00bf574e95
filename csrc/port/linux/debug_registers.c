/* Debug registers through ptrace. SPDX-License-Identifier: Apache-2.0
 *
 * x86-64 has four registers for both kinds. Data is reported after the access; there is no register for reads alone,
 * so each place has two, one for writes and one for both: the first is silent when it was read only. An instruction
 * is reported before it is executed.
 *
 * aarch64 has registers of each kind, and reports both before the access. */
#include "debug_registers.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "status.h"

#if defined(__x86_64__)

enum {
  REGISTERS = 4,
  STATUS = 6,
  CONTROL = 7,
  WRITES = 1, /* kinds, in CONTROL */
  ACCESSES = 3,
  STEPPED = 1 << 14 /* in STATUS */
};

static int put(pid_t pid, int number, unsigned long value) {
  const size_t at = offsetof(struct user, u_debugreg) + (size_t)number * sizeof(unsigned long);
  return ptrace(PTRACE_POKEUSER, pid, (void *)at, (void *)value) == 0 ? HIL_OK : HIL_ERR_IO;
}

static bool get_status(pid_t pid, unsigned long *out) {
  const size_t at = offsetof(struct user, u_debugreg) + STATUS * sizeof(unsigned long);
  errno = 0;
  const long value = ptrace(PTRACE_PEEKUSER, pid, (void *)at, NULL);
  *out = (unsigned long)value;
  return errno == 0;
}

static unsigned long control_of(int number, unsigned long kind, uint8_t len) {
  const unsigned long lens[9] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
  return 1ul << (2 * number) | kind << (16 + 4 * number) | lens[len] << (18 + 4 * number);
}

hil_debug_capacity_t debug_capacity(pid_t pid) {
  unsigned long status;
  if (!get_status(pid, &status)) return (hil_debug_capacity_t){0, 0, true};
  return (hil_debug_capacity_t){REGISTERS / 2, REGISTERS, true};
}

int debug_watch(pid_t pid, const hil_debug_place_t *places, size_t count) {
  unsigned long control = 0;
  int number = 0;
  if (put(pid, CONTROL, 0) != HIL_OK) return HIL_ERR_IO;
  for (size_t i = 0; i < count; i++) {
    const hil_debug_place_t *p = &places[i];
    const int need = p->len ? 2 : 1;
    if (number + need > REGISTERS) return HIL_ERR_EXHAUSTED;
    for (int j = 0; j < need; j++, number++) {
      if (put(pid, number, p->address) != HIL_OK) return HIL_ERR_IO;
      control |= control_of(number, !p->len ? 0 : j ? ACCESSES : WRITES, p->len ? p->len : 1);
    }
  }
  if (put(pid, STATUS, 0) != HIL_OK) return HIL_ERR_IO;
  return control ? put(pid, CONTROL, control) : HIL_OK;
}

bool debug_fired(pid_t pid, hil_debug_place_t *places, size_t count, bool *out_executed) {
  unsigned long status;
  bool any = false, code = false;
  int number = 0;
  *out_executed = true;
  if (!get_status(pid, &status)) return false;
  for (size_t i = 0; i < count; i++) {
    hil_debug_place_t *p = &places[i];
    p->written = p->len && (status >> number & 1u);
    p->fired = p->written || (status >> (p->len ? number + 1 : number) & 1u);
    code |= p->fired && !p->len;
    any |= p->fired;
    number += p->len ? 2 : 1;
  }
  *out_executed = !code || (status & STEPPED);
  (void)put(pid, STATUS, 0);
  return any;
}

#elif defined(__aarch64__)

#ifndef NT_ARM_HW_BREAK
#define NT_ARM_HW_BREAK 0x402
#define NT_ARM_HW_WATCH 0x403
#endif

enum { SLOTS_MAX = 16, ENABLED = 1, USER_MODE = 2 << 1, LOADS = 1 << 3, STORES = 2 << 3, LEN_SHIFT = 5 };

/* As Linux defines it (struct user_hwdebug_state), which not every C library has. */
typedef struct {
  uint32_t info, pad;
  struct {
    uint64_t address;
    uint32_t control, pad;
  } slot[SLOTS_MAX];
} hil_debug_set_t;

static int slots(pid_t pid, int set) {
  hil_debug_set_t all = {0};
  struct iovec io = {&all, sizeof all};
  if (ptrace(PTRACE_GETREGSET, pid, (void *)(intptr_t)set, &io) != 0) return 0;
  const int count = (int)(all.info & 0xffu);
  return count < SLOTS_MAX ? count : SLOTS_MAX;
}

hil_debug_capacity_t debug_capacity(pid_t pid) {
  return (hil_debug_capacity_t){slots(pid, NT_ARM_HW_WATCH), slots(pid, NT_ARM_HW_BREAK), false};
}

static int watch_kind(pid_t pid, const hil_debug_place_t *places, size_t count, bool is_code) {
  const int set = is_code ? NT_ARM_HW_BREAK : NT_ARM_HW_WATCH;
  const int room = slots(pid, set);
  int used = 0;
  hil_debug_set_t all = {0};
  for (size_t i = 0; i < count; i++) {
    const hil_debug_place_t *p = &places[i];
    if ((p->len == 0) != is_code) continue;
    if (used == room) return room ? HIL_ERR_EXHAUSTED : HIL_ERR_NOSYS;
    /* Bytes are chosen within the aligned eight: Linux refuses some addresses that are not aligned. */
    const uint32_t first = is_code ? 0 : (uint32_t)(p->address & 7u);
    const uint32_t bytes = is_code ? 0xfu : (1u << p->len) - 1u, kind = is_code ? 0 : LOADS | STORES;
    all.slot[used].address = p->address - first;
    all.slot[used].control = bytes << first << LEN_SHIFT | kind | USER_MODE | ENABLED;
    used++;
  }
  if (!room) return HIL_OK;
  struct iovec io = {&all, offsetof(hil_debug_set_t, slot) + (size_t)room * sizeof all.slot[0]};
  return ptrace(PTRACE_SETREGSET, pid, (void *)(intptr_t)set, &io) == 0 ? HIL_OK : HIL_ERR_IO;
}

int debug_watch(pid_t pid, const hil_debug_place_t *places, size_t count) {
  const int status = watch_kind(pid, places, count, false);
  return status == HIL_OK ? watch_kind(pid, places, count, true) : status;
}

bool debug_fired(pid_t pid, hil_debug_place_t *places, size_t count, bool *out_executed) {
  siginfo_t why;
  bool any = false;
  *out_executed = true;
  if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &why) != 0 || why.si_code != 4 /* TRAP_HWBKPT */) return false;
  *out_executed = false;
  const uint64_t at = (uint64_t)(uintptr_t)why.si_addr;
  for (size_t i = 0; i < count; i++) {
    hil_debug_place_t *p = &places[i];
    p->written = false;
    p->fired = !p->len && p->address == at;
    any |= p->fired;
  }
  for (size_t i = 0; !any && i < count; i++) places[i].fired = places[i].len != 0; /* which: see watch.c */
  return count > 0;
}

#else

hil_debug_capacity_t debug_capacity(pid_t pid) {
  (void)pid;
  return (hil_debug_capacity_t){0, 0, true};
}

int debug_watch(pid_t pid, const hil_debug_place_t *places, size_t count) {
  (void)pid, (void)places, (void)count;
  return HIL_ERR_NOSYS;
}

bool debug_fired(pid_t pid, hil_debug_place_t *places, size_t count, bool *out_executed) {
  (void)pid, (void)places, (void)count;
  *out_executed = true;
  return false;
}

#endif
