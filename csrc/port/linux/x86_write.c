/* What an instruction of x86-64 does to the memory that it writes. SPDX-License-Identifier: Apache-2.0
 *
 * Only what compilers make and C libraries use is known; the rest is X86_UNSURE, and never guessed. */
#include "status.h"
#include "x86_insn.h"

/* [byte] A repeated instruction may go on for a group of iterations before it is stopped: a cache line, and more. */
enum { STRING_REACH = 256 };

static uint8_t operand_size(const hil_x86_insn_t *i) { return i->wide ? 8 : i->op16 ? 2 : 4; }

static hil_x86_write_t overwrites(uint8_t size, uint8_t *out_size) {
  *out_size = size;
  return X86_OVERWRITES;
}

/* D8 to DF: the x87. */
static hil_x86_write_t x87_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  /* [byte] stored, by opcode from D8 on and reg; 0: nothing; 255: not known */
  static const uint8_t sizes[8][8] = {
      {0}, {0, 0, 4, 4, 0, 0, 255, 2}, {0}, {0, 4, 4, 4, 0, 0, 0, 10},
      {0}, {0, 8, 8, 8, 0, 0, 255, 2}, {0}, {0, 2, 2, 2, 0, 0, 10, 8},
  };
  const uint8_t size = sizes[i->opcode & 7u][i->reg];
  if (!size) return X86_WRITES_NOTHING;
  return size == 255 ? X86_UNSURE : overwrites(size, out_size);
}

static hil_x86_write_t group_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  switch (i->opcode) {
    case 0x80:
    case 0x81:
    case 0x83: return i->reg == 7 ? X86_WRITES_NOTHING : X86_MODIFIES;
    case 0xc6: return i->reg ? X86_UNSURE : overwrites(1, out_size);
    case 0xc7: return i->reg ? X86_UNSURE : overwrites(operand_size(i), out_size);
    case 0xf6:
    case 0xf7: return i->reg == 2 || i->reg == 3 ? X86_MODIFIES : X86_WRITES_NOTHING;
    case 0xfe: return i->reg < 2 ? X86_MODIFIES : X86_UNSURE;
    default: break; /* 0xff */
  }
  if (i->reg < 2) return X86_MODIFIES;
  *out_size = 8;
  return i->reg == 2 || (i->reg == 6 && !i->op16) ? X86_PUSHES : X86_WRITES_NOTHING;
}

/* Opcodes of one byte that have no operand in memory, but write there. */
static hil_x86_write_t implied_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  const uint8_t op = i->opcode;
  *out_size = 8;
  if ((op & 0xf8u) == 0x50 || op == 0x68 || op == 0x6a || op == 0x9c) {
    return i->op16 ? X86_UNSURE : X86_PUSHES;
  }
  if (op == 0xe8) return X86_PUSHES;
  if (op == 0xa4 || op == 0xaa) *out_size = 1;
  if (op == 0xa5 || op == 0xab) *out_size = operand_size(i);
  if (op == 0xa4 || op == 0xa5 || op == 0xaa || op == 0xab) return X86_STORES_STRING;
  if (op == 0xff) return i->reg < 2 ? X86_WRITES_NOTHING : group_write(i, out_size);
  return op == 0xa2 || op == 0xa3 || op == 0xc8 ? X86_UNSURE : X86_WRITES_NOTHING;
}

static hil_x86_write_t one_byte_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  const uint8_t op = i->opcode;
  if (!i->has_memory) return implied_write(i, out_size);
  if (op < 0x40) return (op & 7u) < 2 && op < 0x38 ? X86_MODIFIES : X86_WRITES_NOTHING;
  if (op >= 0xd8 && op <= 0xdf) return x87_write(i, out_size);
  if (op == 0x88) return overwrites(1, out_size);
  if (op == 0x89) return overwrites(operand_size(i), out_size);
  if (op == 0x8c) return overwrites(2, out_size);
  if (op == 0x86 || op == 0x87 || op == 0xc0 || op == 0xc1 || (op >= 0xd0 && op <= 0xd3)) return X86_MODIFIES;
  if (op == 0x8f) return X86_UNSURE;
  const bool is_group = op == 0x80 || op == 0x81 || op == 0x83 || op == 0xc6 || op == 0xc7 || op == 0xf6 ||
                        op == 0xf7 || op == 0xfe || op == 0xff;
  return is_group ? group_write(i, out_size) : X86_WRITES_NOTHING;
}

/* 0F and 0F 3A without VEX, of general registers: what is no store of a vector. */
static hil_x86_write_t general_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  switch (i->opcode) {
    case 0xc3: return overwrites(i->wide ? 8 : 4, out_size); /* movnti */
    case 0xa3: return X86_WRITES_NOTHING;
    case 0xa4:
    case 0xa5:
    case 0xab:
    case 0xac:
    case 0xad:
    case 0xb0:
    case 0xb1:
    case 0xb3:
    case 0xbb:
    case 0xc0:
    case 0xc1: return X86_MODIFIES;
    case 0xba: return i->reg > 4 ? X86_MODIFIES : X86_WRITES_NOTHING;
    case 0xc7: return i->reg == 1 ? X86_MODIFIES : X86_UNSURE;
    default: break;
  }
  return (i->opcode & 0xf0u) == 0x90 ? overwrites(1, out_size) : X86_UNSURE; /* setcc */
}

