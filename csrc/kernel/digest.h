/* XXH64 digests of whole regions and of equal spans of them. SPDX-License-Identifier: Apache-2.0
 *
 * Spans let two parties locate damage by bisection: compare few digests of wide spans, then of
 * narrower ones inside the span that differs, down to DIGEST_CHUNK bytes. */
#ifndef HIL_DIGEST_H
#define HIL_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
enum {
  DIGEST_CHUNK = 256,  /* [byte] the finest span: what a delta resync moves */
  DIGEST_FANOUT = 16   /* each level of bisection narrows by this */
};

/* XXH64 of |len| bytes (|data| may be null if len is 0). Little-endian everywhere. */
uint64_t hil_digest64(const uint8_t *data, size_t len, uint64_t seed);

/* Digests (seed 0) of |count| consecutive spans of |span| bytes, starting with span number
 * |first|; the region's last span may be short. Writes |count| values.
 * HIL_OK; HIL_ERR_ARG if span is 0, or any span starts at or beyond len (nothing is written). */
int digest_spans(const uint8_t *data, size_t len, size_t span, size_t first, size_t count, uint64_t *out);
/* cffi:end */

#endif
