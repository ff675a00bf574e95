/* Fields of outputs, their numbers, and by which rule each is voted on. SPDX-License-Identifier: Apache-2.0
 *
 * A field is |count| numbers of one type, one behind the other; integers are little-endian, floating-point numbers
 * are those of IEEE 754. Here each number is a key of 64 bits: keys are ordered as the numbers are, and equal
 * exactly where the numbers are. NaN, of any bits, is one key behind all others, -0.0 is +0.0, and an integer is
 * without the bits that are not compared. */
#ifndef HIL_VALUE_RULE_H
#define HIL_VALUE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* cffi:begin */
typedef enum {
  NUMBER_U8 = 0,
  NUMBER_I8 = 1,
  NUMBER_U16 = 2,
  NUMBER_I16 = 3,
  NUMBER_U32 = 4,
  NUMBER_I32 = 5,
  NUMBER_U64 = 6,
  NUMBER_I64 = 7,
  NUMBER_F32 = 8,
  NUMBER_F64 = 9
} hil_number_type_t;

/* csrc/host/value_choice.h has the table of what they deliver. */
typedef enum {
  VALUE_EXACT = 0,
  VALUE_BITWISE = 1,
  VALUE_PLURALITY = 2,
  VALUE_TOLERANCE = 3,
  VALUE_MID_VALUE = 4,
  VALUE_GENERALISED_MEDIAN = 5,
  VALUE_HISTORY = 6,
  VALUE_SMOOTHING = 7,
  VALUE_HELD_MEAN = 8,
  VALUE_VOTERS /* how many there are */
} hil_value_voter_t;

enum {
  VALUE_RULE_LEN = 48,          /* [byte] of a packed rule */
  VALUE_OUTPUT_MAX = 1 << 16    /* [byte] longest output */
};

/* A field, and its rule. Tolerance, reach and period are in the field's own numbers: whole numbers of integers, the
 * bits of a double of floating-point numbers. */
typedef struct {
  uint8_t kind; /* hil_value_voter_t */
  uint8_t type; /* hil_number_type_t */
  uint8_t quorum; /* of plurality */
  uint32_t offset; /* [byte] its first one in the output */
  uint32_t count; /* of numbers */
  uint32_t hold_frames;
  uint64_t ignored; /* mask: bits of an integer that are not compared */
  uint64_t tolerance; /* numbers agree if they differ by no more */
  uint64_t reach; /* the same for what is near the last delivered value */
  uint64_t period; /* numbers that differ by it are the same; 0: none. Of integers at most 2^63 */
} hil_value_rule_t;

/* Unpack one rule, VALUE_RULE_LEN bytes: the members in their order, little-endian, with a zero before |offset|.
 * Returns VALUE_RULE_LEN; HIL_ERR_PAYLOAD if the bytes are short or out of range. */
int value_rule_unpack(hil_value_rule_t *rule, const uint8_t *data, size_t len);

/* Unpack the rules of an output of |output_len| bytes: of all its bytes, in their order. Returns how many they are;
 * HIL_ERR_EXHAUSTED for more than |capacity|, HIL_ERR_PAYLOAD as above or if they are not as long as the output. */
int value_rules_unpack(hil_value_rule_t *rules, uint32_t capacity, const uint8_t *data, size_t len,
                       uint32_t output_len);

/* [byte] The length of a field. */
uint32_t value_field_len(const hil_value_rule_t *rule);

/* The key of a number in the bytes of a field; |i| < count. */
uint64_t value_key(const hil_value_rule_t *rule, const uint8_t *field, uint32_t i);
/* cffi:end */

bool value_is_real(const hil_value_rule_t *rule);

/* Whether the voter remembers the last delivered value. */
bool value_remembers(const hil_value_rule_t *rule);

/* A floating-point number by its bits or its key, and the other way round. */
double value_real(uint64_t bits);
uint64_t value_bits(double real);
double value_real_of_key(uint64_t key);
uint64_t value_key_of_real(double real);

/* Whether a key is NaN; whether it is neither that nor an infinity. False and true for integers. */
bool value_is_nan(const hil_value_rule_t *rule, uint64_t key);
bool value_is_finite(const hil_value_rule_t *rule, uint64_t key);

/* The key of the integer 0. */
uint64_t value_zero(const hil_value_rule_t *rule);

/* Write a number to the bytes of a field. False if it is out of the range of its type: nothing is written. */
bool value_store(const hil_value_rule_t *rule, uint8_t *field, uint32_t i, uint64_t key);

#endif
