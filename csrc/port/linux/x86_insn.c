/* The length and the operands of an instruction of x86-64. SPDX-License-Identifier: Apache-2.0
 *
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2 and appendix A; AMD64
 * Architecture Programmer's Manual, volume 3 and 6 (XOP). What follows an opcode is a letter of the tables:
 *
 *   .  nothing            b  8 bits             z  16 or 32 bits          v  16, 32 or 64 bits
 *   m  ModRM              B  ModRM, 8 bits      Z  ModRM, 16 or 32 bits   w  16 bits
 *   t  ModRM, and 8 bits if its reg is 0 or 1   T  the same with 16 or 32 bits
 *   o  an address         r  32 bits            e  16 and 8 bits          x  it is no opcode, or a prefix
 *
 * A ModRM that can name no memory (0F 20 to 23, 0F A6 and A7) counts as 8 bits. */
#include "x86_insn.h"

#include <string.h>

#include "status.h"

static const char one_byte[] =
    "mmmmbzxxmmmmbzxx"
    "mmmmbzxxmmmmbzxx"
    "mmmmbzxxmmmmbzxx"
    "mmmmbzxxmmmmbzxx"
    "xxxxxxxxxxxxxxxx"
    "................"
    "xxxmxxxxzZbB...."
    "bbbbbbbbbbbbbbbb"
    "BZxBmmmmmmmmmmmm"
    "..........x....."
    "oooo....bz......"
    "bbbbbbbbvvvvvvvv"
    "BBw.xxBZe.w..bx."
    "mmmmxxx.mmmmmmmm"
    "bbbbbbbbrrxb...."
    "x.xx..tT......mm";

static const char two_bytes[] =
    "mmmmx.....x.xm.B"
    "mmmmmmmmmmmmmmmm"
    "bbbbxxxxmmmmmmmm"
    "......x.xxxxxxxx"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "BBBBmmm.mmxxmmmm"
    "rrrrrrrrrrrrrrrr"
    "mmmmmmmmmmmmmmmm"
    "...mBmbb...mBmmm"
    "mmmmmmmmmmBmmmmm"
    "mmBmBBBm........"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmmmm";

typedef struct {
  const uint8_t *code;
  size_t at, len;
  bool ended; /* more was wanted than there is */
} hil_cursor_t;

/* Extensions of register numbers, 0 or 8. */
typedef struct {
  uint8_t index, base;
} hil_extension_t;

static uint8_t take(hil_cursor_t *c) {
  if (c->at >= c->len) {
    c->ended = true;
    return 0;
  }
  return c->code[c->at++];
}

static int32_t take_signed(hil_cursor_t *c, unsigned bytes) {
  uint32_t value = 0;
  for (unsigned i = 0; i < bytes; i++) value |= (uint32_t)take(c) << (8u * i);
  return bytes == 1 ? (int8_t)value : (int32_t)value;
}

static void skip(hil_cursor_t *c, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) (void)take(c);
}

/* Prefixes, and then the first byte that is none. A REX counts only if it is the last of them. */
static uint8_t take_prefixes(hil_cursor_t *c, hil_x86_insn_t *i, uint8_t *out_rex) {
  uint8_t rep = 0;
  *out_rex = 0;
  for (;;) {
    const uint8_t b = take(c);
    if ((b & 0xf0u) == 0x40u && !c->ended) {
      *out_rex = b;
      continue;
    }
    switch (b) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0xf0: break;
      case 0x64:
      case 0x65: i->thread_local = true; break;
      case 0x66: i->op16 = true; break;
      case 0x67: i->addr32 = true; break;
      case 0xf2:
      case 0xf3: rep = b; break;
      default: i->prefix = rep ? rep : i->op16 ? 0x66u : 0u; return b;
    }
    *out_rex = 0;
  }
}

static void set_pp(hil_x86_insn_t *i, uint8_t pp) {
  static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
  i->prefix = prefixes[pp & 3u];
}

/* What follows an opcode under VEX and EVEX. */
static char vector_shape(const hil_x86_insn_t *i) {
  if (i->map == 3) return 'B';
  if (i->map != 1) return 'm';
  if (i->opcode == 0x77 && i->encoding == X86_VEX) return '.';
  const char shape = two_bytes[i->opcode];
  const bool is_shift = i->opcode >= 0x70 && i->opcode <= 0x73;
  return is_shift || (i->opcode >= 0xc2 && shape == 'B') ? 'B' : 'm';
}

static char xop_shape(uint8_t map) {
  if (map == 8) return 'B';
  if (map == 9) return 'm';
  return (char)(map == 10 ? 'D' : 'x');
}

/* C4, C5, 62 or 8F has been taken. Returns what follows the opcode. */
static char take_vector(hil_cursor_t *c, uint8_t first, hil_x86_insn_t *i, hil_extension_t *x) {
  const uint8_t p0 = take(c);
  i->encoding = first == 0x62 ? X86_EVEX : first == 0x8f ? X86_OTHER : X86_VEX;
  if (first == 0xc5) {
    i->map = 1;
    set_pp(i, p0);
    i->vector = p0 >> 2 & 1u;
    i->opcode = take(c);
    return vector_shape(i);
  }
  const uint8_t p1 = take(c);
  x->index = p0 & 0x40u ? 0 : 8;
  x->base = p0 & 0x20u ? 0 : 8;
  i->wide = p1 >> 7;
  set_pp(i, p1);
  i->map = p0 & (first == 0x62 ? 0x07u : 0x1fu);
  i->vector = p1 >> 2 & 1u;
  if (first == 0x62) {
    const uint8_t p2 = take(c);
    if ((p0 & 0x08u) || !(p1 & 0x04u)) return 'x';
    i->vector = p2 >> 5 & 3u;
    i->mask = p2 & 7u;
  }
  i->opcode = take(c);
  if (first == 0x8f) return xop_shape(i->map);
  const bool has_map = (i->map >= 1 && i->map <= 3) || (first == 0x62 && (i->map == 5 || i->map == 6));
  if (!has_map) return 'x';
  return vector_shape(i);
}

