/* What a worker has beside its regions. SPDX-License-Identifier: Apache-2.0
 *
 * A worker is a clone of the agent, and so has a copy of all that the agent has. What an experiment wrote there
 * would be found by the next one, and what it read there would differ from run to run: buffers, process numbers,
 * the environment, the time. So a worker, before its first step, takes leave of all that:
 *
 *   data of the program   as it was when the program began, less addresses of what is not there; read-only
 *   constants             less such addresses, too: they are read-only anyway
 *   stack, heap           every access is a crash
 *   clocks                removed with the code that reads them, where the system allows it
 *
 * Where the C library is a shared one its data are as the agent has them, and read-only. Its functions must have been
 * bound when the program began (-z now, as CMakeLists.txt has it): a worker cannot note where they are. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#endif

#include "port_linux.h"

enum { RANGES_MAX = 64, WORDS_MAX = 64, CONSTANTS_MAX = 8, MAPS_MAX = 1 << 15 /* [byte] */ };

typedef enum { MAKE_READ_ONLY, FORBID, REMOVE } hil_seal_action_t;

#if defined(HIL_SANITIZED)
enum { SANITIZED = 1 }; /* its shadow memory is written in every step: such a worker is not sealed */
#else
enum { SANITIZED = 0 };
#endif

typedef struct {
  uintptr_t begin, end;
  hil_seal_action_t action;
} hil_seal_range_t;

/* Pages of the program before its data: what it has made read-only, or could have. */
typedef struct {
  uintptr_t begin, end;
} hil_seal_constants_t;

/* What a worker is to do. */
typedef struct {
  bool is_known;
  int count;
  hil_seal_range_t range[RANGES_MAX];
  uint8_t *image; /* of the program's data when it began; NULL: there is none */
  uintptr_t data_begin, data_end;
  int constants_count;
  hil_seal_constants_t constants[CONSTANTS_MAX];
  int words;
  uintptr_t word[WORDS_MAX]; /* addresses in these constants that hold addresses of what is not there */
} hil_seal_plan_t;

static hil_seal_plan_t plan;

extern const char etext[], end[]; /* of the program, as every linker defines them */

/* --- what there is --------------------------------------------------------------------------------------- */

typedef struct {
  uintptr_t begin, end;
  bool can_read, can_write, is_private;
  char name[16]; /* its first letters; empty: none */
} hil_mapping_t;

static bool parse_mapping(const char *line, hil_mapping_t *out) {
  uint64_t begin, last;
  char may[5];
  out->name[0] = 0;
  if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s%*[ ]%15[^\n]", &begin, &last, may, out->name) <
      3) {
    return false;
  }
  out->begin = (uintptr_t)begin;
  out->end = (uintptr_t)last;
  out->can_read = may[0] == 'r';
  out->can_write = may[1] == 'w';
  out->is_private = may[3] == 'p';
  return true;
}

/* All of a file as a text, or false. */
static bool read_text(const char *path, char *out, size_t cap) {
  size_t len = 0;
  ssize_t got = 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  while (len + 1u < cap && (got = read(fd, out + len, cap - 1u - len)) > 0) len += (size_t)got;
  (void)close(fd);
  out[len] = 0;
  return got == 0;
}

static char maps[MAPS_MAX];

static bool read_maps(void) {
  errno = ENOMEM; /* unless the system says another reason */
  return read_text("/proc/self/maps", maps, sizeof maps);
}

/* The line after this one of |maps|; NULL after the last. */
static const char *next_line(const char *line) {
  const char *feed = strchr(line, '\n');
  return feed && feed[1] ? feed + 1 : NULL;
}

static bool is_clock(const hil_mapping_t *m) {
  return strncmp(m->name, "[vdso", 5) == 0 || strncmp(m->name, "[vvar", 5) == 0;
}

static bool is_static(void) { return getauxval(AT_BASE) == 0; }

/* Whether a worker has nothing of a mapping that can be written. Parts of a shared library have no name, either. */
static bool is_forbidden(const hil_mapping_t *m) {
  return strcmp(m->name, "[stack]") == 0 || strcmp(m->name, "[heap]") == 0 || is_static();
}

