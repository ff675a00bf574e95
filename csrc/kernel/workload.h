/* Workloads: deterministic step functions over a state region. SPDX-License-Identifier: Apache-2.0
 *
 * A workload with a protection in software is another workload, NAME+PROTECTION (matmul+abft): what protects it is
 * measured like all others. kernel/workloads/dense.c says how one is added.
 *
 * How to add one: write kernel/workloads/NAME.c with the three functions below, every function that
 * runs inside a step marked WORKLOAD_TEXT(NAME), and add one line to the registry in workload.c. One of your own
 * needs no change here: scenarios/workloads/template.c.
 *
 * Rules that make it votable:
 *   1. Bit-identical everywhere: integers, or floats and doubles with + - * / only (no libm, no contraction).
 *   2. Total: any bytes in state, input and scratch give a defined result within bounded time. Upsets
 *      put any bytes there, and a workload may run inside the host process.
 *   3. No NaN ever reaches state or output (its bits differ between machines), unless made the one of soft_float.h.
 *   4. Everything that must survive from step to step is in state; scratch is garbage at entry.
 *   5. Output and state depend on nothing but state, input and seed.
 *   6. progress_tick() is called at least every ~10 us of work, exactly |ticks| times in a fault-free
 *      step; when it returns non-zero the step returns HIL_ERR_STATE at once.
 *   7. The last tick comes when state and output are complete: a hit there is a hit of the result.
 *   8. A step needs at most 256 KiB of stack. */
#ifndef HIL_WORKLOAD_H
#define HIL_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Code of a workload goes to a section of its own, so that an upset of `text` can hit the code that
 * really runs. */
#if defined(__ELF__)
#define WORKLOAD_TEXT(name) __attribute__((section("wl_" #name)))
#define WORKLOAD_TEXT_BOUNDS(name)          \
  extern const uint8_t __start_wl_##name[]; \
  extern const uint8_t __stop_wl_##name[]
#define WORKLOAD_TEXT_BEGIN(name) __start_wl_##name
#define WORKLOAD_TEXT_END(name) __stop_wl_##name
#else
#define WORKLOAD_TEXT(name)
#define WORKLOAD_TEXT_BOUNDS(name) extern const int workload_no_text_##name
#define WORKLOAD_TEXT_BEGIN(name) NULL
#define WORKLOAD_TEXT_END(name) NULL
#endif

/* cffi:begin */
/* The progress hook. A step counts ticks; when the count reaches stop_tick, stop() is called: there an
 * agent looks at, or upsets, a computation that is half done. Fields are volatile because the other
 * side of a shared mapping reads them while the step runs. */
typedef struct {
  volatile uint32_t tick;      /* ticks passed in this step */
  volatile uint32_t stop_tick; /* call stop() when tick becomes this; 0 = never */
  /* Returns non-zero to abandon the step. No bool: the value may come from a register that an upset has hit. */
  int (*stop)(void *context, uint32_t tick);
  void *context;
} hil_progress_t;

/* The four regions of one step; each 64-byte aligned, sizes as in hil_workload_t. */
typedef struct {
  uint8_t *state;
  const uint8_t *input;
  uint8_t *output;
  uint8_t *scratch;
} hil_workload_io_t;

typedef struct {
  const char *name;
  uint32_t state_len; /* [byte] */
  uint32_t input_len; /* [byte], <= 256 */
  uint32_t output_len; /* [byte], <= 256 */
  uint32_t scratch_len; /* [byte] */
  uint32_t ticks; /* progress ticks of a fault-free step */
  /* Write the initial state. */
  void (*init)(uint8_t *state, uint64_t seed);
  /* Write the input of frame |frame| (what sensors would deliver). Runs on the host only. */
  void (*input)(uint8_t *input, uint64_t seed, uint64_t frame);
  /* One step. HIL_OK, or HIL_ERR_STATE if the progress hook abandoned it. */
  int (*step)(const hil_workload_io_t *io, hil_progress_t *progress);
  const uint8_t *text_begin; /* the step's machine code; null where it cannot be known */
  const uint8_t *text_end;
} hil_workload_t;

/* [character] of a name that a message carries: names of the registry differ in these. */
enum { WORKLOAD_NAME_SENT = 15 };

/* The registry. workload_at returns null beyond the last; workload_find null if there is none. It compares
 * WORKLOAD_NAME_SENT characters. */
const hil_workload_t *workload_at(int index);
const hil_workload_t *workload_find(const char *name);
/* cffi:end */

/* Count one tick. Returns what stop() did: non-zero if the step must be abandoned. Always a part of the step's
 * own machine code. */
static inline __attribute__((always_inline)) int progress_tick(hil_progress_t *p) {
  const uint32_t tick = p->tick + 1u;
  p->tick = tick;
  return tick == p->stop_tick ? p->stop(p->context, tick) : 0;
}

#endif
