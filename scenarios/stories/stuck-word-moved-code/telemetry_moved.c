/* The telemetry program in three pieces around the chip, linked by jumps. SPDX-License-Identifier: Apache-2.0
 *
 * No free place is large enough for all of it, as on Voyager. */
#define BUILD telemetry_moved
#include "telemetry.h"

static void init(uint8_t *state, uint64_t seed) {
  static const struct {
    uint32_t at, words; /* words: of the program; a jump follows them */
  } place[] = {{CHIP_AT - 7, 6}, {CHIP_AT + CHIP_WORDS, 7}, {48, PROGRAM_WORDS}};
  const uint32_t pieces = sizeof place / sizeof *place;
  uint32_t next = 0;
  (void)seed;
  memset(state, 0, 4 * WORDS);
  put(state, START_AT, place[0].at);
  for (uint32_t i = 0; i < pieces; i++) {
    uint32_t at = place[i].at;
    for (uint32_t k = 0; k < place[i].words && next < PROGRAM_WORDS; k++) {
      put(state, at++, program[next++]);
    }
    if (i + 1 < pieces) {
      put(state, at, CODE(JUMP, place[i + 1].at));
    }
  }
}

extern const hil_workload_t workload_telemetry_moved;
const hil_workload_t workload_telemetry_moved = TELEMETRY(telemetry_moved);
