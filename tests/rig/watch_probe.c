/* Instructions whose access of a watched byte is certain, and what the agent's watch makes of each. Prints lines
 * "probe NAME FIRST REASON" (hil_first_access_t, hil_unwatched_t). SPDX-License-Identifier: Apache-2.0
 *
 * The worker is a child that runs one function at a time on the |memory| that it is given; the byte that is watched
 * is memory[21], or those from there on. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port_linux.h"

enum { LEN = 4096, AT = 21 };

static uint8_t *memory;
typedef void (*hil_case_t)(uint8_t *m);

#if defined(__x86_64__)
#define STOP "int3"
#define CASE(name, ...)                            \
  static __attribute__((noinline)) void name(uint8_t *m) {                   \
    __asm__ volatile(__VA_ARGS__ ::"D"(m) : "rax", "rcx", "rdx", "rsi", "r8", "xmm0", "memory", "cc"); \
  }
/* rdi is the memory. Strings and the stack need registers of their own. */
#define STRING(name, source, target, instruction)                                                    \
  static __attribute__((noinline)) void name(uint8_t *m) {                                                                     \
    uint8_t *from = m + (source), *to = m + (target);                                                \
    size_t count = 16;                                                                               \
    __asm__ volatile(instruction : "+S"(from), "+D"(to), "+c"(count) : "a"(0) : "memory", "cc");      \
  }
#define STACK(name, top, instruction)                                                                \
  CASE(name, "mov %%rsp, %%r8\n lea " top "(%%rdi), %%rsp\n" instruction "\n mov %%r8, %%rsp")
CASE(nothing, "nop")
CASE(load_byte, "movb 21(%%rdi), %%al")
CASE(load_word, "movl 20(%%rdi), %%eax")
CASE(load_beside, "movb 22(%%rdi), %%al\n movl 16(%%rdi), %%eax")
CASE(load_vector, "movups 16(%%rdi), %%xmm0")
CASE(compare, "cmpl $5, 20(%%rdi)")
CASE(store_byte, "movb $1, 21(%%rdi)")
CASE(store_word, "movl $1, 20(%%rdi)")
CASE(store_word_16, "movw $1, 20(%%rdi)")
CASE(store_quad, "movq %%rax, 16(%%rdi)")
CASE(store_indexed, "mov $5, %%ecx\n movb %%al, 1(%%rdi,%%rcx,4)")
CASE(store_beside, "movb $1, 20(%%rdi)\n movb $1, 22(%%rdi)")
CASE(store_vector, "movups %%xmm0, 16(%%rdi)")
CASE(store_vector_aligned, "movaps %%xmm0, 16(%%rdi)")
CASE(store_vector_around, "movntdq %%xmm0, 16(%%rdi)")
CASE(store_half_vector, "movq %%xmm0, 16(%%rdi)")
CASE(store_flag, "sete 21(%%rdi)")
CASE(add_to, "addl $1, 20(%%rdi)")
CASE(add_byte_to, "addb %%al, 21(%%rdi)")
CASE(increment, "incb 21(%%rdi)")
CASE(negate, "negb 21(%%rdi)")
CASE(shift, "shll $3, 20(%%rdi)")
CASE(set_bit, "btsl $9, 20(%%rdi)")
CASE(exchange, "xchgb %%al, 21(%%rdi)")
CASE(exchange_add, "lock xaddl %%eax, 20(%%rdi)")
CASE(compare_exchange, "lock cmpxchgl %%ecx, 20(%%rdi)")
CASE(store_then_load, "movb $1, 21(%%rdi)\n movb 21(%%rdi), %%al")
CASE(load_then_store, "movb 21(%%rdi), %%al\n movb $1, 21(%%rdi)")
CASE(prefetch, "prefetcht0 21(%%rdi)")
CASE(masked, "pcmpeqb %%xmm0, %%xmm0\n lea 16(%%rdi), %%rdi\n maskmovdqu %%xmm0, %%xmm0\n lea -16(%%rdi), %%rdi")
CASE(x87, "fldz\n fstpl 16(%%rdi)")
STRING(copy_from, 16, 1024, "rep movsb")
STRING(copy_to, 1024, 16, "rep movsb")
STRING(copy_words_to, 1024, 16, "rep movsq")
STRING(copy_onto_itself, 20, 16, "rep movsb")
STRING(clear, 0, 16, "rep stosb")
STRING(clear_one, 0, 20, "stosl")
STACK(pushed, "24", "push %%rax")
STACK(pushed_number, "24", "push $7")
STACK(popped, "16", "pop %%rax")
STACK(called, "24", "call 1f\n jmp 2f\n nop\n 1: ret\n 2:")
CASE(first_of_two, "movb $1, 21(%%rdi)")
CASE(both_of_two, "movb $1, 21(%%rdi)\n movb $1, 22(%%rdi)")
CASE(both_at_once, "movl $1, 20(%%rdi)")
CASE(one_each, "movb $1, 21(%%rdi)\n movb 22(%%rdi), %%al")
#define STORE_WORD_AT_24 "movl $1, 24(%%rdi)"
#define STORE_BYTE_AT_24 "movb $1, 24(%%rdi)"
#define LOAD_BYTE_AT_26 "movb 26(%%rdi), %%al"
#elif defined(__aarch64__)
#define STOP "brk #0"
#define CASE(name, ...)                                                                     \
  static __attribute__((noinline)) void name(uint8_t *m) {                                                            \
    register uint8_t *x0 __asm__("x0") = m;                                                 \
    __asm__ volatile(__VA_ARGS__ : "+r"(x0)::"x1", "x2", "x3", "v0", "v1", "memory", "cc"); \
  }
