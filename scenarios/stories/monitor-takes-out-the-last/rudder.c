/* The monitor has one limit, however fast the pedal moves. SPDX-License-Identifier: Apache-2.0 */
#define BUILD rudder
#include "rudder.h"

TEXT static uint32_t limit(uint32_t rate) {
  (void)rate;
  return LIMIT;
}

extern const hil_workload_t workload_rudder;
const hil_workload_t workload_rudder = RUDDER(rudder);
