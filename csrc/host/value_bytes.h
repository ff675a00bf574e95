/* Votes on the bytes of a field, which have no order. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_VALUE_BYTES_H
#define HIL_VALUE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

bool value_same_bytes(const uint8_t *a, const uint8_t *b, uint32_t len);

/* The bytes of a node that more than half of the |heard| voters have; NULL without. |mask|: the nodes in |part|. */
const uint8_t *value_majority(const uint8_t *const *part, uint32_t mask, uint32_t len, uint32_t heard);

/* The majority of each bit of the bytes of more than half of the |heard| voters. False if a bit is tied, or there are
 * too few. */
bool value_bitwise(const uint8_t *const *part, uint32_t mask, uint32_t len, uint32_t heard, uint8_t *out);

/* The nodes with equal bytes, as masks: those that have |first| (NULL: none), the most, those with the lesser bytes
 * first. Writes at most VOTE_MAX_NODES and returns how many. */
int value_classes(const uint8_t *const *part, uint32_t mask, uint32_t len, const uint8_t *first,
                  uint8_t *classes);

#endif
