/* What the voter needs of <string.h> where there is no C library. SPDX-License-Identifier: Apache-2.0
 *
 * csrc/port/wasm/memory.c has them. */
#ifndef HIL_WASM_STRING_H
#define HIL_WASM_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);

#endif
