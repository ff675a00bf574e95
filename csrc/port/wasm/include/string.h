/* What the voter needs of <string.h> where there is no C library. SPDX-License-Identifier: Apache-2.0
 *
 * The compiler makes instructions of them. */
#ifndef HIL_WASM_STRING_H
#define HIL_WASM_STRING_H

#include <stddef.h>

#define memcpy __builtin_memcpy
#define memset __builtin_memset

#endif
