/* What single instructions touch, asked of the processor: each is executed over and over, with one byte
 * of a register or of memory different. SPDX-License-Identifier: Apache-2.0
 *
 * Reads lines "CODE BASE INDEX": an instruction in hex; masks of the registers that point into memory, and of those
 * that hold 1. Writes a line for each: the bytes whose content anything else depends on, those whose own change was
 * gone afterwards at least once, and those where it stayed at least once; of the general registers, the vector
 * registers and the memory. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__x86_64__)
enum { REGISTERS = 16, VECTORS = 16, SLOT_LEN = 16, STATES = 4 };
#define FLAGS_FIXED 0x202
#define FLAGS_DRAWN 0x8d5 /* carry, parity, adjust, zero, sign, overflow */
#else
enum { REGISTERS = 32, VECTORS = 32, SLOT_LEN = 4, STATES = 2 };
#define FLAGS_FIXED 0
#define FLAGS_DRAWN 0xf0000000
#endif
enum { GENERAL = REGISTERS * 8, VECTOR = VECTORS * 16, MEMORY = 4096, MIDDLE = 2048, NEAR = 128 };
enum { TRIES = 200 };

typedef struct {
  uint64_t general[REGISTERS];
  uint8_t vector[VECTORS][16];
  uint64_t flags;
} cpu_t;

cpu_t cpu; /* in the processor's own order: rax rcx rdx rbx rsp rbp rsi rdi r8 ...; x0 to x30, sp */
uint64_t own_sp;
static uint8_t *const memory = (uint8_t *)0x5a5a5a5a5000; /* whatever a pointer is hit at, nothing else is near */
static size_t middle = MIDDLE; /* where pointers point to in it */
static sigjmp_buf back;

void execute(void);
extern uint8_t slot[];
#if defined(__x86_64__)
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define LOAD_VECTOR(n) "movups cpu+128+16*" #n "(%rip), %xmm" #n "\n"
#define STORE_VECTOR(n) "movups %xmm" #n ", cpu+128+16*" #n "(%rip)\n"
#define ORDER(M) \
  M(rax, 0) M(rcx, 1) M(rdx, 2) M(rbx, 3) M(rbp, 5) M(rsi, 6) M(rdi, 7) M(r8, 8) M(r9, 9) M(r10, 10) \
  M(r11, 11) M(r12, 12) M(r13, 13) M(r14, 14) M(r15, 15) M(rsp, 4)
