/* The agent's own memory, as a target of upsets, and its self-check. SPDX-License-Identifier: Apache-2.0
 *
 * TARGET_AGENT spans, one after the other:
 *
 *     link ... counters        the link's buffers, the last answer, a READ under way, budget, step, limits,
 *                              rate and counters
 *     per checkpoint copy      its number of words, scrubber and counters, frame, digest, length, valid
 *     newest                   which copy was taken last
 *
 * Not a target, on every board alike so that bit N is the same bit everywhere:
 *
 *     callbacks, pointers, processes, descriptors   a wrong pointer of an in-process board would strike the
 *                              host, and a wrong process number of a process board another program
 *     boot_id, booted_us       by them the bench knows whether a board was reset
 *     injector                 the injector itself: it must not misreport what it did
 *
 * The memory that a checkpoint's pointers point to is TARGET_CHECKPOINT and TARGET_CHECKS.
 *
 * Self-check: whatever value a hit leaves, the agent continues with it (and may answer wrongly, refuse or
 * fall silent), unless it is an index, a length or a state that would lead out of its own memory. A program
 * on a board with memory protection would die of that, or continue with memory of its neighbour; this one
 * resets, as flight software does when an assertion fails: it does the same on every port.
 *
 * Invariants:
 *   1. Between two resets nothing but a hit makes agent_memory_is_sound false.
 *   2. No value of the spanned bytes makes a sound agent read or write outside hil_agent_t, the checkpoints
 *      and the port's regions, or divide by zero. */
#include <string.h>

#include "agent_parts.h"
#include "span.h"

typedef struct {
  size_t begin, end; /* [byte] in hil_agent_t */
} hil_agent_span_t;

#define END(member) (offsetof(hil_agent_t, member) + sizeof(((hil_agent_t *)0)->member))
#define BOOKS(i) {offsetof(hil_agent_t, checkpoint.copy[i].memory.count), END(checkpoint.copy[i].valid)}

static const hil_agent_span_t spans[] = {
    {offsetof(hil_agent_t, link), END(counters)},
    BOOKS(0),
    BOOKS(1),
    {offsetof(hil_agent_t, checkpoint.newest), END(checkpoint.newest)},
};

_Static_assert(CHECKPOINT_GENERATIONS == 2, "the books of each copy are a span");

enum { SPANS = sizeof spans / sizeof spans[0] };

size_t agent_memory_len(void) {
  size_t sum = 0;
  for (size_t i = 0; i < SPANS; i++) sum += spans[i].end - spans[i].begin;
  return sum;
}

/* Where byte |offset| lies in hil_agent_t. */
static size_t place(uint64_t offset) {
  size_t i = 0;
  while (i + 1u < SPANS && offset >= spans[i].end - spans[i].begin) {
    offset -= spans[i].end - spans[i].begin;
    i++;
  }
  return spans[i].begin + (size_t)offset;
}

int agent_memory_read(const hil_agent_t *a, uint64_t offset, uint8_t *out, size_t len) {
  if (!span_within(offset, len, agent_memory_len())) return HIL_ERR_ARG;
  for (size_t i = 0; i < len; i++) out[i] = ((const uint8_t *)a)[place(offset + i)];
  return HIL_OK;
}

int agent_memory_write(hil_agent_t *a, uint64_t offset, const uint8_t *bytes, size_t len) {
  if (!span_within(offset, len, agent_memory_len())) return HIL_ERR_ARG;
  for (size_t i = 0; i < len; i++) ((uint8_t *)a)[place(offset + i)] = bytes[i];
  return HIL_OK;
}

/* --- self-check ---------------------------------------------------------------------------------- */

static bool is_stream_sound(const hil_agent_t *a) {
  if (!a->stream.active) return true;
  if (!a->workload || a->stream.range.region > REGION_OUTPUT) return false;
  const uint32_t sizes[3] = {a->workload->state_len, a->workload->input_len, a->workload->output_len};
  return span_within(a->stream.range.offset, a->stream.range.len, sizes[a->stream.range.region]);
}

static bool is_link_sound(const hil_agent_t *a) {
  return a->link.decoder.fill <= WIRE_FRAME_MAX - 2 && a->link.tx_head <= a->link.tx_fill &&
         a->link.tx_fill <= sizeof a->link.tx && a->answer.len <= sizeof a->answer.bytes &&
         a->last_reply.len <= sizeof a->last_reply.bytes && is_stream_sound(a);
}

static bool is_step_sound(const hil_agent_t *a) {
  const uint16_t duty = a->limits.duty_permille;
  if (duty < 1u || duty > 1000u || a->reply.len > sizeof a->reply.output) return false;
  if (!agent_state_is_sound(a)) return false;
  return !a->baud.state || (a->port.set_baud && agent_baud_state_is_known(a));
}

static bool are_books_sound(const hil_checkpoint_t *c) {
  for (size_t i = 0; i < CHECKPOINT_GENERATIONS; i++) {
    const hil_checkpoint_copy_t *const copy = &c->copy[i];
    if (copy->memory.count > c->capacity || copy->len > 8u * c->capacity) return false;
  }
  return true;
}

void agent_fall_silent(hil_agent_t *a) {
  a->resetting = 1; /* the next agent_poll does it */
  a->stream.active = a->worker.running = 0;
  a->link.tx_fill = a->link.tx_head = 0;
  a->baud.state = 0;
  a->reset_by_us = 0;
}

bool agent_memory_is_sound(hil_agent_t *a) {
  if (is_link_sound(a) && is_step_sound(a) && are_books_sound(&a->checkpoint)) return true;
  agent_fall_silent(a);
  return false;
}

/* --- over a reset --------------------------------------------------------------------------------- */

bool agent_last_memory_hit(const hil_agent_t *a, hil_report_t *out) {
  if (a->injector.hit_unreported) *out = a->injector.memory_hit;
  return a->injector.hit_unreported;
}

void agent_recall_memory_hit(hil_agent_t *a, const hil_report_t *report) {
  a->injector.memory_hit = *report;
  a->injector.hit_unreported = true;
}
