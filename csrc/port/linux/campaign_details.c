/* The end of an experiment: what came of it, in as many words as were asked for. SPDX-License-Identifier: Apache-2.0
 *
 * Invariants:
 *   1. A digest is computed only where bytes differ: that it does, too, is said by what is measured.
 *   2. The stack is read only where the stack pointer is the one of the step without a fault. */
#include <string.h>

#include "campaign.h"
#include "digest.h"

static void put(hil_linux_campaign_t *c, uint8_t detail) { c->details[c->details_len++] = detail; }

static uint8_t wrong_bits(const uint8_t *is, const uint8_t *was, size_t len) {
  unsigned bits = 0;
  for (size_t i = 0; i < len; i++) bits += (unsigned)__builtin_popcount((unsigned)(is[i] ^ was[i]));
  return bits < 255u ? (uint8_t)bits : 255u;
}

static bool rest_is_alike(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  const uint8_t *sp = (const uint8_t *)(uintptr_t)ARCH_SP(*regs);
  return registers_rest_alike(regs, &c->end.general) && memcmp(sp, c->end_stack, c->stack_len) == 0 &&
         worker_control_is(c->end_control);
}

/* |flag| if a region's digest differs, DIFFERS_UNSEEN if only its bytes do. */
static uint8_t digest_differs(const uint8_t *is, const uint8_t *was, size_t len, uint8_t flag) {
  if (memcmp(is, was, len) == 0) return 0;
  return hil_digest64(is, len, 0) != hil_digest64(was, len, 0) ? flag : DIFFERS_UNSEEN;
}

static uint8_t differences(const hil_linux_campaign_t *c, const hil_arch_regs_t *regs) {
  const hil_port_memory_t *m = &c->worker->memory;
  const hil_workload_t *l = c->worker->workload;
  uint8_t flags = digest_differs(m->region[REGION_OUTPUT], c->end_output, l->output_len, DIFFERS_OUTPUT);
  flags |= digest_differs(m->region[REGION_STATE], c->end_state, l->state_len, DIFFERS_STATE);
  if (c->text_is_hit || !rest_is_alike(c, regs)) flags |= DIFFERS_REST;
  if (m->progress->tick != c->ticks) flags |= DIFFERS_TICKS;
  return flags;
}

/* Which bytes of the output are wrong, and how. */
static void put_output(hil_linux_campaign_t *c) {
  const uint8_t *is = c->worker->memory.region[REGION_OUTPUT];
  const size_t len = c->worker->workload->output_len, mask_len = (len + 7u) / 8u;
  uint8_t *mask = c->details + c->details_len;
  memset(mask, 0, mask_len);
  c->details_len += mask_len;
  for (size_t i = 0; i < len; i++) {
    if (is[i] == c->end_output[i]) continue;
    mask[i / 8u] = (uint8_t)(mask[i / 8u] | 1u << i % 8u);
    put(c, (uint8_t)(is[i] ^ c->end_output[i]));
  }
}

void details_of_failure(hil_linux_campaign_t *c, int signal) {
  c->details_len = 0;
  c->outcome = OUTCOME_FAILED;
  put(c, (uint8_t)signal); /* 0: FAILURE_HANG */
}

void details_of_end(hil_linux_campaign_t *c, const hil_arch_regs_t *regs, uint8_t wanted) {
  const hil_port_memory_t *m = &c->worker->memory;
  const hil_workload_t *l = c->worker->workload;
  c->details_len = 0;
  if (memcmp(m->region[REGION_OUTPUT], c->end_output, l->output_len) != 0) {
    c->outcome = OUTCOME_SDC;
    if (wanted & DETAIL_BITS) put(c, wrong_bits(m->region[REGION_OUTPUT], c->end_output, l->output_len));
  } else if (m->progress->tick != c->ticks) {
    details_of_failure(c, FAILURE_COUNT);
  } else if (!c->text_is_hit && rest_is_alike(c, regs) &&
             memcmp(m->region[REGION_STATE], c->end_state, l->state_len) == 0) {
    c->outcome = OUTCOME_MASKED;
    return;
  } else {
    c->outcome = OUTCOME_LATENT;
  }
  if (wanted & DETAIL_DIFFERS) put(c, differences(c, regs));
  if (c->outcome == OUTCOME_SDC && (wanted & DETAIL_OUTPUT)) put_output(c);
}