CASE(nothing, "nop")
CASE(load_byte, "ldrb w1, [x0, #21]")
CASE(load_word, "ldr w1, [x0, #20]")
CASE(load_beside, "ldrb w1, [x0, #22]\n ldr w1, [x0, #16]")
CASE(load_signed, "ldrsb w1, [x0, #21]\n strb w1, [x0, #21]")
CASE(load_vector, "ldr q0, [x0, #16]")
CASE(load_pair, "ldp x1, x2, [x0, #16]")
CASE(load_structure, "add x1, x0, #16\n ld1 {v0.16b}, [x1]")
CASE(store_byte, "strb w1, [x0, #21]")
CASE(store_word, "str w1, [x0, #20]")
CASE(store_unaligned, "stur w1, [x0, #19]")
CASE(store_indexed, "mov x2, #21\n strb w1, [x0, x2]")
CASE(store_scaled, "mov x2, #5\n str w1, [x0, x2, lsl #2]")
CASE(store_extended, "mov w2, #-1\n add x3, x0, #24\n str w1, [x3, w2, sxtw #2]")
CASE(store_before, "add x2, x0, #24\n str w1, [x2, #-4]!")
CASE(store_after, "add x2, x0, #20\n str w1, [x2], #64")
CASE(store_beside, "strb w1, [x0, #20]\n strb w1, [x0, #22]")
CASE(store_pair, "stp x1, x2, [x0, #8]")
CASE(store_vector, "str q0, [x0, #16]")
CASE(store_vector_pair, "stp q0, q1, [x0]")
CASE(store_structure, "add x1, x0, #16\n st1 {v0.16b}, [x1]")
CASE(store_released, "add x2, x0, #20\n stlr w1, [x2]")
CASE(exclusive, "add x2, x0, #20\n 1: ldxr w1, [x2]\n stxr w3, w1, [x2]\n cbnz w3, 1b")
CASE(store_then_load, "strb w1, [x0, #21]\n ldrb w1, [x0, #21]")
CASE(load_then_store, "ldrb w1, [x0, #21]\n strb w1, [x0, #21]")
CASE(prefetch, "prfm pldl1keep, [x0, #16]")
CASE(first_of_two, "strb w1, [x0, #21]")
CASE(both_of_two, "strb w1, [x0, #21]\n strb w1, [x0, #22]")
CASE(both_at_once, "str w1, [x0, #20]")
CASE(one_each, "strb w1, [x0, #21]\n ldrb w1, [x0, #22]")
#define STORE_WORD_AT_24 "str w1, [x0, #24]"
#define STORE_BYTE_AT_24 "strb w1, [x0, #24]"
#define LOAD_BYTE_AT_26 "ldrb w1, [x0, #26]"
#endif
CASE(block_at_once, STORE_WORD_AT_24)
CASE(part_of_block, STORE_BYTE_AT_24)
CASE(read_in_block, LOAD_BYTE_AT_26)

