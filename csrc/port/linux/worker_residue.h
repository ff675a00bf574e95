/* What earlier steps have left in a worker. SPDX-License-Identifier: Apache-2.0
 *
 * No step reads it, unless an upset makes it do so. Then what it finds there must not depend on how many steps
 * came before, and whether these were of a run or of a campaign: so it is cleared before every step in which an
 * upset strikes, and before those that follow as long as its damage is in the worker. */
#ifndef HIL_WORKER_RESIDUE_H
#define HIL_WORKER_RESIDUE_H

#include "port_linux.h"
#include "worker_arch.h"

/* All of its memory beside state, input and output is zero afterwards, also what lies after these. There is no worker, or it does not go on from where it stands. */
void residue_remove(const hil_worker_t *w);
/* The worker is at rest before its first step: keep how it rests. */
void residue_note_rest(hil_worker_t *w);
/* The worker is at rest: its scratch, what lies below its stack, and the registers that a function may change are
 * zero afterwards. HIL_OK; HIL_ERR_IO. */
int residue_clear(hil_worker_t *w);
/* Whether two workers at rest would take their next step alike: what a function must preserve is equal. */
bool registers_rest_alike(const hil_arch_regs_t *a, const hil_arch_regs_t *b);

#endif
