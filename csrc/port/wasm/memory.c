/* What the compiler takes from a C library, where there is none. SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

void *memcpy(void *to, const void *from, size_t len) {
  uint8_t *p = to;
  const uint8_t *q = from;
  for (size_t i = 0; i < len; i++) p[i] = q[i];
  return to;
}

void *memset(void *to, int value, size_t len) {
  uint8_t *p = to;
  for (size_t i = 0; i < len; i++) p[i] = (uint8_t)value;
  return to;
}
