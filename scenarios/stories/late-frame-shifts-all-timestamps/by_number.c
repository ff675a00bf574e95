/* The time of an image by the number that the camera gave it. SPDX-License-Identifier: Apache-2.0 */
#define BUILD by_number
#include "navigation.h"

TEXT static uint32_t time_of_image(const uint8_t *state, const uint8_t *input) {
  (void)state;
  return word(input, NUMBER);
}

extern const hil_workload_t workload_by_number;
const hil_workload_t workload_by_number = NAVIGATION(by_number);
