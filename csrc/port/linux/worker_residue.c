/* What earlier steps have left in a worker. SPDX-License-Identifier: Apache-2.0 */
#include "worker_residue.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

enum { SLOT_SCRATCH = 4, SLOT_STACK = 5, SLOT_PAGES_MAX = 4096, LIVE_MAX = 1024 /* [byte] */ };

/* How the one worker rests that has not been hit. */
static struct {
  hil_arch_regs_t registers;
  size_t live_len;         /* [byte] of its stack that is in use */
  uint8_t live[LIVE_MAX];
} rest;

static size_t page_len(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* --- at the start of a worker ---------------------------------------------------------------------------- */

/* The last page of a region is shared with what lies after the region. */
static void remove_from(uint8_t *slot, size_t slot_len, size_t region_len) {
  const size_t page = page_len(), whole = (region_len + page - 1u) / page * page;
  memset(slot + region_len, 0, whole - region_len);
  if (whole < slot_len && madvise(slot + whole, slot_len - whole, MADV_REMOVE) != 0) {
    memset(slot + whole, 0, slot_len - whole); /* a system without it */
  }
}

void residue_remove(const hil_worker_t *w) {
  uint8_t *slot[WORKER_SLOTS];
  size_t slot_len[WORKER_SLOTS];
  const hil_workload_t *l = w->workload;
  if (worker_slots(w, slot, slot_len) != HIL_OK) return;
  const size_t kept[WORKER_SLOTS] = {sizeof(hil_control_t), l->state_len, l->input_len, l->output_len, 0, 0};
  for (size_t i = 0; i < WORKER_SLOTS; i++) remove_from(slot[i], slot_len[i], kept[i]);
}

/* --- between steps ----------------------------------------------------------------------------------------- */

static uint8_t *stack_pointer(const hil_arch_regs_t *regs) { return (uint8_t *)(uintptr_t)ARCH_SP(*regs); }

/* [byte] of the stack that are in use; 0 if its pointer is not in it. */
static size_t live_len(const hil_worker_t *w, const hil_arch_regs_t *regs) {
  const uintptr_t top = (uintptr_t)w->stack + WORKER_STACK_LEN, sp = (uintptr_t)stack_pointer(regs);
  return sp <= top && top - sp <= WORKER_STACK_LEN ? top - sp : 0;
}

bool registers_rest_alike(const hil_arch_regs_t *a, const hil_arch_regs_t *b) {
  static const size_t preserved[] = ARCH_PRESERVED_OFFSETS;
  for (size_t i = 0; i < sizeof preserved / sizeof preserved[0]; i++) {
    if (memcmp((const uint8_t *)a + preserved[i], (const uint8_t *)b + preserved[i], ARCH_GPR_BYTES) != 0) {
      return false;
    }
  }
  return ARCH_FLAGS(*a) == ARCH_FLAGS(*b);
}

static int get(hil_worker_t *w, hil_arch_regs_t *out) {
  size_t len = sizeof *out;
  return registers_of_worker(w, false, NT_PRSTATUS, out, &len);
}

void residue_note_rest(hil_worker_t *w) {
  rest.live_len = 0;
  if (get(w, &rest.registers) != HIL_OK) return;
  const size_t len = live_len(w, &rest.registers);
  if (len > LIVE_MAX) return; /* never: a worker at rest has two frames */
  memcpy(rest.live, stack_pointer(&rest.registers), len);
  rest.live_len = len;
}

/* Whether nothing is left of what has hit it. */
static bool is_whole(const hil_worker_t *w, const hil_arch_regs_t *now) {
  return rest.live_len && registers_rest_alike(now, &rest.registers) &&
         memcmp(stack_pointer(now), rest.live, rest.live_len) == 0 && worker_control_is_right(w);
}

/* Zeros in [begin, last), which begins a page; pages that do not exist are zeros. */
static int clear_memory(uint8_t *begin, const uint8_t *last) {
  static uint8_t exists[SLOT_PAGES_MAX];
  const size_t page = page_len(), len = (size_t)(last - begin);
  if (!len) return HIL_OK;
  if ((len + page - 1u) / page > SLOT_PAGES_MAX || mincore(begin, len, exists) != 0) return HIL_ERR_IO;
  for (size_t at = 0; at < len; at += page) {
    if (exists[at / page] & 1u) memset(begin + at, 0, len - at < page ? len - at : page);
  }
  return HIL_OK;
}

int residue_clear(hil_worker_t *w) {
  uint8_t *slot[WORKER_SLOTS];
  size_t slot_len[WORKER_SLOTS];
  hil_arch_regs_t now;
  int status = worker_slots(w, slot, slot_len);
  if (status == HIL_OK) status = get(w, &now);
  if (status != HIL_OK) return status;
  const size_t live = live_len(w, &now), below = live ? WORKER_STACK_LEN - live : 0;
  status = clear_memory(slot[SLOT_SCRATCH], slot[SLOT_SCRATCH] + slot_len[SLOT_SCRATCH]);
  if (status == HIL_OK) status = clear_memory(slot[SLOT_STACK], slot[SLOT_STACK] + below);
  return status == HIL_OK ? worker_clear_registers(w) : status;
}

void worker_settle(hil_worker_t *w, bool is_to_be_hit) {
  hil_arch_regs_t now;
  if (!w->pid || w->begun || (!is_to_be_hit && !w->was_hit) || get(w, &now) != HIL_OK) return;
  if (!w->code_was_hit && is_whole(w, &now)) w->was_hit = false;
  if (w->was_hit || is_to_be_hit) (void)residue_clear(w);
}