/* Stores of vector registers, in opcode map 1 of all encodings. X86_UNSURE: it is none. */
static hil_x86_write_t vector_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  const uint8_t whole = (uint8_t)(16u << i->vector);
  const bool is_legacy = i->encoding == X86_LEGACY, is_scalar = i->prefix > 0x66;
  switch (i->opcode) {
    case 0x11: return overwrites(!is_scalar ? whole : i->prefix == 0xf3 ? 4 : 8, out_size);
    case 0x13:
    case 0x17: return is_scalar ? X86_UNSURE : overwrites(8, out_size);
    case 0x29:
    case 0x2b: return is_scalar ? X86_UNSURE : overwrites(whole, out_size);
    case 0x7e:
      if (i->prefix == 0xf3) return X86_WRITES_NOTHING;
      return is_scalar ? X86_UNSURE : overwrites(i->wide ? 8 : 4, out_size);
    case 0x7f: return overwrites(is_legacy && !i->prefix ? 8 : whole, out_size);
    case 0xd6: return i->prefix == 0x66 ? overwrites(8, out_size) : X86_UNSURE;
    case 0xe7: return is_scalar ? X86_UNSURE : overwrites(is_legacy && !i->prefix ? 8 : whole, out_size);
    default: return X86_UNSURE;
  }
}

/* Parts of vector registers, in opcode map 3 of all encodings. */
static hil_x86_write_t extract_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  switch (i->opcode) {
    case 0x14: return overwrites(1, out_size);
    case 0x15: return overwrites(2, out_size);
    case 0x16: return overwrites(i->wide ? 8 : 4, out_size);
    case 0x17: return overwrites(4, out_size);
    case 0x19:
    case 0x39: return i->encoding == X86_LEGACY ? X86_UNSURE : overwrites(16, out_size);
    case 0x1b:
    case 0x3b: return i->encoding == X86_EVEX ? overwrites(32, out_size) : X86_UNSURE;
    default: return X86_UNSURE;
  }
}

hil_x86_write_t x86_write(const hil_x86_insn_t *i, uint8_t *out_size) {
  *out_size = 0;
  if (i->encoding == X86_OTHER) return X86_UNSURE;
  if (i->encoding == X86_LEGACY && i->map == 0) return one_byte_write(i, out_size);
  if (!i->has_memory) return X86_WRITES_NOTHING;
  if (i->mask) return X86_UNSURE; /* some elements are not written */
  if (i->map == 3) return extract_write(i, out_size);
  if (i->map == 2 && i->encoding == X86_LEGACY && i->opcode == 0xf1) { /* movbe; with F2 crc32 */
    return i->prefix == 0xf2 ? X86_WRITES_NOTHING : overwrites(operand_size(i), out_size);
  }
  if (i->map != 1) return X86_UNSURE;
  const hil_x86_write_t vector = vector_write(i, out_size);
  return vector == X86_UNSURE && i->encoding == X86_LEGACY ? general_write(i, out_size) : vector;
}

/* Whether |size| bytes at |at| span the |len| bytes at |address|. */
static bool spans(uint64_t at, uint64_t size, uint64_t address, size_t len) {
  return address >= at && address - at <= size && size - (address - at) >= len;
}

static bool operand_address(const hil_x86_insn_t *i, const hil_x86_regs_t *regs, uint8_t size,
                            uint64_t *out) {
  if (i->thread_local || i->addr32) return false;
  int64_t disp = i->disp;
  if (i->encoding == X86_EVEX && i->is_disp8) disp *= size;
  uint64_t at = (uint64_t)disp;
  if (i->base == X86_RIP) at += regs->pc;
  if (i->base < 16) at += regs->reg[i->base];
  if (i->index < 16) at += regs->reg[i->index] * i->scale;
  *out = at;
  return true;
}

enum { RSP = 4, RSI = 6, RDI = 7 };

/* Whether a string instruction, which has reached these registers, has just stored there. */
static hil_x86_verdict_t judge_string(const hil_x86_insn_t *i, const hil_x86_regs_t *regs, uint8_t size,
                                      uint64_t address, size_t len) {
  const uint64_t reach = i->prefix > 0x66 ? STRING_REACH : size; /* upwards: the direction flag is clear */
  if (!spans(regs->reg[RDI] - reach, reach, address, len)) return X86_NOT_KNOWN;
  const bool moves = i->opcode == 0xa4 || i->opcode == 0xa5;
  /* movs: the byte may be one of those that it has read, before or after it was overwritten */
  const uint64_t ahead = regs->reg[RSI] - regs->reg[RDI];
  return moves && ahead < STRING_REACH ? X86_NOT_KNOWN : X86_OVERWRITTEN;
}

