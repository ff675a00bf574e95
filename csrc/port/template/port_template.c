/* A port without a worker: copy it to begin a new one. SPDX-License-Identifier: Apache-2.0
 *
 * Its link is a buffer that the caller reads (a loopback); every other callback says "not available" in the
 * way port.h asks for. An agent on it answers HELLO and HEALTH and refuses LOAD. On a board, make tx and
 * now_us real first, then load, start, step, poll and cpu_us, then the targets. cortex_m/ builds it for a
 * processor without an operating system. */
#include "port_template.h"

#include <string.h>

#include "port.h"

static size_t tx(void *context, const uint8_t *bytes, size_t len) {
  hil_template_t *t = context;
  const size_t room = sizeof t->out - t->out_len, take = len < room ? len : room;
  memcpy(t->out + t->out_len, bytes, take);
  t->out_len += take;
  return take;
}

static uint64_t now_us(void *context) {
  (void)context;
  return 0;
}

static int load(void *context, const hil_workload_t *workload, hil_port_memory_t *out) {
  (void)context;
  (void)workload;
  (void)out;
  return HIL_ERR_NOSYS;
}

static int no_action(void *context) {
  (void)context;
  return HIL_ERR_NOSYS;
}

static hil_port_event_t poll(void *context, uint8_t *out_signal) {
  (void)context;
  *out_signal = 0;
  return PORT_CRASHED;
}

static int advance(void *context, uint32_t steps, uint32_t *out_taken) {
  (void)context;
  (void)steps;
  *out_taken = 0;
  return HIL_ERR_NOSYS;
}

static void nothing(void *context) { (void)context; }

static int target_len(void *context, hil_target_t target, uint64_t *out_len) {
  (void)context;
  (void)target;
  *out_len = 0;
  return HIL_ERR_NOSYS;
}

static int target_read(void *context, hil_target_t target, uint64_t offset, uint8_t *out, size_t len) {
  (void)context;
  (void)target;
  (void)offset;
  memset(out, 0, len);
  return HIL_ERR_NOSYS;
}

static int target_write(void *context, hil_target_t target, uint64_t offset, const uint8_t *bytes,
                        size_t len) {
  (void)context;
  (void)target;
  (void)offset;
  (void)bytes;
  (void)len;
  return HIL_ERR_NOSYS;
}

static int sefi(void *context, hil_sefi_t kind, uint8_t before[16], uint8_t after[16], uint8_t *out_len) {
  (void)context;
  (void)kind;
  (void)before;
  (void)after;
  *out_len = 0;
  return HIL_ERR_NOSYS;
}

static uint64_t pc_offset(void *context) {
  (void)context;
  return UINT64_MAX;
}

static void identify(void *context, hil_hello_t *out) {
  (void)context;
  (void)out;
}

static void health(void *context, hil_health_t *out) {
  (void)context;
  (void)out;
}

static uint32_t last_error(void *context) {
  (void)context;
  return 0;
}

int template_init(hil_template_t *t) {
  if (!t) return HIL_ERR_ARG;
  const hil_port_t port = {.context = t, /* no interrupt, resume, limit, set_baud, find, sensors */
                           .tx = tx,
                           .now_us = now_us,
                           .load = load,
                           .start = no_action,
                           .step = no_action,
                           .poll = poll,
                           .advance = advance,
                           .kill = nothing,
                           .cpu_us = now_us,
                           .target_len = target_len,
                           .target_read = target_read,
                           .target_write = target_write,
                           .sefi = sefi,
                           .pc_offset = pc_offset,
                           .reset = nothing,
                           .identify = identify,
                           .health = health,
                           .last_error = last_error};
  t->out_len = 0;
  return agent_init(&t->agent, &port, 1, t->words, t->checks, TEMPLATE_WORDS);
}

void template_exchange(hil_template_t *t, const uint8_t *bytes, size_t len) {
  t->out_len = 0;
  if (len) agent_receive(&t->agent, bytes, len);
  (void)agent_poll(&t->agent);
}
