// A port's mbufs.
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

struct dpu_pool dpu_pools[256];

static void number(struct rte_mempool *mempool, void *cookie, void *object, unsigned place) {
  (void)mempool;
  struct dpu_pool *pool = cookie;
  struct rte_mbuf *mbuf = object;
  *(uint32_t *)rte_mbuf_to_priv(mbuf) = (uint32_t)(pool - dpu_pools) << 24 | place;
  if (place < pool->count) pool->table[place] = mbuf;
}

int dpu_pool_make(uint8_t owner, uint32_t count, uint16_t room, int socket) {
  struct dpu_pool *pool = &dpu_pools[owner];
  if (pool->mempool) return -EBUSY;
  static uint32_t serial;
  char name[32];
  snprintf(name, sizeof name, "dpu_%u_%u", owner, __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
  pool->table = calloc(count, sizeof *pool->table);
  if (!pool->table) return -ENOMEM;
  pool->count = count;
  pool->mempool =
      rte_pktmbuf_pool_create(name, count, 256, dpu_private, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), socket);
  if (!pool->mempool) {
    free(pool->table);
    pool->table = NULL;
    return -(rte_errno ? rte_errno : ENOMEM);
  }
  rte_mempool_obj_iter(pool->mempool, number, pool);
  return 0;
}

void dpu_pool_drop(uint8_t owner) {
  struct dpu_pool *pool = &dpu_pools[owner];
  if (!pool->mempool) return;
  // With frames out their memory has to stay; nobody counts on it again.
  if (rte_mempool_full(pool->mempool)) {
    rte_mempool_free(pool->mempool);
    free(pool->table);
  }
  *pool = (struct dpu_pool){0};
}

void dpu_dpdk_recycle(uint8_t owner, uint32_t index) {
  struct dpu_pool *pool = &dpu_pools[owner];
  if (index < pool->count) rte_pktmbuf_free(pool->table[index]);
}

uint32_t dpu_dpdk_available(uint8_t owner) {
  return dpu_pools[owner].mempool ? rte_mempool_avail_count(dpu_pools[owner].mempool) : 0;
}
