// The one kernel that is built for more than the baseline: the long run of the Internet checksum. Chosen at run time.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__x86_64__)
/// Whether this machine has AVX2; one load and a test.
static inline __attribute__((always_inline, swift_attr("@_noLocks"), swift_attr("@_noAllocation"))) int
dpu_has_wide_sum(void) {
  return __builtin_cpu_supports("avx2");
}

/// The sum of the 32-bit words of `count` bytes at `bytes`; `count` is a multiple of 32 and at most 2^31. Only where
/// dpu_has_wide_sum says so.
static inline __attribute__((target("avx2"), swift_attr("@_noLocks"), swift_attr("@_noAllocation"))) uint64_t
dpu_wide_sum(const void *bytes, size_t count) {
  const uint8_t *p = (const uint8_t *)bytes, *end = p + count;
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  // Halves of 64-bit lanes are added into whole ones: nothing overflows before 2^32 steps.
  for (; end - p >= 128; p += 128) {
    __m256i v0 = _mm256_loadu_si256((const __m256i *)p), v1 = _mm256_loadu_si256((const __m256i *)(p + 32));
    __m256i v2 = _mm256_loadu_si256((const __m256i *)(p + 64)), v3 = _mm256_loadu_si256((const __m256i *)(p + 96));
    a = _mm256_add_epi64(a, _mm256_add_epi64(_mm256_and_si256(v0, low), _mm256_srli_epi64(v0, 32)));
    b = _mm256_add_epi64(b, _mm256_add_epi64(_mm256_and_si256(v1, low), _mm256_srli_epi64(v1, 32)));
    c = _mm256_add_epi64(c, _mm256_add_epi64(_mm256_and_si256(v2, low), _mm256_srli_epi64(v2, 32)));
    d = _mm256_add_epi64(d, _mm256_add_epi64(_mm256_and_si256(v3, low), _mm256_srli_epi64(v3, 32)));
  }
  for (; p != end; p += 32) {
    __m256i v = _mm256_loadu_si256((const __m256i *)p);
    a = _mm256_add_epi64(a, _mm256_add_epi64(_mm256_and_si256(v, low), _mm256_srli_epi64(v, 32)));
  }
  a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  __m128i s = _mm_add_epi64(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  return (uint64_t)_mm_cvtsi128_si64(s) + (uint64_t)_mm_extract_epi64(s, 1);
}
#else
/// Elsewhere the baseline is wide enough.
static inline __attribute__((always_inline, swift_attr("@_noLocks"), swift_attr("@_noAllocation"))) int
dpu_has_wide_sum(void) {
  return 0;
}

/// Never called where dpu_has_wide_sum says no.
static inline __attribute__((swift_attr("@_noLocks"), swift_attr("@_noAllocation"))) uint64_t
dpu_wide_sum(const void *bytes, size_t count) {
  uint64_t sum = 0;
  for (size_t at = 0; at < count; at += 4) {
    uint32_t word;
    memcpy(&word, (const uint8_t *)bytes + at, 4);
    sum += word;
  }
  return sum;
}
#endif
