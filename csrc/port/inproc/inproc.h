/* The in-process port: a board inside the host's process, with a virtual clock. SPDX-License-Identifier: Apache-2.0
 *
 * The same agent, fed with the same bytes. Time is virtual: each progress tick is INPROC_TICK_US of CPU
 * time, so that runs are deterministic and as fast as the machine. What has no real counterpart here
 * (registers, stack, machine code) cannot be a target. */
#ifndef HIL_INPROC_H
#define HIL_INPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame_verdict.h"
#include "golden.h"
#include "status.h"

/* cffi:begin */
enum { INPROC_TICK_US = 10 };

/* One board. Opaque: the caller owns the memory, inproc_size() bytes, 64-byte aligned. */
typedef struct inproc hil_inproc_t;

size_t inproc_size(void);

/* Power on. |boot_seed| makes the boot ids of this board's lives (deterministic). HIL_OK; HIL_ERR_ARG for a
 * null or misaligned pointer. */
int inproc_init(hil_inproc_t *b, uint64_t boot_seed);

/* Let the board know a workload beside those of the registry. It must outlive the board. */
void inproc_add_workload(hil_inproc_t *b, const hil_workload_t *own);

/* Switch the power. Without power the board takes bytes and sends nothing. */
void inproc_power(hil_inproc_t *b, bool on);

/* Give the board |len| bytes (0 is allowed), let it proceed until it waits for more, and take what it
 * sends. If |cap| is too small the rest stays for the next call. HIL_OK; HIL_ERR_ARG for null
 * pointers. */
int inproc_exchange(hil_inproc_t *b, const uint8_t *bytes, size_t len, uint8_t *out, size_t cap,
                    size_t *out_len);

/* Run up to |count| frames with no message in between, on |nodes| boards that all are in step and have
 * nothing armed, beside the golden run: the verdict and record of each frame are those that single
 * frames would have given. Stops after the first frame that is not unanimous, correct and complete.
 * After every other frame whose number is one below a multiple of |checkpoint_every| (0: never) the
 * boards keep a copy of the agreed state. |records| takes frame_verdict_pack bytes, frame after frame;
 * |cap| bounds them.
 * Returns how many frames were run (their records are valid); HIL_ERR_STATE if a board cannot run so, or the
 * workload's step was abandoned; HIL_ERR_ARG for null pointers, node counts outside 1..8, or voters beyond. */
int inproc_batch(hil_inproc_t *const *boards, int nodes, uint32_t voters, hil_golden_t *golden,
                 uint32_t count, uint32_t checkpoint_every, uint8_t *records, size_t cap);
/* cffi:end */

#endif