static bool add(uintptr_t begin, uintptr_t last, hil_seal_action_t action) {
  if (begin >= last) return true;
  if (plan.count == RANGES_MAX) return false;
  plan.range[plan.count++] = (hil_seal_range_t){begin, last, action};
  return true;
}

/* Whether it is of the program, and before its data. */
static bool is_before_data(const hil_mapping_t *m) {
  return m->is_private && m->begin >= (uintptr_t)etext && m->end <= plan.data_begin;
}

/* Whether there was room. */
static bool add_mapping(const hil_mapping_t *m, uintptr_t arena, size_t arena_len) {
  if (is_clock(m)) return add(m->begin, m->end, REMOVE);
  if (!m->can_write || (m->begin >= arena && m->begin < arena + arena_len)) return true;
  if (is_before_data(m)) return add(m->begin, m->end, MAKE_READ_ONLY);
  uintptr_t begin = m->begin;
  if (m->begin < plan.data_end &&
      m->end > plan.data_begin) { /* the heap may be one with the data before it */
    begin = plan.data_end;
    if (!plan.image && !add(m->begin, m->end < begin ? m->end : begin, MAKE_READ_ONLY)) return false;
  }
  return add(begin, m->end, is_forbidden(m) ? FORBID : MAKE_READ_ONLY);
}

bool seal_find(const uint8_t *arena, size_t arena_len) {
  hil_mapping_t m;
  plan.count = 0;
  plan.is_known = read_maps();
  for (const char *line = maps; plan.is_known && line; line = next_line(line)) {
    plan.is_known = parse_mapping(line, &m) && add_mapping(&m, (uintptr_t)arena, arena_len);
  }
  return plan.is_known;
}

/* --- as the program began -------------------------------------------------------------------------------- */

/* Whether a word is an address of what a worker has not, or a number that the system has drawn for this process. */
static bool is_of_this_run(uintptr_t word) {
  uintptr_t drawn[2] = {0, 0};
  const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
  if (!word) return false;
  if (random) memcpy(drawn, random, sizeof drawn);
  if (word == drawn[0] || word == drawn[1] || word == (drawn[0] & ~(uintptr_t)0xff)) return true;
  for (int i = 0; i < plan.count; i++) {
    const hil_seal_range_t *r = &plan.range[i];
    if (r->action != MAKE_READ_ONLY && word >= r->begin && word <= r->end) return true;
  }
  return false;
}

/* The program's data, which can be written: the last of its mappings that follow one another without a gap. Some
 * linkers leave one before what is read-only after the start, and some systems show it as a mapping without access. */
static bool find_data(void) {
  hil_mapping_t m;
  uintptr_t last = 0;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (const char *line = maps; line; line = next_line(line)) {
    if (!parse_mapping(line, &m)) return false;
    if (!m.is_private || m.begin < (uintptr_t)etext || m.begin >= (uintptr_t)end) continue;
    if (m.can_read && m.can_write && m.begin != last) plan.data_begin = m.begin;
    if (m.can_read && m.can_write) last = m.end;
  }
  plan.data_end = ((uintptr_t)end + page - 1u) / page * page;
  return plan.data_begin != 0 && last >= plan.data_end;
}

/* The constants: all before the data that can be written, and the last pages that cannot. */
static bool find_constants(void) {
  hil_mapping_t m;
  hil_seal_constants_t fixed = {0, 0};
  for (const char *line = maps; line; line = next_line(line)) {
    if (!parse_mapping(line, &m)) return false;
    if (!m.can_read || !is_before_data(&m)) continue;
    if (!m.can_write) {
      fixed = (hil_seal_constants_t){m.begin, m.end};
      continue;
    }
    if (plan.constants_count == CONSTANTS_MAX - 1) return false;
    plan.constants[plan.constants_count++] = (hil_seal_constants_t){m.begin, m.end};
  }
  if (fixed.begin) plan.constants[plan.constants_count++] = fixed;
  return true;
}

