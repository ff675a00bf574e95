/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). SPDX-License-Identifier: Apache-2.0 */
#ifndef HIL_CRC32C_H
#define HIL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* cffi:begin */
/* CRC of |len| bytes, continuing |crc| (0 to begin). hil_crc32c(hil_crc32c(0, a), b) = hil_crc32c(0, a||b). */
uint32_t hil_crc32c(uint32_t crc, const uint8_t *data, size_t len);
/* cffi:end */

#endif