/* The verdict if |i| is the instruction that wrote. */
static hil_x86_verdict_t judge(const hil_x86_insn_t *i, const hil_x86_regs_t *regs, uint64_t address,
                               size_t len) {
  uint8_t size;
  uint64_t at = 0;
  switch (x86_write(i, &size)) {
    case X86_MODIFIES: return X86_READ_FIRST;
    case X86_OVERWRITES:
      if (!operand_address(i, regs, size, &at)) return X86_NOT_KNOWN;
      return spans(at, size, address, len) ? X86_OVERWRITTEN : X86_NOT_KNOWN;
    case X86_PUSHES:
      if (i->has_memory) return X86_NOT_KNOWN; /* it has read memory, too */
      return spans(regs->reg[RSP], size, address, len) ? X86_OVERWRITTEN : X86_NOT_KNOWN;
    case X86_STORES_STRING: return judge_string(i, regs, size, address, len);
    default: return X86_NOT_KNOWN;
  }
}

/* Whether a call has just come to |pc|, and has put its return address over these bytes. */
static bool was_called(const hil_x86_regs_t *regs, const hil_x86_return_t *top, uint64_t address,
                       size_t len) {
  enum { CALL_LEN = 5 };
  hil_x86_insn_t i;
  if (top->len < CALL_LEN || !spans(regs->reg[RSP], 8, address, len)) return false;
  const uint8_t *call = top->bytes + top->len - CALL_LEN;
  if (x86_decode(call, CALL_LEN, &i) == HIL_OK && i.opcode == 0xe8 && i.map == 0 && i.len == CALL_LEN) {
    const uint32_t distance =
        (uint32_t)call[1] | (uint32_t)call[2] << 8 | (uint32_t)call[3] << 16 | (uint32_t)call[4] << 24;
    if (top->return_address + (uint64_t)(int64_t)(int32_t)distance == regs->pc) return true;
  }
  if (x86_decode_before(top->bytes, top->len, false, &i) != HIL_OK) return false;
  return i.opcode == 0xff && i.map == 0 && i.encoding == X86_LEGACY && i.reg == 2;
}

hil_x86_verdict_t x86_judge_write(const hil_x86_code_t *code, const hil_x86_regs_t *regs,
                                  const hil_x86_return_t *top, uint64_t address, size_t len) {
  hil_x86_insn_t before, at;
  hil_x86_verdict_t verdict = X86_NOT_KNOWN;
  uint8_t size = 0;
  /* A repeated instruction that has not ended stands at itself. */
  const bool repeats = x86_decode(code->bytes + code->before, code->after, &at) == HIL_OK &&
                       at.prefix > 0x66 && x86_write(&at, &size) == X86_STORES_STRING;
  const bool in_string = repeats && spans(regs->reg[RDI] - STRING_REACH, STRING_REACH, address, len);
  const bool is_known = x86_decode_before(code->bytes, code->before, code->begins, &before) == HIL_OK;
  if (is_known) verdict = judge(&before, regs, address, len);
  if (in_string) {
    const hil_x86_verdict_t string = judge_string(&at, regs, size, address, len);
    const bool writes = is_known && x86_write(&before, &size) != X86_WRITES_NOTHING;
    return is_known && (!writes || string == verdict) ? string : X86_NOT_KNOWN;
  }
  if (verdict != X86_NOT_KNOWN) return verdict;
  return was_called(regs, top, address, len) ? X86_OVERWRITTEN : X86_NOT_KNOWN;
}

/* Whether two ranges have a byte in common. */
static bool overlaps(uint64_t at, uint64_t size, uint64_t address, size_t len) {
  return address - at < size || at - address < len;
}

hil_x86_verdict_t x86_judge_fault(const uint8_t *code, size_t code_len, const hil_x86_regs_t *regs,
                                  uint64_t address, size_t len) {
  enum { NEAR = 64 /* [byte] more than any operand has */ };
  hil_x86_insn_t i;
  uint64_t at = 0;
  if (x86_decode(code, code_len, &i) != HIL_OK) return X86_NOT_ACCESSED; /* nothing was executed */
  const bool plain = i.map == 0 && i.encoding == X86_LEGACY;
  if (plain && (i.opcode == 0xc2 || i.opcode == 0xc3)) {
    return overlaps(regs->reg[RSP], 8, address, len) ? X86_READ_FIRST : X86_NOT_ACCESSED;
  }
  if (i.has_memory) {
    hil_x86_regs_t next = *regs;
    next.pc += i.len; /* what an address beside it is relative to */
    if (!operand_address(&i, &next, NEAR, &at)) return X86_NOT_KNOWN;
    const bool jumps = plain && i.opcode == 0xff && (i.reg == 2 || i.reg == 4);
    if (jumps && overlaps(at, 8, address, len)) return X86_READ_FIRST;
    if (overlaps(at, NEAR, address, len)) return X86_NOT_KNOWN;
  }
  const bool beside_stack = overlaps(regs->reg[RSP] - NEAR, 2 * NEAR, address, len);
  const bool is_string = plain && (i.opcode & 0xf4u) == 0xa4;
  const bool implied =
      plain && (is_string || i.opcode == 0xc9 || (i.opcode & 0xf0u) == 0x50 || i.opcode == 0xe8);
  return implied && (is_string || beside_stack) ? X86_NOT_KNOWN : X86_NOT_ACCESSED;
}
