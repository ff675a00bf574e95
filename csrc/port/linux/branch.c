/* Where a machine instruction may lead. SPDX-License-Identifier: Apache-2.0 */
#include "branch.h"

#include "bytes.h"
#include "status.h"
#include "x86_insn.h"

#if defined(__x86_64__)

static bool is_string(const hil_x86_insn_t *i) {
  return i->map == 0 &&
         ((i->opcode >= 0xa4 && i->opcode <= 0xa7) || (i->opcode >= 0xaa && i->opcode <= 0xaf));
}

static bool is_elsewhere(const hil_x86_insn_t *i) {
  if (i->encoding != X86_LEGACY || i->map > 1) return false;
  if (i->map == 1) return i->opcode == 0x05 || i->opcode == 0x34; /* system calls */
  const unsigned kind = i->reg & 7u;
  const bool returns = i->opcode == 0xc2 || i->opcode == 0xc3 || (i->opcode >= 0xca && i->opcode <= 0xcf);
  const bool counts = i->opcode >= 0xe0 && i->opcode <= 0xe3;
  return returns || counts || (i->opcode == 0xff && kind >= 2 && kind <= 5);
}

hil_branch_t branch_of(uint64_t pc, const uint8_t *code, size_t len, uint64_t out[2]) {
  hil_x86_insn_t i;
  if (x86_decode(code, len, &i) != HIL_OK || is_elsewhere(&i)) return BRANCH_ANYWHERE;
  const uint64_t next = pc + i.len;
  if (is_string(&i) && (i.prefix == 0xf2 || i.prefix == 0xf3)) { /* the system stops after each repetition */
    out[0] = pc;
    out[1] = next;
    return BRANCH_TWO_WAYS;
  }
  const bool is_near = i.encoding == X86_LEGACY && i.map == 0 && i.opcode >= 0x70 && i.opcode <= 0x7f;
  const bool is_far = i.encoding == X86_LEGACY && i.map == 1 && i.opcode >= 0x80 && i.opcode <= 0x8f;
  if (!is_near && !is_far) return BRANCH_NONE;
  const uint8_t *end = code + i.len;
  out[0] = next;
  out[1] = next + (is_near ? (uint64_t)(int8_t)end[-1] : (uint64_t)(int32_t)load_u32le(end - 4));
  return BRANCH_TWO_WAYS;
}

bool branch_reports_breakpoint(const uint8_t *code, size_t len) {
  enum { ICEBP = 0xf1 };
  hil_x86_insn_t i;
  if (x86_decode(code, len, &i) != HIL_OK) return true;
  return i.encoding == X86_LEGACY && i.map == 0 && i.opcode == ICEBP;
}

#elif defined(__aarch64__)

/* A signed number of |bits| bits from bit |at| on, times 4. */
static uint64_t offset(uint32_t word, unsigned at, unsigned bits) {
  const uint32_t value = word >> at & ((1u << bits) - 1u), sign = 1u << (bits - 1u);
  return 4u * ((uint64_t)(value ^ sign) - sign);
}

hil_branch_t branch_of(uint64_t pc, const uint8_t *code, size_t len, uint64_t out[2]) {
  if (len < 4) return BRANCH_ANYWHERE;
  const uint32_t word = load_u32le(code);
  if ((word & 0xfe000000u) == 0xd6000000u || (word & 0xff000000u) == 0xd4000000u) return BRANCH_ANYWHERE;
  const bool on_flags = (word & 0xff000000u) == 0x54000000u, on_zero = (word & 0x7e000000u) == 0x34000000u;
  const bool on_bit = (word & 0x7e000000u) == 0x36000000u;
  if (!on_flags && !on_zero && !on_bit) return BRANCH_NONE;
  out[0] = pc + 4u;
  out[1] = pc + (on_bit ? offset(word, 5, 14) : offset(word, 5, 19));
  return BRANCH_TWO_WAYS;
}

#else

hil_branch_t branch_of(uint64_t pc, const uint8_t *code, size_t len, uint64_t out[2]) {
  (void)pc, (void)code, (void)len, (void)out;
  return BRANCH_ANYWHERE;
}

#endif

#if !defined(__x86_64__)

bool branch_reports_breakpoint(const uint8_t *code, size_t len) {
  (void)code, (void)len;
  return true;
}

#endif
