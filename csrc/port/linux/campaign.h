/* Experiments on one step of the worker. SPDX-License-Identifier: Apache-2.0
 *
 * A campaign holds one step fast: it walks the fault-free step by single instructions, and wherever the host
 * asks for it, flips a bit, lets the worker run to the end of the step, classifies what came of it, and puts
 * everything back in place. No process is started for an experiment, also not after a fatal signal: ptrace
 * stops the worker before the signal is delivered.
 *
 * The worker can write nothing but its regions (worker_seal.c), so restoring these, and its registers, restores
 * all of it. */
#ifndef HIL_LINUX_CAMPAIGN_H
#define HIL_LINUX_CAMPAIGN_H

#include <sched.h>

#include "port_linux.h"
#include "sites.h"
#include "worker_arch.h"
#include "worker_residue.h"

/* --- campaign_image.c: the memory that the worker can write ----------------------------------------- */

enum {
  IMAGE_SLOTS = 6,           /* control, state, input, output, scratch, stack */
  IMAGE_PAGES_MAX = 16384,   /* of the system's pages that a step touches */
  IMAGE_SLOT_PAGES_MAX = 4096 /* of one slot: 8 MiB in pages of 4 KiB, and what it is rounded up to */
};

/* The pages that the fault-free step touches, of all slots. Pages beyond do not exist until a wild access
 * makes them, and are then removed again: their content is zero. */
typedef struct {
  size_t page_len;            /* [byte] */
  uint8_t *slot[IMAGE_SLOTS];
  size_t slot_len[IMAGE_SLOTS];
  size_t slot_pages[IMAGE_SLOTS];
  size_t count;
  uint8_t *page[IMAGE_PAGES_MAX]; /* where they lie, ascending */
  uint8_t present[IMAGE_SLOTS][IMAGE_SLOT_PAGES_MAX]; /* whether a page is one of them */
} hil_image_pages_t;

/* Find the pages that exist now. HIL_OK; HIL_ERR_EXHAUSTED: too many; HIL_ERR_IO. */
int image_find_pages(hil_image_pages_t *p);
/* Copy their content to |copy|, or back to where it was. */
void image_save(const hil_image_pages_t *p, uint8_t *copy);
/* As |copy| has it, whatever an experiment has done since: pages that it made are removed.
 * HIL_OK; HIL_ERR_IO. */
int image_restore(const hil_image_pages_t *p, const uint8_t *copy);
/* Whether it is as |copy| has it, and nothing has made a page since. */
bool image_is_as(const hil_image_pages_t *p, const uint8_t *copy);
/* What |copy| has for an address of a page that it holds; NULL for any other. */
const uint8_t *image_at(const hil_image_pages_t *p, const uint8_t *copy, const uint8_t *address);
/* Memory for a copy of all its pages; NULL if there is none. */
uint8_t *image_copy_new(const hil_image_pages_t *p);
void image_copy_free(const hil_image_pages_t *p, uint8_t *copy);

/* --- campaign_registers.c ------------------------------------------------------------------------------ */

enum { EXTENDED_MAX = 1 << 15 /* [byte] more than any processor's has today */ };

/* All registers of a worker that stands still. */
typedef struct {
  hil_arch_regs_t general;
  int extended_set;    /* as ptrace names it: the largest that this processor has */
  size_t extended_len; /* [byte] */
  uint8_t extended[EXTENDED_MAX] __attribute__((aligned(64)));
} hil_registers_t;

/* HIL_OK; HIL_ERR_IO. */
int registers_get(hil_worker_t *w, hil_registers_t *out);
int registers_get_general(hil_worker_t *w, hil_arch_regs_t *out);
int registers_set(hil_worker_t *w, const hil_registers_t *regs);
int registers_set_general(hil_worker_t *w, const hil_arch_regs_t *regs);
/* Flip the bits of |mask| in byte |index| of the general registers, as TARGET_GPR counts them. */
void registers_flip_general(hil_arch_regs_t *regs, size_t index, uint8_t mask);
/* The same in the vector registers of the worker, which has |regs|, as TARGET_VECTOR counts them.
 * HIL_OK; HIL_ERR_IO. */
