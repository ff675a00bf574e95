/* Runs as the first process of a machine with SVE: whether the registers of a process that uses it are kept,
 * put back and flipped whole. Prints "probe NAME VALUE" lines. SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"

enum { REGISTER = 31, BYTE = 5, MASK = 0x10 };

static hil_registers_t first, now;

/* A stop with patterns in vectors and predicates, and one with others. */
static void run_child(void) {
  (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  __asm__ volatile(
      ".arch armv8.2-a+sve\n"
      "ptrue p0.b\n index z0.b, #3, #7\n index z31.b, #5, #9\n pfalse p3.b\n setffr\n brk #0\n"
      "mov z0.b, #0\n mov z31.b, #1\n ptrue p3.b\n brk #1\n" ::
          : "memory");
  _exit(0);
}

static void next_stop(hil_worker_t *w) {
  hil_arch_regs_t regs;
  (void)registers_get_general(w, &regs);
  regs.pc += 4;
  (void)registers_set_general(w, &regs);
  (void)ptrace(PTRACE_CONT, w->pid, NULL, NULL);
  (void)waitpid(w->pid, NULL, 0);
}

static size_t differences(void) {
  size_t count = 0;
  for (size_t i = 0; i < first.extended_len; i++) count += first.extended[i] != now.extended[i];
  return first.extended_len == now.extended_len ? count : SIZE_MAX;
}

static void probe(hil_worker_t *w) {
  hil_arch_fpregs_t vectors;
  struct iovec io = {&vectors, sizeof vectors};
  (void)waitpid(w->pid, NULL, 0);
  printf("probe read %d\n", registers_get(w, &first));
  printf("probe set %d\n", first.extended_set);
  printf("probe length %d\n", first.extended[8] + 256 * first.extended[9]);
  next_stop(w);
  (void)registers_get(w, &now);
  printf("probe changed %d\n", differences() > 0);
  printf("probe write %d\n", registers_set(w, &first));
  (void)registers_get(w, &now);
  printf("probe left %zu\n", differences());
  (void)ptrace(PTRACE_GETREGSET, w->pid, (void *)(intptr_t)NT_PRFPREG, &io);
  const uint8_t before = ((const uint8_t *)&vectors.vregs[REGISTER])[BYTE];
  printf("probe flip %d\n", registers_flip_vector(w, &first, 16 * REGISTER + BYTE, MASK));
  (void)registers_get(w, &now);
  printf("probe flipped %zu\n", differences());
  (void)ptrace(PTRACE_GETREGSET, w->pid, (void *)(intptr_t)NT_PRFPREG, &io);
  printf("probe bits %d\n", ((const uint8_t *)&vectors.vregs[REGISTER])[BYTE] ^ before);
}

int main(void) {
  hil_worker_t w;
  memset(&w, 0, sizeof w);
  w.pid = fork();
  if (w.pid == 0) run_child();
  probe(&w);
  printf("probe end 0\n");
  (void)fflush(stdout);
  (void)kill(w.pid, SIGKILL);
  (void)reboot(RB_POWER_OFF);
  return 0;
}
