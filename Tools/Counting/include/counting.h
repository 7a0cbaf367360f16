// Counts what the hot path must not do. Linked into a test program, this takes the place of malloc and of Swift's
// reference counting there, counts each call of the thread, and goes on to the real one.
#pragma once
#include <stdint.h>

/// What one thread did since ``dpu_counting_reset``.
typedef struct {
  /// Calls of malloc, calloc, realloc and their aligned kin.
  uint64_t allocations;
  /// Calls of free.
  uint64_t frees;
  /// Retains, of every kind.
  uint64_t retains;
  /// Releases, of every kind.
  uint64_t releases;
  /// Objects made.
  uint64_t objects;
} dpu_counts;

/// Sets the counts of this thread to zero.
void dpu_counting_reset(void);

/// The counts of this thread.
dpu_counts dpu_counting_read(void);