int registers_flip_vector(hil_worker_t *w, const hil_registers_t *regs, size_t index, uint8_t mask);
/* Register |i| of those that TARGET_GPR spans. */
uint64_t registers_value(const hil_arch_regs_t *regs, size_t i);

/* --- campaign.c --------------------------------------------------------------------------------------- */

/* A step that follows the one that is held: its input, and what it ends with without a fault. */
typedef struct {
  uint8_t input[MESSAGE_IO_MAX];
  uint64_t output_digest, state_digest, stack_digest;
  hil_arch_regs_t registers;
  uint32_t ticks;
} hil_linux_follow_t;

typedef struct {
  hil_worker_t *worker;
  const hil_knobs_t *knobs; /* limits of the worker */
  bool open;
  bool has_start; /* |at_start| is what it will be */
  hil_image_pages_t pages, before; /* those of the step, and those that were there before it */
  uint8_t *at_start, *at_site, *at_end, *at_repeat; /* copies of them */
  hil_registers_t start, site, end;
  const uint8_t *end_control, *end_state, *end_output, *end_stack; /* within |at_end| */
  size_t stack_len;      /* [byte] of the stack at rest */
  uint16_t input_len;    /* [byte] */
  uint8_t input[MESSAGE_IO_MAX]; /* that was there before OPEN */
  bool cores_are_known;
  cpu_set_t cores;       /* that the agent may use otherwise */
  uint64_t position;     /* instructions of the step that have been executed */
  uint64_t path;         /* digest of their program counters */
  bool site_is_saved;    /* |at_site| and |site| are those of |position| */
  bool under_way;        /* an experiment: the worker is somewhere behind that */
  bool struck;           /* one that is inspected: likewise, and |trace_at| counts from its upset */
  uint64_t began_us;     /* CPU time of the worker at its first timer tick; 0: there was none yet */
  uint64_t step_began_us; /* an experiment, or a step that follows it, on the clock of campaign_clock_us */
  bool is_long;          /* it has taken so much CPU time that its instructions are to be counted */
  uint8_t tries;         /* of an experiment, without counting them */
  uint32_t ticks;        /* of the fault-free step */
  uint64_t patched_at;   /* machine code that a control, or a hit of it, has replaced: where it lies, */
  uint8_t patched[16];   /* and what it was */
  uint8_t patched_len;
  bool text_is_hit;
  uint64_t
      cpu_limit_us; /* of an experiment, from its first timer tick on, where its instructions are not counted */
  uint64_t instruction_limit; /* of an experiment */
  hil_outcome_t outcome; /* of the experiment under way, once its step has ended */
  uint8_t details[SITES_DETAILS_MAX];
  size_t details_len; /* [byte] of those so far */
  uint8_t following; /* number of the step that is under way after the one that is held; 0: that one */
  uint8_t follow_count; /* how many can follow */
  uint8_t restored; /* before the first of them the state is put right */
  uint32_t stop_tick; /* at which a step has passed its budget */
  hil_linux_follow_t follow[CAMPAIGN_FOLLOW_MAX];
  uint64_t trace_at; /* [instruction] where the trace has ended so far, */
  hil_arch_regs_t traced; /* and the registers as it has reported them */
} hil_linux_campaign_t;

/* open, trace, run, code and close of hil_campaign_port_t: HIL_OK and the other codes that port.h lists. */
int campaign_open(hil_linux_campaign_t *c, hil_worker_t *w, const hil_step_t *step,
                  const hil_budget_t *budget, hil_campaign_opened_t *out);
int campaign_walk(hil_linux_campaign_t *c, hil_campaign_trace_t *out);
int campaign_run(hil_linux_campaign_t *c, hil_campaign_run_t *run);
int campaign_follow_step(hil_linux_campaign_t *c, const hil_campaign_follow_t *follow,
                         uint64_t *out_state_digest);
int campaign_read(hil_linux_campaign_t *c, uint64_t address, uint16_t len, uint8_t *out);
int campaign_close(hil_linux_campaign_t *c);

/* --- campaign_worker.c: how the worker moves ------------------------------------------------------------ */

