/* HMAC-SHA-256 (RFC 2104, FIPS 180-4): the proof of a token. SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_HMAC_SHA256_H
#define HIL_HMAC_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HMAC_SHA256_LEN = 32 };

/* The code of |len| bytes of |message| under |key|. No length is refused. */
void hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *message, size_t len,
                 uint8_t out[HMAC_SHA256_LEN]);
/* SHA-256 of the rest of the file |fd|. False: it cannot be read. */
bool hmac_sha256_of_file(int fd, uint8_t out[HMAC_SHA256_LEN]);
/* Whether two codes are equal; the time that it takes does not depend on where they differ. */
bool hmac_sha256_equal(const uint8_t a[HMAC_SHA256_LEN], const uint8_t b[HMAC_SHA256_LEN]);

#endif
