/* The memory that the worker of a campaign can write. SPDX-License-Identifier: Apache-2.0
 *
 * All of it is shared with the agent, which saves, compares and restores it without a system call. Pages that
 * the fault-free step never touches do not exist: whether an experiment has made one is asked of the system
 * (mincore), for there is no way to write into a page without making it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "campaign.h"

/* Which pages of a slot exist. */
static int residency(const hil_image_pages_t *p, size_t slot, uint8_t out[IMAGE_SLOT_PAGES_MAX]) {
  return mincore(p->slot[slot], p->slot_len[slot], out) == 0 ? HIL_OK : HIL_ERR_IO;
}

int image_find_pages(hil_image_pages_t *p) {
  p->page_len = (size_t)sysconf(_SC_PAGESIZE);
  p->count = 0;
  for (size_t slot = 0; slot < IMAGE_SLOTS; slot++) {
    p->slot_pages[slot] = p->slot_len[slot] / p->page_len;
    if (p->slot_pages[slot] > IMAGE_SLOT_PAGES_MAX) return HIL_ERR_EXHAUSTED;
    if (residency(p, slot, p->present[slot]) != HIL_OK) return HIL_ERR_IO;
    for (size_t i = 0; i < p->slot_pages[slot]; i++) {
      p->present[slot][i] &= 1u;
      if (!p->present[slot][i]) continue;
      if (p->count == IMAGE_PAGES_MAX) return HIL_ERR_EXHAUSTED;
      p->page[p->count++] = p->slot[slot] + i * p->page_len;
    }
  }
  return HIL_OK;
}

void image_save(const hil_image_pages_t *p, uint8_t *copy) {
  for (size_t i = 0; i < p->count; i++) memcpy(copy + i * p->page_len, p->page[i], p->page_len);
}

static int remove_page(uint8_t *page, size_t len) {
  return madvise(page, len, MADV_REMOVE) == 0 ? HIL_OK : HIL_ERR_IO;
}

/* Remove the pages that a wild access has made. */
static int remove_new_pages(const hil_image_pages_t *p) {
  uint8_t now[IMAGE_SLOT_PAGES_MAX];
  for (size_t slot = 0; slot < IMAGE_SLOTS; slot++) {
    if (residency(p, slot, now) != HIL_OK) return HIL_ERR_IO;
    for (size_t i = 0; i < p->slot_pages[slot]; i++) {
      if (!(now[i] & 1u) || p->present[slot][i]) continue;
      if (remove_page(p->slot[slot] + i * p->page_len, p->page_len) != HIL_OK) return HIL_ERR_IO;
    }
  }
  return HIL_OK;
}

int image_restore(const hil_image_pages_t *p, const uint8_t *copy) {
  for (size_t i = 0; i < p->count; i++) {
    const uint8_t *was = copy + i * p->page_len;
    if (memcmp(p->page[i], was, p->page_len) != 0) memcpy(p->page[i], was, p->page_len);
  }
  return remove_new_pages(p);
}

static bool has_new_pages(const hil_image_pages_t *p) {
  uint8_t now[IMAGE_SLOT_PAGES_MAX];
  for (size_t slot = 0; slot < IMAGE_SLOTS; slot++) {
    if (residency(p, slot, now) != HIL_OK) return true;
    for (size_t i = 0; i < p->slot_pages[slot]; i++) {
      if ((now[i] & 1u) && !p->present[slot][i]) return true;
    }
  }
  return false;
}

bool image_is_as(const hil_image_pages_t *p, const uint8_t *copy) {
  for (size_t i = 0; i < p->count; i++) {
    if (memcmp(p->page[i], copy + i * p->page_len, p->page_len) != 0) return false;
  }
  return !has_new_pages(p);
}

const uint8_t *image_at(const hil_image_pages_t *p, const uint8_t *copy, const uint8_t *address) {
  for (size_t i = 0; i < p->count; i++) {
    if (address >= p->page[i] && address < p->page[i] + p->page_len) {
      return copy + i * p->page_len + (address - p->page[i]);
    }
  }
  return NULL;
}

uint8_t *image_copy_new(const hil_image_pages_t *p) {
  void *copy = mmap(NULL, p->count * p->page_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return copy == MAP_FAILED ? NULL : copy;
}

void image_copy_free(const hil_image_pages_t *p, uint8_t *copy) {
  if (copy) (void)munmap(copy, p->count * p->page_len);
}