static const struct {
  const char *name;
  hil_case_t run;
  uint16_t changed, at;
} cases[] = {
#define ONE(name) {#name, name, 1, AT},
#define TWO(name) {#name, name, 3, AT},
#define FOUR(name) {#name, name, 15, 24},
    ONE(nothing) ONE(load_byte) ONE(load_word) ONE(load_beside) ONE(load_vector) ONE(store_byte)
    ONE(store_word) ONE(store_indexed) ONE(store_beside) ONE(store_vector) ONE(store_then_load)
    ONE(load_then_store) ONE(prefetch)
#if defined(__x86_64__)
    ONE(compare) ONE(store_word_16) ONE(store_quad) ONE(store_vector_aligned) ONE(store_vector_around)
    ONE(store_half_vector) ONE(store_flag) ONE(add_to) ONE(add_byte_to) ONE(increment) ONE(negate) ONE(shift)
    ONE(set_bit) ONE(exchange) ONE(exchange_add) ONE(compare_exchange) ONE(masked) ONE(x87) ONE(copy_from)
    ONE(copy_to) ONE(copy_words_to) ONE(copy_onto_itself) ONE(clear) ONE(clear_one) ONE(pushed)
    ONE(pushed_number) ONE(popped) ONE(called)
#else
    ONE(load_signed) ONE(load_pair) ONE(load_structure) ONE(store_unaligned) ONE(store_scaled)
    ONE(store_extended) ONE(store_before) ONE(store_after) ONE(store_pair) ONE(store_vector_pair)
    ONE(store_structure) ONE(store_released) ONE(exclusive)
#endif
    TWO(first_of_two) TWO(both_of_two) TWO(both_at_once) TWO(one_each)
    FOUR(block_at_once) FOUR(part_of_block) FOUR(read_in_block)
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void run_child(void) {
  (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  for (size_t i = 0; i < CASES; i++) {
    __asm__ volatile(STOP);
    cases[i].run(memory);
  }
  __asm__ volatile(STOP);
  nothing(memory);
  __asm__ volatile(STOP);
  _exit(0);
}

/* Let the child go on behind a stop, on machines where it stands at it. */
static void go_on(hil_worker_t *w, bool over_stop) {
#if defined(__aarch64__)
  struct user_regs_struct regs;
  if (over_stop && registers_get_set(w->pid, false, 1, &regs, sizeof regs) == HIL_OK) {
    regs.pc += 4;
    (void)registers_get_set(w->pid, true, 1, &regs, sizeof regs);
  }
#else
  (void)over_stop;
#endif
  (void)ptrace(PTRACE_CONT, w->pid, NULL, NULL);
}

/* Run to the next STOP, counting stops for what is watched. */
static int run_to_stop(hil_worker_t *w) {
  int status, stops = 0;
  bool executed;
  go_on(w, true);
  for (;;) {
    if (waitpid(w->pid, &status, 0) != w->pid || !WIFSTOPPED(status)) exit(1);
    if (WSTOPSIG(status) != SIGTRAP) exit(2);
    if (!watch_stopped(w, &executed)) return stops;
    stops++;
    go_on(w, false);
  }
}

static void run_cases(hil_worker_t *w) {
  for (size_t i = 0; i < CASES; i++) {
    hil_watch_t watch = {.target = TARGET_STATE, .offset = cases[i].at, .changed = cases[i].changed};
    watch_begin(w, &watch);
    (void)run_to_stop(w);
    watch_end(w);
    printf("probe %s %d %d\n", cases[i].name, watch.first, watch.reason);
  }
}

/* More than there are registers for, and a piece of code. */
static void run_others(hil_worker_t *w) {
  hil_watch_t many[8], code = {.target = TARGET_TEXT, .changed = 1};
  int full = 0;
  watch_begin(w, &code);
  printf("probe code_stops %d 0\n", run_to_stop(w));
  watch_end(w);
  printf("probe code %d %d\n", code.first, code.reason);
  for (size_t i = 0; i < 8; i++) {
    many[i] = (hil_watch_t){.target = TARGET_STATE, .offset = 64 * i, .changed = 1};
    watch_begin(w, &many[i]);
    full += many[i].reason == UNWATCHED_FULL;
  }
  watch_end(w);
  printf("probe many %d %d\n", many[0].first, full);
}

int main(void) {
  static hil_worker_t w;
  static hil_workload_t workload = {.name = "probe", .state_len = LEN};
  char path[32];
  memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (getpid() == 1) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)mount("proc", "/proc", "proc", 0, NULL);
  }
  workload.text_begin = (const uint8_t *)(uintptr_t)nothing;
  workload.text_end = workload.text_begin + 64;
  const pid_t pid = fork();
  if (pid == 0) run_child();
  w.pid = pid;
  w.workload = &workload;
  w.memory.region[0] = memory;
  (void)waitpid(pid, NULL, 0);
  (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
  w.mem_fd = open(path, O_RDWR);
  const hil_debug_capacity_t has = debug_capacity(pid);
  printf("probe capacity %d %d\n", has.data, has.code);
  run_cases(&w);
  run_others(&w);
  (void)kill(pid, SIGKILL);
  if (getpid() == 1) (void)reboot(RB_POWER_OFF);
  return 0;
}