#define LOAD(r, n) "mov cpu+8*" #n "(%rip), %" #r "\n"
#define STORE(r, n) "mov %" #r ", cpu+8*" #n "(%rip)\n"
__asm__(".pushsection .probe, \"awx\", @progbits\n.globl execute, slot\nexecute:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\nmov %rsp, own_sp(%rip)\n"
        EACH(LOAD_VECTOR) "pushq cpu+384(%rip)\npopfq\n" ORDER(LOAD)
        "slot: .skip 16, 0x90\n" ORDER(STORE)
        "mov own_sp(%rip), %rsp\npushfq\npopq cpu+384(%rip)\ncld\n" EACH(STORE_VECTOR)
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n.popsection\n");
#else
#define LOW(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define ALL(M) LOW(M) M(16) M(17) M(18) M(19) M(20) M(21) M(22) M(23) M(24) M(25) M(26) M(27) M(28) M(29)
#define LOAD(n) "ldr x" #n ", cpu_at+8*" #n "\n"
#define LOAD_VECTOR(n) "ldr q" #n ", [x0, 256+16*" #n "]\n"
#define STORE_VECTOR(n) "str q" #n ", [x0, 256+16*" #n "]\n"
#define STORE(n) "str x" #n ", [x30, 8*" #n "]\n"
/* The registers to begin with lie near the code, where they are reached without a register (and in a page of
 * their own: an emulator translates code again whose page is written). x30 comes back by
 * way of the thread's own register, which is put right then. */
__asm__(".pushsection .probe, \"awx\", %progbits\n.globl execute, slot, cpu_at\nexecute:\n"
        "stp x29, x30, [sp, -16]!\nstp x27, x28, [sp, -16]!\nstp x25, x26, [sp, -16]!\n"
        "stp x23, x24, [sp, -16]!\nstp x21, x22, [sp, -16]!\nstp x19, x20, [sp, -16]!\n"
        "stp d14, d15, [sp, -16]!\nstp d12, d13, [sp, -16]!\nstp d10, d11, [sp, -16]!\n"
        "stp d8, d9, [sp, -16]!\n"
        "adrp x0, own_sp\nmov x1, sp\nstr x1, [x0, :lo12:own_sp]\n"
        "adr x0, cpu_at\nmrs x1, tpidr_el0\nstr x1, [x0, 776]\n" ALL(LOAD_VECTOR) "ldr q30, [x0, 256+16*30]\nldr q31, [x0, 256+16*31]\n"
        "ldr x1, [x0, 768]\nmsr nzcv, x1\nldr x1, cpu_at+8*31\nmov sp, x1\n" ALL(LOAD) LOAD(30)
        "slot: .inst 0xd503201f\n"
        "msr tpidr_el0, x30\nadr x30, cpu_at\n" ALL(STORE) "mov x0, x30\n"
        "mrs x1, tpidr_el0\nstr x1, [x0, 8*30]\nmov x1, sp\nstr x1, [x0, 8*31]\n"
        "mrs x1, nzcv\nstr x1, [x0, 768]\n" ALL(STORE_VECTOR)
        "str q30, [x0, 256+16*30]\nstr q31, [x0, 256+16*31]\nldr x1, [x0, 776]\nmsr tpidr_el0, x1\n"
        "adrp x0, own_sp\nldr x1, [x0, :lo12:own_sp]\nmov sp, x1\n"
        "ldp d8, d9, [sp], 16\nldp d10, d11, [sp], 16\nldp d12, d13, [sp], 16\nldp d14, d15, [sp], 16\n"
        "ldp x19, x20, [sp], 16\nldp x21, x22, [sp], 16\nldp x23, x24, [sp], 16\n"
        "ldp x25, x26, [sp], 16\nldp x27, x28, [sp], 16\nldp x29, x30, [sp], 16\nret\n"
        ".balign 4096\ncpu_at: .skip 4096\n.popsection\n");
extern uint8_t cpu_at[];
#endif

static void on_signal(int signal) {
  (void)signal;
  siglongjmp(back, 1);
}

static uint64_t seed = 1;
static uint64_t draw(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

/* All that an instruction can change. */
typedef struct {
  cpu_t cpu;
  uint8_t memory[MEMORY];
} world_t;

/* Returns whether it ends without a signal. */
static int run(const world_t *before, world_t *after) {
  cpu = before->cpu;
  memcpy(memory, before->memory, MEMORY);
  if (sigsetjmp(back, 0)) return 0;
#if !defined(__x86_64__)
  memcpy(cpu_at, &cpu, sizeof cpu);
#endif
  execute();
#if !defined(__x86_64__)
  memcpy(&cpu, cpu_at, sizeof cpu);
#endif
  after->cpu = cpu;
  memcpy(after->memory, memory, MEMORY);
  return 1;
}

static uint8_t *byte_of(world_t *w, size_t i) {
  if (i < GENERAL) return (uint8_t *)w->cpu.general + i;
  if (i < GENERAL + VECTOR) return &w->cpu.vector[0][0] + (i - GENERAL);
  return w->memory + middle - NEAR + (i - GENERAL - VECTOR);
}

enum { BYTES = GENERAL + VECTOR + 2 * NEAR };

static void draw_world(world_t *w, unsigned base, unsigned index) {
  for (size_t i = 0; i < sizeof *w; i++) ((uint8_t *)w)[i] = (uint8_t)draw();
  for (int r = 0; r < REGISTERS; r++) {
    if (base >> r & 1) w->cpu.general[r] = (uint64_t)(uintptr_t)(memory + middle);
    if (index >> r & 1) w->cpu.general[r] = 1;
    if (draw() % 3 == 0 && !((base | index) >> r & 1)) w->cpu.general[r] &= 0xff; /* small: shifts, divisors */
    if (draw() % 5 == 0 && !((base | index) >> r & 1)) w->cpu.general[r] = 0;
  }
  for (int v = 0; v < VECTORS; v++) {
    if (draw() % 5 == 0) memset(w->cpu.vector[v], 0, 16);
  }
  w->cpu.flags = FLAGS_FIXED | (draw() & FLAGS_DRAWN);
}

static int probe_state(unsigned base, unsigned index, uint8_t *matters, uint8_t *gone,
                       uint8_t *stays) {
  static world_t before, plain, struck, after;
  int runs = 0;
  for (int t = 0; t < TRIES && !runs; t++) {
    draw_world(&before, base, index);
    runs = run(&before, &plain);
  }
  if (!runs) return 0;
  for (size_t i = 0; i < BYTES; i++) {
    for (int m = 0; m < 2; m++) {
      const uint8_t mask = m ? (uint8_t)(1u << draw() % 8) : 0xff;
      struck = before;
      *byte_of(&struck, i) ^= mask;
      if (!run(&struck, &after)) {
        matters[i] = 1;
        continue;
      }
      const uint8_t is = *byte_of(&after, i), was = *byte_of(&plain, i);
      *(is == (was ^ mask) ? &stays[i] : &gone[i]) = 1;
      if (is != was && is != (was ^ mask)) matters[i] = 1;
      *byte_of(&after, i) = was;
      if (memcmp(&after, &plain, sizeof after) != 0) matters[i] = 1;
    }
  }
  return 1;
}

static void put(const uint8_t *flags) {
  for (size_t i = 0; i < BYTES; i++) putchar('0' + flags[i]);
}

int main(void) {
  static uint8_t stack[1 << 16], code[16];
  const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
  unsigned base, index;
  char text[40];
  (void)sigaltstack(&other, NULL);
  const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) (void)sigaction(signals[i], &action, NULL);
  if (mmap(memory, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != memory) return 1;
  while (scanf("%32s %x %x", text, &base, &index) == 3) {
    uint8_t matters[BYTES] = {0}, gone[BYTES] = {0}, stays[BYTES] = {0};
    int states = 0;
    const size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
      unsigned value;
      (void)sscanf(text + 2 * i, "%2x", &value);
      code[i] = (uint8_t)value;
    }
    if (SLOT_LEN > 4) memset(slot, 0x90, SLOT_LEN);
    memcpy(slot, code, len);
    __builtin___clear_cache((char *)slot, (char *)slot + SLOT_LEN);
    static const size_t offset[] = {0, 8, 15, 7}; /* some want their memory aligned, with an index of 1 */
    for (size_t i = 0; !states && i < sizeof offset / sizeof offset[0]; i++) {
      middle = MIDDLE + offset[i];
      for (int s = 0; s < STATES; s++) states += probe_state(base, index, matters, gone, stays);
    }
    printf("%llx %d ", (unsigned long long)(uintptr_t)(memory + middle), states);
    put(matters);
    putchar(' ');
    put(gone);
    putchar(' ');
    put(stays);
    putchar('\n');
  }
  return 0;
}