/* An opcode of the first encoding, whose first byte is |b|. Returns what follows it. */
static char take_legacy(hil_cursor_t *c, uint8_t b, uint8_t rex, hil_x86_insn_t *i, hil_extension_t *x) {
  x->index = rex & 2u ? 8 : 0;
  x->base = rex & 1u ? 8 : 0;
  i->wide = (rex & 8u) != 0;
  i->opcode = b;
  if (b != 0x0f) return one_byte[b];
  i->map = 1;
  i->opcode = take(c);
  if (i->opcode != 0x38 && i->opcode != 0x3a) {
    /* with these prefixes another instruction, of AMD, which has more */
    if (i->opcode == 0x78 && i->prefix) return 'x';
    return two_bytes[i->opcode];
  }
  i->map = i->opcode == 0x38 ? 2 : 3;
  i->opcode = take(c);
  return (char)(i->map == 2 ? 'm' : 'B');
}

static void take_modrm(hil_cursor_t *c, hil_x86_insn_t *i, hil_extension_t x) {
  const uint8_t modrm = take(c), mod = modrm >> 6;
  const uint8_t rm = modrm & 7u;
  i->has_modrm = true;
  i->reg = modrm >> 3 & 7u;
  if (mod == 3) return;
  i->has_memory = true;
  i->base = rm + x.base;
  if (rm == 4) {
    const uint8_t sib = take(c), index = (uint8_t)((sib >> 3 & 7u) + x.index);
    if (index != 4) i->index = index;
    i->scale = (uint8_t)(1u << (sib >> 6));
    i->base = (sib & 7u) + x.base;
    if ((sib & 7u) == 5 && mod == 0) i->base = X86_NO_REGISTER;
  } else if (rm == 5 && mod == 0) {
    i->base = X86_RIP;
  }
  const bool is_long = mod == 2 || (mod == 0 && (i->base == X86_RIP || i->base == X86_NO_REGISTER));
  if (mod == 1 || is_long) i->disp = take_signed(c, is_long ? 4 : 1);
  i->is_disp8 = mod == 1;
}

static void skip_immediate(hil_cursor_t *c, const hil_x86_insn_t *i, char shape) {
  const unsigned z = i->op16 && !i->wide ? 2 : 4;
  switch (shape) {
    case 'b':
    case 'B': skip(c, 1); break;
    case 'z':
    case 'Z': skip(c, z); break;
    case 'v': skip(c, i->wide ? 8 : z); break;
    case 'w': skip(c, 2); break;
    case 'e': skip(c, 3); break;
    case 'r':
    case 'D': skip(c, 4); break;
    case 'o': skip(c, i->addr32 ? 4 : 8); break;
    case 't': skip(c, i->reg < 2 ? 1 : 0); break;
    case 'T': skip(c, i->reg < 2 ? z : 0); break;
    default: break;
  }
}

int x86_decode(const uint8_t *code, size_t len, hil_x86_insn_t *out) {
  hil_cursor_t c = {code, 0, len < X86_INSN_MAX ? len : (size_t)X86_INSN_MAX, false};
  hil_extension_t extension = {0, 0};
  uint8_t rex;
  *out = (hil_x86_insn_t){.base = X86_NO_REGISTER, .index = X86_NO_REGISTER, .scale = 1};
  const uint8_t first = take_prefixes(&c, out, &rex);
  const uint8_t next = c.at < c.len ? code[c.at] : 0;
  const bool is_vector =
      first == 0xc4 || first == 0xc5 || first == 0x62 || (first == 0x8f && (next & 0x1fu) >= 8);
  char shape;
  if (is_vector) {
    shape = take_vector(&c, first, out, &extension);
  } else {
    shape = take_legacy(&c, first, rex, out, &extension);
  }
  if (shape == 'x' || c.ended) return HIL_ERR_PAYLOAD;
  if (strchr("mBZtTD", shape)) take_modrm(&c, out, extension);
  skip_immediate(&c, out, shape);
  out->len = (uint8_t)c.at;
  return c.ended ? HIL_ERR_PAYLOAD : HIL_OK;
}

/* Read instructions from |at| on. Whether one of them ends with the last byte; |out| is that one. */
static bool ends_with(const uint8_t *code, size_t len, size_t at, hil_x86_insn_t *out) {
  while (at < len) {
    if (x86_decode(code + at, len - at, out) != HIL_OK) return false;
    at += out->len;
  }
  return true;
}

int x86_decode_before(const uint8_t *code, size_t len, bool begins, hil_x86_insn_t *out) {
  const size_t starts = begins ? 1 : len < X86_INSN_MAX ? len : (size_t)X86_INSN_MAX;
  out->len = 0;
  for (size_t at = 0; at < starts; at++) {
    hil_x86_insn_t one;
    if (!ends_with(code, len, at, &one)) continue;
    if (out->len && out->len != one.len) return HIL_ERR_PAYLOAD;
    *out = one;
  }
  return out->len ? HIL_OK : HIL_ERR_PAYLOAD;
}
