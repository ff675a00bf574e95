/* The template port on a Cortex-M without an operating system: it asks itself HELLO, as a host would, and
 * exits by semihosting with 0 if the answer is right. What it needs in flash, RAM and stack is what an
 * agent costs on such a board (csrc/size_budget.py). SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "crc32c.h"
#include "port_template.h"

extern uint32_t data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
extern const uint32_t data_load[];

int main(void);
void reset_handler(void);

__attribute__((section(".vectors"), used)) static const uintptr_t *const vectors[2] = {
    (const uintptr_t *)stack_top, (const uintptr_t *)reset_handler};

enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18, EXIT_GOOD = 0x20026, EXIT_BAD = 0x20023 };

/* Ask the debugger (here QEMU) to do |operation|. */
static void semihost(uint32_t operation, uintptr_t argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register uintptr_t r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void reset_handler(void) {
  memcpy(data_begin, data_load, (size_t)((uintptr_t)data_end - (uintptr_t)data_begin));
  memset(bss_begin, 0, (size_t)((uintptr_t)bss_end - (uintptr_t)bss_begin));
  semihost(SYS_EXIT, main() == 0 ? EXIT_GOOD : EXIT_BAD);
  for (;;) {
  }
}

static hil_template_t board;
static hil_wire_decoder_t decoder;

/* Whether the board has sent a HELLO answer with this seq. */
static bool answered(uint16_t seq) {
  hil_wire_frame_t frame;
  hil_hello_t hello;
  for (size_t at = 0; at < board.out_len;) {
    size_t used = 0;
    const int status = wire_decoder_push(&decoder, board.out + at, board.out_len - at, &used, &frame);
    at += used;
    if (status == 1 && frame.type == (HIL_MSG_HELLO | HIL_MSG_ANSWER) && frame.seq == seq) {
      return hil_hello_unpack(&hello, frame.payload, frame.len) == HIL_OK && hello.pointer_bits == 32;
    }
  }
  return false;
}

int main(void) {
  static const uint16_t seq = 7;
  uint8_t request[16];
  size_t len = 0;
  if (hil_crc32c(0, (const uint8_t *)"123456789", 9) != 0xe3069283u) return 1; /* RFC 3720's check value */
  wire_decoder_init(&decoder);
  if (template_init(&board) != HIL_OK) return 1;
  template_exchange(&board, NULL, 0);
  if (!answered(0)) return 1; /* its announcement */
  if (wire_encode(HIL_MSG_HELLO, seq, NULL, 0, request, sizeof request, &len) != HIL_OK) return 1;
  template_exchange(&board, request, len);
  if (!answered(seq)) return 1;
  semihost(SYS_WRITE0, (uintptr_t) "HELLO answered\n");
  return 0;
}
