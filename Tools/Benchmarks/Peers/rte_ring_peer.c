// DPDK's rte_ring, single producer and single consumer, between two pinned threads. Built by gcc, loaded by the
// benchmarks. The ring lies in plain memory: rte_ring_init needs no EAL.
#define _GNU_SOURCE
#include <rte_config.h>

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#define BURST 32

struct run {
  struct rte_ring *ring;
  uint64_t count;
  int cpu;
};

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *produce(void *argument) {
  struct run *run = argument;
  void *burst[BURST];
  pin(run->cpu);
  for (uint64_t next = 1; next <= run->count;) {
    for (int i = 0; i < BURST; i++) burst[i] = (void *)(uintptr_t)(next + i);
    unsigned went = rte_ring_sp_enqueue_burst(run->ring, burst, BURST, NULL);
    if (went == 0) rte_pause();
    next += went;
  }
  return NULL;
}

static void *consume(void *argument) {
  struct run *run = argument;
  void *burst[BURST];
  uint64_t expected = 1, wrong = 0;
  pin(run->cpu);
  while (expected <= run->count) {
    unsigned came = rte_ring_sc_dequeue_burst(run->ring, burst, BURST, NULL);
    if (came == 0) rte_pause();
    for (unsigned i = 0; i < came; i++) wrong += (uintptr_t)burst[i] != expected + i;
    expected += came;
  }
  run->count = wrong;
  return NULL;
}

// Passes `count` (a multiple of 32) values from a thread on CPU `from` to one on CPU `to` through a ring of `size` (a
// power of two). The ticks it took, or 0 when values were wrong. The caller's own CPUs stay what they are.
uint64_t dpu_peer_ring(uint64_t count, unsigned size, int from, int to) {
  struct rte_ring *ring = NULL;
  if (posix_memalign((void **)&ring, RTE_CACHE_LINE_SIZE, rte_ring_get_memsize(size)) != 0) return 0;
  if (rte_ring_init(ring, "bench", size, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) return 0;
  struct run in = {ring, count, from}, out = {ring, count, to};
  pthread_t producer, consumer;
  uint64_t start = rte_rdtsc();
  if (pthread_create(&producer, NULL, produce, &in) != 0) return 0;
  if (pthread_create(&consumer, NULL, consume, &out) != 0) return 0;
  pthread_join(consumer, NULL);
  uint64_t took = rte_rdtsc() - start;
  pthread_join(producer, NULL);
  free(ring);
  return out.count ? 0 : took;
}
