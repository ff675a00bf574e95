/* A made-up flight data computer: its telemetry program lies in a memory of words. SPDX-License-Identifier: Apache-2.0
 *
 * The state is that memory, 64 words (u32, little-endian). A step interprets the program in it, which packs the
 * measurements of the input into a telemetry frame with a running sum. A word of the program is
 * operation | operand << 8; unknown operations do nothing, so that any bytes give a defined result. The chip of
 * words 16 to 23 is the one that fails in the story. Both builds have the same program; they differ in where it lies.
 *
 * Input: 6 measurements, u32 each. Output: the 6 measurements, their sum, the number of the frame. */
#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <string.h>

#include "bytes.h"
#include "philox.h"
#include "workload.h"

#define TEXT_OF(name) WORKLOAD_TEXT(name)
#define TEXT TEXT_OF(BUILD) /* each build defines BUILD */
#define BOUNDS_OF(name) WORKLOAD_TEXT_BOUNDS(name)
#define BEGIN_OF(name) WORKLOAD_TEXT_BEGIN(name)
#define END_OF(name) WORKLOAD_TEXT_END(name)

BOUNDS_OF(BUILD);

enum {
  MEASUREMENTS = 6,
  FIELDS = MEASUREMENTS + 2, /* and the sum, the frame */
  WORDS = 64,
  FRAME_AT = 0, /* word: number of the frame */
  START_AT = 1, /* word: where the program begins */
  CHIP_AT = 16, /* the words of one chip */
  CHIP_WORDS = 8,
  OPERATIONS_MAX = 48, /* of a step; then it ends, wherever the program is */
  TICKS = 2 /* the program has ended, the result is complete */
};
#define STREAM UINT64_C(0x74656c656d657472) /* "telemetr" */

enum { NOTHING, READ, WRITE, SUM, NUMBER, JUMP, END };
#define CODE(operation, operand) ((uint32_t)(operation) | (uint32_t)(operand) << 8)

/* The program, in the order in which it is carried out. */
static const uint32_t program[] = {
    CODE(READ, 0), CODE(WRITE, 0), CODE(READ, 1),   CODE(WRITE, 1), CODE(READ, 2), CODE(WRITE, 2),
    CODE(READ, 3), CODE(WRITE, 3), CODE(READ, 4),   CODE(WRITE, 4), CODE(READ, 5), CODE(WRITE, 5),
    CODE(SUM, 0),  CODE(WRITE, 6), CODE(NUMBER, 0), CODE(WRITE, 7), CODE(END, 0),
};
enum { PROGRAM_WORDS = sizeof program / sizeof *program };

TEXT static void pack(const hil_workload_io_t *io) {
  uint32_t at = load_u32le(io->state + 4 * START_AT), value = 0, sum = 0;
  memset(io->output, 0, 4 * FIELDS);
  for (uint32_t done = 0; done < OPERATIONS_MAX; done++) {
    const uint32_t word = load_u32le(io->state + 4 * (at++ % WORDS));
    const uint32_t operation = word & 255u, operand = word >> 8;
    if (operation == READ) {
      value = load_u32le(io->input + 4 * (operand % MEASUREMENTS));
      sum += value;
    } else if (operation == WRITE) {
      store_u32le(io->output + 4 * (operand % FIELDS), value);
    } else if (operation == SUM) {
      value = sum;
    } else if (operation == NUMBER) {
      value = load_u32le(io->state + 4 * FRAME_AT);
    } else if (operation == JUMP) {
      at = operand;
    } else if (operation == END) {
      break;
    }
  }
}

TEXT static int step(const hil_workload_io_t *io, hil_progress_t *progress) {
  pack(io);
  if (progress_tick(progress)) return HIL_ERR_STATE;
  store_u32le(io->state + 4 * FRAME_AT, load_u32le(io->state + 4 * FRAME_AT) + 1u);
  return progress_tick(progress) ? HIL_ERR_STATE : HIL_OK;
}

/* What the instruments deliver */
static void input(uint8_t *in, uint64_t seed, uint64_t frame) {
  const uint64_t key[2] = {seed, STREAM};
  for (uint32_t i = 0; i < MEASUREMENTS; i++) {
    const uint64_t now[4] = {frame, i, 0, 0};
    uint64_t noise[4];
    philox_block(now, key, noise);
    store_u32le(in + 4 * i, 1000u * (i + 1u) + (uint32_t)(noise[0] & 63u));
  }
}

static void put(uint8_t *state, uint32_t at, uint32_t word) { store_u32le(state + 4 * at, word); }

#define TELEMETRY(build)             \
  {                                  \
      .name = #build,                \
      .state_len = 4 * WORDS,        \
      .input_len = 4 * MEASUREMENTS, \
      .output_len = 4 * FIELDS,      \
      .scratch_len = 0,              \
      .ticks = TICKS,                \
      .init = init,                  \
      .input = input,                \
      .step = step,                  \
      .text_begin = BEGIN_OF(build), \
      .text_end = END_OF(build),     \
  }

#endif