enum { CAMPAIGN_NOT_YET = -2, CAMPAIGN_SUSPECT = -3 /* beside signals */ };

/* Execute one instruction of the fault-free step. HIL_OK; HIL_ERR_IO. */
int campaign_step_once(hil_linux_campaign_t *c);
/* The same of an experiment; |*out_ended| is 1 if a signal would end the worker instead. HIL_OK; HIL_ERR_IO. */
int campaign_step_struck(hil_linux_campaign_t *c, uint8_t *out_ended);
/* Let the worker run to the end of the step, or until it fails. Returns the signal it stopped with (SIGTRAP also
 * at rest), 0 if it hangs, -1 if it has ended; CAMPAIGN_NOT_YET if neither has happened until |until_us|: it stands
 * still then, and is to run on; CAMPAIGN_SUSPECT, of an experiment: it is to be carried out again, and its instructions
 * counted. */
int campaign_run_on(hil_linux_campaign_t *c, uint64_t until_us);
bool campaign_at_rest(const hil_arch_regs_t *regs);
/* The worker has come to rest: let it begin the next step when it goes on, as worker_settle does before a step of a
 * run whose worker has been hit. HIL_OK; HIL_ERR_IO. */
int campaign_leave_rest(hil_linux_campaign_t *c);
/* Whether a worker that stands at a trap has passed its budget of ticks, as agent_step.c judges it. */
bool campaign_is_runaway(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs);
/* Whether it stands at a tick within that budget, where only a damaged step stops: a run lets it go on then. */
bool campaign_passes_tick(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs);
/* Prepare that. HIL_OK; HIL_ERR_IO. */
int campaign_pass_tick(hil_linux_campaign_t *c, hil_arch_regs_t *regs);
/* Go back to the step's start. HIL_OK; HIL_ERR_IO. */
int campaign_rewind(hil_linux_campaign_t *c);
/* Its memory as |copy| has it. HIL_OK; HIL_ERR_IO. */
int campaign_restore(hil_linux_campaign_t *c, const hil_image_pages_t *pages, const uint8_t *copy);
/* [us] on the clock of |until_us|. */
uint64_t campaign_clock_us(void);

/* --- campaign_details.c: the end of an experiment ------------------------------------------------------- */

/* The worker is at rest with |regs| after the step that is held: set |outcome| and the |details| that are wanted. */
void details_of_end(hil_linux_campaign_t *c, const hil_arch_regs_t *regs, uint8_t wanted);
/* The worker stopped with |signal| before the end of that step: likewise. */
void details_of_failure(hil_linux_campaign_t *c, int signal);

/* --- campaign_follow.c: the steps that follow ------------------------------------------------------------ */

/* Let the worker, which is at rest, go on with the next step that follows, if |wanted| asks for its fate and there
 * is one. Whether it does. */
bool follow_begin(hil_linux_campaign_t *c, uint8_t wanted);
/* Such a step has ended with |regs|, by |signal| (campaign_run_on). Returns true if the next one is to be run, which
 * is prepared then; otherwise its fate is among the details. */
bool follow_end(hil_linux_campaign_t *c, const hil_arch_regs_t *regs, int signal);

/* --- for campaign_inspect.c: parts of an experiment ------------------------------------------------------ */

bool campaign_is_hittable(const hil_linux_campaign_t *c, const hil_campaign_site_t *site);
/* HIL_OK; HIL_ERR_IO. */
int campaign_save_site(hil_linux_campaign_t *c);
/* HIL_OK; HIL_ERR_IO. */
int campaign_flip(hil_linux_campaign_t *c, const hil_campaign_site_t *site);
/* Memory and registers as |site| and |at_site| have them. HIL_OK; HIL_ERR_IO. */
int campaign_go_back(hil_linux_campaign_t *c);

/* --- campaign_inspect.c ------------------------------------------------------------------------------------- */

/* strike of hil_campaign_port_t. HIL_OK; HIL_ERR_ARG; HIL_ERR_IO. */
int campaign_inspect(hil_linux_campaign_t *c, const hil_campaign_strike_t *m, hil_campaign_struck_t *out);

#endif
