// DPDK's rte_hash at its best: lock-free readers, bulk lookup, crc32 hash, 48-byte keys, huge pages when the kernel
// gives them. Built by gcc, loaded by the benchmarks.
#define _GNU_SOURCE
#include <rte_config.h>

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_memory.h>
#include <stdint.h>
#include <sys/mman.h>

static int advise(const struct rte_memseg_list *list, void *arg) {
  (void)arg;
  (void)madvise(list->base_va, list->len, MADV_HUGEPAGE);
  return 0;
}

// 0, or what EAL said.
int dpu_peer_hash_start(void) {
  static int started;
  if (started) return 0;
  char *argv[] = {"benchmarks", "--no-huge", "--no-pci", "--no-telemetry", "--no-shconf", "-m", "1536", "-l", "0",
                  "--log-level=4", NULL};
  int result = rte_eal_init(10, argv);
  if (result < 0) return result;
  (void)rte_memseg_list_walk(advise, NULL);
  started = 1;
  return 0;
}

void *dpu_peer_hash_create(const char *name, uint32_t entries) {
  struct rte_hash_parameters parameters = {
      .name = name,
      .entries = entries,
      .key_len = 48,
      .hash_func = rte_hash_crc,
      .socket_id = SOCKET_ID_ANY,
      .extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
  };
  return rte_hash_create(&parameters);
}

// How many of the `count` keys went in.
uint32_t dpu_peer_hash_add(void *hash, const uint8_t *keys, uint32_t count) {
  uint32_t added = 0;
  for (uint32_t i = 0; i < count; i++) added += rte_hash_add_key(hash, keys + 48ul * i) >= 0;
  return added;
}

// Looks `count` keys (a multiple of 32) up in bursts of 32; the sum of the positions found.
uint64_t dpu_peer_hash_lookup(void *hash, const uint8_t *keys, uint32_t count) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < count; i += 32) {
    const void *burst[32];
    int32_t positions[32];
    for (int j = 0; j < 32; j++) burst[j] = keys + 48ul * (i + j);
    rte_hash_lookup_bulk(hash, burst, 32, positions);
    for (int j = 0; j < 32; j++) sum += positions[j] >= 0 ? (uint64_t)positions[j] : 0;
  }
  return sum;
}

void dpu_peer_hash_free(void *hash) { rte_hash_free(hash); }
