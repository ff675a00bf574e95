/* Arithmetic coding of bits whose probabilities are learnt. SPDX-License-Identifier: Apache-2.0
 *
 * A stream is one number between 0 and 1, written in bytes. Each bit narrows the interval in which it lies, by the
 * probability that its model gives it: what is expected costs next to nothing (Rissanen and Langdon, "Arithmetic
 * Coding", IBM J. Res. Dev. 23, 1979). Both ends have the same models at the same bit, which is all they share.
 * Every step is in SPEC.md, section 4. */
#ifndef HIL_BIT_CODER_H
#define HIL_BIT_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* cffi:begin */
enum {
  BIT_COST_MAX = 12 /* [bit] of one bit at most, whatever its model has learnt */
};

/* What has been learnt of one kind of bit. */
typedef struct {
  uint16_t one;  /* probability of 1, in 1/65536 */
  uint8_t count; /* bits seen, up to a limit */
} hil_bit_model_t;

/* One stream, written or read. Do not rely on the contents. */
typedef struct {
  uint32_t low;   /* writing: lower end of the interval; reading: the number above it */
  uint32_t range; /* width of the interval, >= 2^24 */
  uint32_t at;    /* [byte] written, or read, those past its end included */
} hil_bit_coder_t;
/* cffi:end */

void bit_model_init(hil_bit_model_t *m);

/* Write: begin; any number of bits; end, which returns the length of the stream. |out| has room for
 * bit_coder_room(c, bits) bytes before each bit, however many that are to follow. */
void bit_coder_begin(hil_bit_coder_t *c);
void bit_coder_put(hil_bit_coder_t *c, uint8_t *out, hil_bit_model_t *m, bool bit);
/* The same with the mean of two models, both of which learn; two others than each other. */
void bit_coder_put_mean(hil_bit_coder_t *c, uint8_t *out, hil_bit_model_t *m, hil_bit_model_t *n, bool bit);
uint32_t bit_coder_end(hil_bit_coder_t *c, uint8_t *out);

/* [byte] of the stream, if so many more bits were written and it ended then, at most. */
uint32_t bit_coder_room(const hil_bit_coder_t *c, uint32_t bits);

/* Read a stream of |len| bytes: begin; as many bits as were written; whether it ends there. Whatever the bytes are,
 * nothing past |len| is read: zeros stand there. */
void bit_coder_open(hil_bit_coder_t *c, const uint8_t *in, size_t len);
bool bit_coder_get(hil_bit_coder_t *c, const uint8_t *in, size_t len, hil_bit_model_t *m);
bool bit_coder_get_mean(hil_bit_coder_t *c, const uint8_t *in, size_t len, hil_bit_model_t *m,
                        hil_bit_model_t *n);
bool bit_coder_at_end(const hil_bit_coder_t *c, const uint8_t *in, size_t len);

#endif
