/* The monitor allows for what the skew can make of a fast pedal. SPDX-License-Identifier: Apache-2.0 */
#define BUILD rudder_robust
#include "rudder.h"

TEXT static uint32_t limit(uint32_t rate) { return LIMIT + SKEW_ALLOWED * rate; }

extern const hil_workload_t workload_rudder_robust;
const hil_workload_t workload_rudder_robust = RUDDER(rudder_robust);
