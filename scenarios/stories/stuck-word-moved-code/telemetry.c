/* The telemetry program where it has always been: partly in the chip. SPDX-License-Identifier: Apache-2.0 */
#define BUILD telemetry
#include "telemetry.h"

static void init(uint8_t *state, uint64_t seed) {
  const uint32_t begin = CHIP_AT - 7;
  (void)seed;
  memset(state, 0, 4 * WORDS);
  put(state, START_AT, begin);
  for (uint32_t i = 0; i < PROGRAM_WORDS; i++) {
    put(state, begin + i, program[i]);
  }
}

extern const hil_workload_t workload_telemetry;
const hil_workload_t workload_telemetry = TELEMETRY(telemetry);
