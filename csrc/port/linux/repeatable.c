/* Whether a machine instruction always does the same. SPDX-License-Identifier: Apache-2.0
 *
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; Arm Architecture Reference Manual for
 * A-profile, C4.1. */
#include "repeatable.h"

#include "bytes.h"
#include "status.h"
#include "x86_insn.h"

#if defined(__x86_64__)

static bool is_within(uint8_t opcode, uint8_t first, uint8_t last) {
  return opcode >= first && opcode <= last;
}

/* Opcodes of one byte. */
static bool is_plain(const hil_x86_insn_t *i) {
  const unsigned kind = i->reg & 7u;
  switch (i->opcode) {
    case 0x8e: /* mov to a segment: with ss no step ends after it */
    case 0x9c: /* pushf: it may save that it is stepped through */
    case 0x9d: return false; /* popf */
    case 0xc6:
    case 0xc7: return kind == 0; /* not xabort, xbegin */
    case 0xff: return kind != 3 && kind != 5; /* not far calls and jumps */
    default: break;
  }
  const bool is_port = is_within(i->opcode, 0x6c, 0x6f) || is_within(i->opcode, 0xe4, 0xe7) ||
                       is_within(i->opcode, 0xec, 0xef);
  return !is_port && !is_within(i->opcode, 0xca, 0xcf); /* far returns, traps */
}

/* Opcodes after 0F. */
static bool is_plain_0f(uint8_t opcode) {
  switch (opcode) {
    case 0x0d: /* prefetch */
    case 0xa3:
    case 0xa4:
    case 0xa5:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xaf: return true; /* bits, shifts, a product */
    case 0xb2:
    case 0xb4:
    case 0xb5: /* far pointers */
    case 0xb9:
    case 0xc7: /* random numbers, the number of the core */
    case 0xff: return false;
    default: break;
  }
  return is_within(opcode, 0x10, 0x1f) || is_within(opcode, 0x28, 0x2f) || is_within(opcode, 0x40, 0x77) ||
         is_within(opcode, 0x7c, 0x9f) || is_within(opcode, 0xb0, 0xfe);
}

bool insn_is_repeatable(const uint8_t *code, size_t len) {
  hil_x86_insn_t i;
  if (x86_decode(code, len, &i) != HIL_OK || i.encoding == X86_OTHER) return false;
  if (i.encoding != X86_LEGACY) return i.map <= 3;
  if (i.map == 0) return is_plain(&i);
  if (i.map == 1) return is_plain_0f(i.opcode);
  return i.map == 3 || i.opcode < 0xd8 || i.opcode == 0xf0 || i.opcode == 0xf1;
}

#elif defined(__aarch64__)

bool insn_is_repeatable(const uint8_t *code, size_t len) {
  if (len < 4) return false;
  const uint32_t word = load_u32le(code);
  const bool is_system = (word & 0xff000000u) == 0xd5000000u,
             is_barrier = (word & 0xfffff01fu) == 0xd503301fu;
  const bool is_hint = word == 0xd503201fu; /* nop */
  const bool traps = (word & 0xff000000u) == 0xd4000000u;
  const bool reserves = (word & 0x3f000000u) == 0x08000000u; /* also what compares and swaps */
  const bool tags = (word & 0xffe0fc00u) == 0x9ac01000u;     /* irg */
  const bool is_reserved = (word & 0x1e000000u) == 0;        /* and SME */
  return !traps && !reserves && !tags && !is_reserved && (!is_system || is_barrier || is_hint);
}

#else

bool insn_is_repeatable(const uint8_t *code, size_t len) {
  (void)code, (void)len;
  return false;
}

#endif
