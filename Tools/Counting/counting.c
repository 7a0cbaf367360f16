#include "counting.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static __thread dpu_counts counts;

void dpu_counting_reset(void) { counts = (dpu_counts){0}; }
dpu_counts dpu_counting_read(void) { return counts; }

#if defined(__GLIBC__)
// glibc's own names for what is interposed here: no look-up, so nothing that could recurse.
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

void *malloc(size_t size) {
  counts.allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  counts.allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
  counts.allocations++;
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  counts.allocations++;
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  counts.allocations++;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  counts.allocations++;
  void *made = __libc_memalign(alignment, size);
  if (made == NULL) return ENOMEM;
  *out = made;
  return 0;
}

void free(void *old) {
  counts.frees++;
  __libc_free(old);
}
#endif

// Swift expects some registers to live through its reference counting on some processors; preserve_most keeps at
// least those on all of them.
#define KEEPS __attribute__((preserve_most))

// The real function behind the one defined here. Two threads that race write the same value.
#define REAL(name, type)                                      \
  static type real;                                           \
  if (real == NULL) real = (type)dlsym(RTLD_NEXT, name)

typedef void *(*maker)(const void *, size_t, size_t);
typedef void *(KEEPS *counted)(void *);
typedef void (KEEPS *uncounted)(void *);
typedef void *(KEEPS *counted_many)(void *, uint32_t);
typedef void (KEEPS *uncounted_many)(void *, uint32_t);

#define RETAIN(name)                 \
  KEEPS void *name(void *object) {   \
    counts.retains++;                \
    REAL(#name, counted);            \
    return real(object);             \
  }
#define RELEASE(name)                \
  KEEPS void name(void *object) {    \
    counts.releases++;               \
    REAL(#name, uncounted);          \
    real(object);                    \
  }

RETAIN(swift_retain)
RETAIN(swift_bridgeObjectRetain)
RETAIN(swift_unknownObjectRetain)
RELEASE(swift_release)
RELEASE(swift_bridgeObjectRelease)
RELEASE(swift_unknownObjectRelease)

KEEPS void *swift_retain_n(void *object, uint32_t times) {
  counts.retains += times;
  REAL("swift_retain_n", counted_many);
  return real(object, times);
}

KEEPS void swift_release_n(void *object, uint32_t times) {
  counts.releases += times;
  REAL("swift_release_n", uncounted_many);
  real(object, times);
}

void *swift_allocObject(const void *metadata, size_t size, size_t alignment) {
  counts.objects++;
  REAL("swift_allocObject", maker);
  return real(metadata, size, alignment);
}
