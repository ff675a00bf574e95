/* Whether an experiment repeats itself. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINUX_CAMPAIGN_REPEAT_H
#define HIL_LINUX_CAMPAIGN_REPEAT_H

#include "campaign.h"

/* An experiment begins. */
void repeat_begin(void);
/* Look at the worker, which stands still with |regs|. Whether it is proven that it never ends: it has come back to where
 * it was, with the same registers and memory, and what it executed in between does the same again. */
bool repeat_proven(hil_linux_campaign_t *c, const hil_arch_regs_t *regs);
/* Whether it has come back, and is to be looked at after each instruction now. */
bool repeat_is_checking(void);

#endif
