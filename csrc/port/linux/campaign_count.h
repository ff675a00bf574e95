/* How many instructions an experiment executes. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_LINUX_CAMPAIGN_COUNT_H
#define HIL_LINUX_CAMPAIGN_COUNT_H

#include "campaign.h"

typedef enum { COUNT_OFF, COUNT_STEPPING, COUNT_LOOPING, COUNT_GIVEN_UP } hil_count_phase_t;

/* A step begins: count from here on. */
void count_begin(void);
/* The experiment is over. */
void count_end(hil_linux_campaign_t *c);
hil_count_phase_t count_phase(void);
/* Whether it is known that the step had executed more instructions than |limit| when it last stopped. */
bool count_exceeds(uint64_t limit);
/* While stepping: take some steps. Returns the signal with which the worker has stopped, -1 if it has ended;
 * CAMPAIGN_NOT_YET: it is to go on, maybe in another phase. */
int count_steps(hil_linux_campaign_t *c);
/* While looping: the worker, which ran freely, has stopped with |signal|. Returns that signal, or CAMPAIGN_NOT_YET if
 * it has only left the loop; -1 if it has ended. */
int count_stopped(hil_linux_campaign_t *c, int signal);

#endif
