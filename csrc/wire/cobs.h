/* Consistent Overhead Byte Stuffing. SPDX-License-Identifier: Apache-2.0
 *
 * Cheshire & Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM ToN 7(2), 1999: any bytes become
 * bytes without zero, at a cost of at most one byte per 254; a zero then delimits frames. */
#ifndef HIL_COBS_H
#define HIL_COBS_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* The longest encoding of |len| bytes, delimiter not included, as a constant: for the sizes of arrays. */
#define COBS_ENCODE_MAX(len) ((len) + (len) / 254u + ((len) % 254u != 0 || (len) == 0 ? 1u : 0u))

/* cffi:begin */
/* The same at run time. */
size_t cobs_max(size_t len);

/* Encode |len| bytes into |out| (capacity |cap|, not overlapping). No delimiter is added.
 * Returns HIL_OK and the length; HIL_ERR_ARG for null pointers; HIL_ERR_EXHAUSTED if it does not fit
 * (|out| is then indeterminate). */
int cobs_encode(const uint8_t *data, size_t len, uint8_t *out, size_t cap, size_t *out_len);

/* Decode |len| encoded bytes (no delimiter). |out| may be |data|: decoding in place is allowed.
 * HIL_OK; HIL_ERR_PAYLOAD if a zero occurs or a block runs past the end; HIL_ERR_EXHAUSTED, HIL_ERR_ARG as
 * above. |out| is indeterminate after failure. */
int cobs_decode(const uint8_t *data, size_t len, uint8_t *out, size_t cap, size_t *out_len);
/* cffi:end */

#endif
