/* Whether an experiment repeats itself: a proof that it never ends. SPDX-License-Identifier: Apache-2.0
 *
 * A worker that comes back to an instruction with all registers and all memory as they were goes on as it did then, and
 * comes back again, without end: it has nothing else (worker_seal.c). What it was is kept when it has been looked at 1, 2,
 * 4, 8 ... times (R. P. Brent, BIT 20, 1980, 176-184). Instructions that may do something else the next time are no part
 * of a proof: the way is walked once more, one by one, to see each.
 *
 *   from       to         on
 *   seeking    checking   it is what was kept
 *   checking   proven     it is that again
 *   checking   off        another instruction, or a way that is too long
 *
 * Invariant: |kept| and |c->at_repeat| are what the worker was at one instant of this experiment. */
#include "campaign_repeat.h"

#include <string.h>

#include "branch.h"
#include "repeatable.h"

enum { CHECK_MAX = 6000 /* [instruction] */ };

static struct {
  hil_registers_t kept;
  uint64_t looks, until; /* since then, and at which the next one is kept */
  enum { SEEKING, CHECKING, OFF } phase;
  unsigned checked; /* [instruction] */
  bool has_kept;
} r;

void repeat_begin(void) {
  r.phase = SEEKING;
  r.has_kept = false;
  r.looks = 0;
  r.until = 1;
}

bool repeat_is_checking(void) { return r.phase == CHECKING; }

static void keep(hil_linux_campaign_t *c) {
  r.has_kept = registers_get(c->worker, &r.kept) == HIL_OK;
  if (r.has_kept) image_save(&c->pages, c->at_repeat);
  r.looks = 0;
  r.until *= 2u;
}

/* Whether all is what was kept. */
static bool is_as_kept(hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  static hil_registers_t now;
  if (!r.has_kept || memcmp(regs, &r.kept.general, sizeof *regs) != 0) return false;
  if (!image_is_as(&c->pages, c->at_repeat) || registers_get(c->worker, &now) != HIL_OK) return false;
  return now.extended_set == r.kept.extended_set && now.extended_len == r.kept.extended_len &&
         memcmp(now.extended, r.kept.extended, now.extended_len) == 0;
}

static bool next_is_repeatable(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  uint8_t code[BRANCH_CODE_MAX];
  return ARCH_IN_OWN_MODE(*regs) &&
         worker_read_at(c->worker, (uint64_t)ARCH_PC(*regs), code, sizeof code) == HIL_OK &&
         insn_is_repeatable(code, sizeof code);
}

static void check_next(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  const bool goes_on = r.checked++ < CHECK_MAX && next_is_repeatable(c, regs);
  r.phase = goes_on ? CHECKING : OFF;
}

bool repeat_proven(hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  if (r.phase == OFF) return false;
  const bool is_kept = is_as_kept(c, regs);
  if (is_kept && r.phase == CHECKING) return true;
  if (is_kept) r.checked = 0;
  if (is_kept || r.phase == CHECKING) {
    check_next(c, regs);
  } else if (++r.looks >= r.until) {
    keep(c);
  }
  return false;
}
