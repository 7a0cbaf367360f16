// Copies between our memory and memory that another process may write meanwhile: every byte is read once, and what was
// copied is what later code sees.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// Copies `count` bytes; `to` and `from` do not overlap. The compiler may not read `from` again afterwards.
static inline __attribute__((always_inline, swift_attr("@_noLocks"), swift_attr("@_noAllocation"))) void
dpu_copy_once(void *to, const void *from, size_t count) {
  typedef struct { uint64_t low, high; } __attribute__((packed, may_alias)) pair;
  char *t = (char *)to;
  const char *f = (const char *)from;
  if (count >= 16 && count <= 256) {
    // Whole blocks of 16, and the last 16 bytes once more, overlapping.
    pair last = *(const pair *)(f + count - 16);
    for (size_t at = 0; at + 16 < count; at += 16) *(pair *)(t + at) = *(const pair *)(f + at);
    *(pair *)(t + count - 16) = last;
  } else
    memcpy(t, f, count);
  __asm__ volatile("" ::: "memory");
}
