/* SECDED(72,64): single-error-correcting, double-error-detecting memory words and a scrubbed store.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_SECDED_H
#define HIL_SECDED_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
typedef enum {
  SECDED_CLEAN = 0,
  SECDED_CORRECTED = 1,    /* one wrong bit, in data or check, was put right */
  SECDED_UNCORRECTABLE = 2 /* two wrong bits: detected, left as they are */
} hil_secded_result_t;

/* A store of |count| 64-bit words with their check bytes, in memory that the caller owns. */
typedef struct {
  uint64_t *words;
  uint8_t *checks;
  size_t count;           /* [word] */
  size_t cursor;          /* [word] where the next scrub continues */
  uint64_t corrected;     /* words put right since init */
  uint64_t uncorrectable; /* uncorrectable words met since init */
  uint64_t passes;        /* complete scrub passes since init */
} hil_secded_memory_t;

/* The 8 check bits of a data word: (72,64) extended Hamming, i.e. minimum distance 4. */
uint8_t secded_encode(uint64_t data);

/* Check and put right one stored word in place. */
hil_secded_result_t secded_decode(uint64_t *data, uint8_t *check);

/* Bind the store to caller-owned arrays of |count| entries; contents become zero words with valid
 * checks. HIL_OK; HIL_ERR_ARG for null arrays with count > 0. */
int secded_init(hil_secded_memory_t *m, uint64_t *words, uint8_t *checks, size_t count);

/* Copy |len| bytes in or out, from byte 0. Words are little-endian; a last partial word is padded
 * with zeros. Reading puts right and counts what it meets.
 * HIL_OK; HIL_ERR_EXHAUSTED if len exceeds the store; secded_read: HIL_ERR_DAMAGED if a word was
 * uncorrectable (the bytes are still copied). */
int secded_write(hil_secded_memory_t *m, const uint8_t *data, size_t len);
int secded_read(hil_secded_memory_t *m, uint8_t *out, size_t len);

/* Check and correct in place the words of the first |len| bytes. HIL_OK; HIL_ERR_EXHAUSTED if len exceeds the
 * store; HIL_ERR_DAMAGED if a word was uncorrectable. */
int secded_check(hil_secded_memory_t *m, size_t len);

/* The store's bytes, as they were copied in and where nothing has hit them. */
const uint8_t *secded_bytes(const hil_secded_memory_t *m);

/* Scrub up to |max_words| words from the cursor on, wrapping. Returns how many were corrected. */
size_t secded_scrub(hil_secded_memory_t *m, size_t max_words);
/* cffi:end */

#endif
