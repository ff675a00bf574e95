/* The memory of the one worker. SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <string.h>
#include <sys/mman.h>

#include "worker_arch.h"

enum {
  SLOT_LEN = 8 << 20, /* each region starts a slot; what it does not use faults */
  PAGE = 65536        /* a multiple of every page size in use */
};

static hil_control_t *const control = (hil_control_t *)ARENA_BASE;

static size_t pages(size_t len) { return (len + PAGE - 1u) / PAGE * PAGE; }

static uint8_t *place(int slot, size_t len) {
  void *p = mmap(ARENA_BASE + (size_t)slot * SLOT_LEN, pages(len ? len : 1u), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

bool arena_place(hil_worker_t *w, const hil_workload_t *workload) {
  void *arena = mmap(ARENA_BASE, ARENA_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (arena == MAP_FAILED) return false;
  uint8_t **region = w->memory.region;
  const bool has_control = place(0, sizeof *control) != NULL;
  region[REGION_STATE] = place(1, workload->state_len);
  region[REGION_INPUT] = place(2, workload->input_len);
  region[REGION_OUTPUT] = place(3, workload->output_len);
  w->scratch = place(4, workload->scratch_len);
  w->stack = place(5, WORKER_STACK_LEN);
  w->memory.progress = &control->progress;
  return has_control && region[REGION_STATE] && region[REGION_INPUT] && region[REGION_OUTPUT] && w->scratch &&
         w->stack;
}

int worker_slots(const hil_worker_t *w, uint8_t *slot[WORKER_SLOTS], size_t len[WORKER_SLOTS]) {
  const hil_workload_t *l = w->workload;
  if (!l) return HIL_ERR_STATE;
  const size_t lens[WORKER_SLOTS] = {sizeof *control, l->state_len,   l->input_len,
                                     l->output_len,   l->scratch_len, WORKER_STACK_LEN};
  for (size_t i = 0; i < WORKER_SLOTS; i++) {
    slot[i] = ARENA_BASE + i * SLOT_LEN;
    len[i] = pages(lens[i] ? lens[i] : 1u);
  }
  return HIL_OK;
}

hil_control_t arena_control(const hil_worker_t *w) {
  return (hil_control_t){.progress = {.stop = worker_trap_tick},
                         .io = {w->memory.region[REGION_STATE], w->memory.region[REGION_INPUT],
                                w->memory.region[REGION_OUTPUT], w->scratch},
                         .step = w->workload->step};
}

static bool is_like(const hil_control_t *other) {
  return control->progress.stop == other->progress.stop &&
         control->progress.context == other->progress.context &&
         memcmp(&control->io, &other->io, sizeof other->io) == 0 && control->step == other->step;
}

bool worker_control_is_right(const hil_worker_t *w) {
  const hil_control_t right = arena_control(w);
  return is_like(&right);
}

bool worker_control_is(const uint8_t *copy) {
  hil_control_t was;
  memcpy(&was, copy, sizeof was);
  return control->progress.stop_tick == was.progress.stop_tick && is_like(&was);
}