static void find_words(void) {
  for (int i = 0; i < plan.constants_count; i++) {
    const hil_seal_constants_t *part = &plan.constants[i];
    for (uintptr_t at = part->begin; at < part->end; at += sizeof at) {
      if (is_of_this_run(*(const uintptr_t *)at) && plan.words < WORDS_MAX) plan.word[plan.words++] = at;
    }
  }
}

/* Only pages that hold anything come to exist in the image. */
static void copy_data(uint8_t *image) {
  const size_t len = plan.data_end - plan.data_begin;
  for (size_t i = 0; i < len; i += sizeof(uintptr_t)) {
    const uintptr_t word = *(const uintptr_t *)(plan.data_begin + i);
    if (word && !is_of_this_run(word)) memcpy(image + i, &word, sizeof word);
  }
}

/* The variables of this file are not among what was there when the program began. */
static void remove_own(uint8_t *image) {
  memset(image + ((uintptr_t)maps - plan.data_begin), 0, sizeof maps);
  memset(image + ((uintptr_t)&plan - plan.data_begin), 0, sizeof plan);
}

void seal_begin(void) {
  if (SANITIZED || !read_maps() || !find_data() || !find_constants() || !seal_find(NULL, 0)) return;
  const size_t len = plan.data_end - plan.data_begin;
  uint8_t *image = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (image == MAP_FAILED) return;
  find_words();
  copy_data(image);
  remove_own(image);
  if (mprotect(image, len, PROT_READ) == 0) plan.image = image;
}

/* --- in the worker --------------------------------------------------------------------------------------- */

/* The system writes into the data of a thread that has registered a restartable sequence, as the C library
 * does, whenever it runs on another core: that must end before this data cannot be written. It ends only for
 * the length that was registered, which the C library does not say. */
static bool leave_rseq(void) {
#if defined(RSEQ_SIG)
  enum { SHORTEST = 32, LONGEST = 512, STEP = 4 }; /* [byte] the first by every C library so far */
  if (!__rseq_size) return true;
  char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
  for (unsigned len = SHORTEST; len <= LONGEST; len += STEP) {
    if (syscall(SYS_rseq, area, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0) return true;
  }
  return false;
#else
  return true;
#endif
}

/* No clock: to read it by an instruction is a crash, and what reads it for the C library is not there. */
static void leave_clocks(const hil_seal_plan_t *p) {
#ifdef PR_SET_TSC
  (void)prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
#endif
  for (int i = 0; i < p->count; i++) {
    if (p->range[i].action != REMOVE) continue;
    (void)munmap((void *)p->range[i].begin, p->range[i].end - p->range[i].begin); /* some systems forbid it */
  }
}

static bool permit(const hil_seal_plan_t *p, int access) {
  for (int i = 0; i < p->constants_count; i++) {
    const hil_seal_constants_t *part = &p->constants[i];
    if (mprotect((void *)part->begin, part->end - part->begin, access) != 0) return false;
  }
  return true;
}

static bool clear_words(const hil_seal_plan_t *p) {
  if (!p->words) return true;
  if (!permit(p, PROT_READ | PROT_WRITE)) return false;
  for (int i = 0; i < p->words; i++) *(uintptr_t *)p->word[i] = 0;
  return permit(p, PROT_READ);
}

static bool begin_data_again(const hil_seal_plan_t *p) {
  const size_t len = p->data_end - p->data_begin;
  void *data = (void *)p->data_begin;
  return mremap(p->image, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, data) == data;
}

/* From the last of these on nothing may need data of the C library: also no errno. */
int seal_worker(void) {
  if (SANITIZED) return 0;
  const hil_seal_plan_t p = plan; /* on the stack, for the program's data are replaced */
  if (!p.is_known) return ENOSYS;
  if (!leave_rseq()) return errno;
  leave_clocks(&p);
  if (p.image && (!clear_words(&p) || !begin_data_again(&p))) return errno;
  for (int i = 0; i < p.count; i++) {
    if (p.range[i].action == REMOVE) continue;
    const int may = p.range[i].action == FORBID ? PROT_NONE : PROT_READ;
    if (syscall(SYS_mprotect, p.range[i].begin, p.range[i].end - p.range[i].begin, may) != 0) return errno;
  }
  return 0;
}
