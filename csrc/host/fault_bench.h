/* Experiments on one step, in this process: arrays of faults in, arrays of effects out. SPDX-License-Identifier: Apache-2.0
 *
 * A fault is one bit of a region at a progress tick. Each experiment begins with the same bytes, flips its bit,
 * runs the step to its end and compares; then memory is put back in place, where it has changed. Workloads are
 * total (workload.h, rule 2): no fault here crashes the process, and ticks bound every step. */
#ifndef HIL_FAULT_BENCH_H
#define HIL_FAULT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "golden.h"
#include "workload.h"

/* cffi:begin */
/* What a fault hits. FAULT_CPU: the processor, as a SEFI does; |byte| is a hil_fault_cpu_t. */
typedef enum {
  FAULT_STATE = 0,
  FAULT_INPUT = 1,
  FAULT_OUTPUT = 2,
  FAULT_HEAP = 3,
  FAULT_CPU = 4
} hil_fault_region_t;

typedef enum { FAULT_CPU_HANG = 1, FAULT_CPU_CRASH = 2 } hil_fault_cpu_t;

/* What an experiment comes to; the order is that of result files. */
typedef enum {
  FAULT_MASKED = 0,
  FAULT_LATENT = 1, /* the state differs, the output does not */
  FAULT_SDC = 2, /* the output differs */
  FAULT_CRASHED = 3,
  FAULT_HUNG = 4, /* the step passed |max_ticks| */
  FAULT_DETECTED = 5 /* right in all but the number of its ticks */
} hil_fault_effect_t;

typedef struct {
  uint32_t tick; /* when this tick is counted; 0: before the step */
  uint32_t byte; /* of the region */
  uint8_t region; /* hil_fault_region_t */
  uint8_t bit; /* 0 to 7 */
  uint8_t unused[2];
} hil_fault_t;

enum { FAULT_REGIONS = 4, FAULT_CHUNK = 4096 /* [byte] of a region that are compared at once */ };

/* One region in three images: as the experiment has it, as the step begins with it, and as the fault-free step
 * leaves it. */
typedef struct {
  uint8_t *now, *before, *after;
  size_t len;
} hil_fault_span_t;

/* A step that is held. The caller owns it; do not rely on the contents. */
typedef struct {
  const hil_workload_t *workload;
  hil_fault_span_t region[FAULT_REGIONS]; /* each image of all of them lies in one piece */
  size_t image_len; /* [byte] of it */
  hil_progress_t progress;
  hil_fault_t fault; /* of the experiment that runs */
  uint8_t pending; /* it has not struck yet */
  uint8_t abandoned; /* hil_fault_effect_t that ended the step, or 0 */
  uint32_t ticks; /* of the fault-free step */
  uint32_t max_ticks;
} hil_fault_bench_t;

/* Bytes of memory that fault_bench_open needs for |workload|. */
size_t fault_bench_memory(const hil_workload_t *workload);

/* Hold the step of golden->next_frame in |memory|, which stays the caller's; |golden| is not changed. A step
 * with more than |max_ticks| ticks hangs.
 * HIL_OK; HIL_ERR_ARG for null pointers, or fewer |max_ticks| than the step has; HIL_ERR_EXHAUSTED if |len| is
 * too small; HIL_ERR_STATE if the fault-free step does not end. */
int fault_bench_open(hil_fault_bench_t *b, const hil_golden_t *golden, uint32_t max_ticks, uint8_t *memory,
                     size_t len);

/* Carry out |count| experiments. |effects| and |details| have a byte for each: a hil_fault_effect_t; and for an
 * SDC how many bits of the output differ (255: or more), else 0. None depends on those before it.
 * HIL_OK; HIL_ERR_ARG for null pointers, or a fault that there is not (nothing is carried out then). */
int fault_bench_run(hil_fault_bench_t *b, const hil_fault_t *faults, size_t count, uint8_t *effects,
                    uint8_t *details);

/* Carry out one experiment, and copy what the step leaves before memory is put back: |output| and |state| have
 * the lengths of these regions. Both mean nothing after a hang or crash. HIL_OK; HIL_ERR_ARG, as above. */
int fault_bench_inspect(hil_fault_bench_t *b, const hil_fault_t *fault, uint8_t *effect, uint8_t *detail,
                        uint8_t *output, uint8_t *state);

/* The bare kernel, to compare with: |count| steps one after the other, without faults, comparisons or repairs
 * in between. Memory is put back at the end. HIL_OK; HIL_ERR_STATE if a step does not end. */
int fault_bench_bare(hil_fault_bench_t *b, size_t count);
/* cffi:end */

#endif
