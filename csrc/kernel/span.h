/* Bounds of a span of bytes. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_SPAN_H
#define HIL_SPAN_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the |len| bytes from |offset| on lie inside |size| bytes. No sum can overflow, so offsets and
 * lengths may come from the peer as they are. An empty span may begin at the end. */
static inline bool span_within(uint64_t offset, uint64_t len, uint64_t size) {
  return offset <= size && len <= size - offset;
}

#endif
