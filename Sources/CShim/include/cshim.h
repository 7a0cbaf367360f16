// The instructions Swift has no name for. Header only, no state, nothing that can fail.
#pragma once
#include <stdint.h>
#include "cshim_checksum.h"
#include "cshim_copy.h"
#include "cshim_sharing.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <x86intrin.h>
#endif

#define DPU_PURE static inline __attribute__((always_inline, swift_attr("@_noLocks"), swift_attr("@_noAllocation")))

/// Asks the cache for the line at `p` for reading. Never faults.
DPU_PURE void dpu_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

/// Asks the cache for the line at `p` for writing. Never faults.
DPU_PURE void dpu_prefetch_write(const void *p) { __builtin_prefetch(p, 1, 3); }

/// The time-stamp counter in ticks (x86-64 TSC, arm64 CNTVCT); not serialising.
DPU_PURE uint64_t dpu_ticks(void) {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t v;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
  return v;
#else
  return 0;
#endif
}

/// Tells the core that this is a spin loop.
DPU_PURE void dpu_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// `dpu_match16x8` on lanes that another thread may change: read once, and before everything that comes after.
/// `tags` is aligned to 16 bytes, so that no 16-bit lane is seen half written.
DPU_PURE uint32_t dpu_match16x8_shared(const void *tags, uint16_t tag) {
#if defined(__x86_64__)
  __m128i lanes;
  // Not a C load: the compiler may neither repeat nor move it. x86 itself keeps loads in order.
  __asm__ volatile("movdqa %1, %0" : "=x"(lanes) : "m"(*(const __m128i *)tags) : "memory");
  __m128i eq = _mm_cmpeq_epi16(lanes, _mm_set1_epi16((short)tag));
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
  const uint64_t *t = (const uint64_t *)tags;
  uint32_t bits = 0;
  for (int half = 0; half < 2; half++) {
    uint64_t lanes = __atomic_load_n(t + half, __ATOMIC_ACQUIRE);
    for (int i = 0; i < 4; i++) bits |= (uint32_t)((uint16_t)(lanes >> (16 * i)) == tag) << (4 * half + i);
  }
  return bits;
#endif
}

/// Which of the eight 16-bit lanes at `tags` (16 bytes) equal `tag`: bit i for lane i.
DPU_PURE uint32_t dpu_match16x8(const void *tags, uint16_t tag) {
#if defined(__x86_64__)
  __m128i eq = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)tags), _mm_set1_epi16((short)tag));
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
  const uint16_t *t = (const uint16_t *)tags;
  uint32_t bits = 0;
  for (int i = 0; i < 8; i++) bits |= (uint32_t)(t[i] == tag) << i;
  return bits;
#endif
}
