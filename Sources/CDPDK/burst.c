// Bursts: frames of mbufs, and mbufs of frames.
#include <string.h>

#include "internal.h"

enum { most = 64 };

// A thread that EAL does not know has no cache of mbufs: it is made known once.
static inline void enroll(void) {
  static _Thread_local int asked;
  if (rte_lcore_id() == LCORE_ID_ANY && !asked) {
    asked = 1;
    (void)rte_thread_register();
  }
}

static inline uint8_t state(uint64_t flags, uint64_t good, uint64_t bad) {
  // Both bits together say that the field holds a partial sum: not known.
  uint64_t both = flags & (good | bad);
  return both == good ? 1 : both == bad ? 2 : 0;
}

int dpu_dpdk_receive(uint16_t port, uint16_t queue, struct dpu_dpdk_frame *frames, int32_t count, uint64_t *too_long) {
  struct rte_mbuf *mbufs[most];
  enroll();
  uint16_t got = rte_eth_rx_burst(port, queue, mbufs, (uint16_t)(count < most ? count : most));
  int used = 0;
  for (uint16_t i = 0; i < got; i++) {
    struct rte_mbuf *mbuf = mbufs[i];
    if (i + 4 < got) rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 4], void *));
    if (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED && rte_vlan_insert(&mbuf) != 0) {
      rte_pktmbuf_free(mbuf);
      *too_long += 1;
      continue;
    }
    if (mbuf->nb_segs > 1 && rte_pktmbuf_linearize(mbuf) != 0) {
      rte_pktmbuf_free(mbuf);
      *too_long += 1;
      continue;
    }
    struct dpu_dpdk_frame *frame = &frames[used++];
    uint64_t flags = mbuf->ol_flags;
    frame->address = (uint64_t)(uintptr_t)rte_pktmbuf_mtod(mbuf, uint8_t *);
    // Between rings of one process an mbuf may come from another port's pool.
    frame->owner = *(uint32_t *)rte_mbuf_to_priv(mbuf) >> 24;
    frame->index = *(uint32_t *)rte_mbuf_to_priv(mbuf) & 0xffffff;
    frame->length = rte_pktmbuf_data_len(mbuf);
    frame->headroom = (uint16_t)(rte_pktmbuf_headroom(mbuf) + dpu_front);
    frame->tailroom = rte_pktmbuf_tailroom(mbuf);
    frame->ip_checksum = state(flags, RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD);
    frame->l4_checksum = state(flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD);
    frame->has_hash = (flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
    frame->hash = mbuf->hash.rss;
    frame->has_mark = (flags & RTE_MBUF_F_RX_FDIR_ID) != 0;
    frame->mark = mbuf->hash.fdir.hi;
  }
  return used;
}

// The frame's own mbuf, made to say where the frame is now; NULL when the frame is in no mbuf, or has grown out of it.
static inline struct rte_mbuf *own(const struct dpu_dpdk_frame *frame) {
  struct dpu_pool *pool = &dpu_pools[frame->owner];
  if (frame->index >= pool->count) return NULL;
  struct rte_mbuf *mbuf = pool->table[frame->index];
  uint64_t base = (uint64_t)(uintptr_t)mbuf->buf_addr;
  if (frame->address < base || frame->address + frame->length > base + mbuf->buf_len) return NULL;
  if (rte_mbuf_refcnt_read(mbuf) != 1 || mbuf->nb_segs != 1) return NULL;
  mbuf->data_off = (uint16_t)(frame->address - base);
  mbuf->data_len = frame->length;
  mbuf->pkt_len = frame->length;
  mbuf->ol_flags = 0;
  mbuf->tx_offload = 0;
  return mbuf;
}

void dpu_dpdk_send(uint16_t port, uint16_t queue, struct dpu_dpdk_frame *frames, int32_t count) {
  struct rte_mbuf *mbufs[most];
  uint8_t places[most];
  uint16_t used = 0;
  enroll();
  struct rte_mempool *copies = dpu_pools[dpu_port_owner(port)].mempool;
  if (!copies) {
    for (int32_t i = 0; i < count; i++) frames[i].fate = DPU_DPDK_NO_BUFFER;
    return;
  }
  for (int32_t i = 0; i < count && i < most; i++) {
    struct dpu_dpdk_frame *frame = &frames[i];
    struct rte_mbuf *mbuf = own(frame);
    frame->fate = DPU_DPDK_TAKEN;
    if (!mbuf) {
      mbuf = rte_pktmbuf_alloc(copies);
      if (!mbuf) {
        frame->fate = DPU_DPDK_NO_BUFFER;
        continue;
      }
      char *to = rte_pktmbuf_append(mbuf, frame->length);
      if (!to) {
        rte_pktmbuf_free(mbuf);
        frame->fate = DPU_DPDK_TOO_LONG;
        continue;
      }
      memcpy(to, (const void *)(uintptr_t)frame->address, frame->length);
      frame->fate = DPU_DPDK_SENT;
    }
    places[used] = (uint8_t)i;
    mbufs[used++] = mbuf;
  }
  uint16_t sent = 0;
  while (sent < used) {
    uint16_t taken = rte_eth_tx_burst(port, queue, mbufs + sent, (uint16_t)(used - sent));
    if (taken == 0) break;
    sent += taken;
  }
  for (uint16_t i = sent; i < used; i++) {
    struct dpu_dpdk_frame *frame = &frames[places[i]];
    frame->fate = frame->fate == DPU_DPDK_TAKEN ? DPU_DPDK_FULL_TAKEN : DPU_DPDK_FULL;
    rte_pktmbuf_free(mbufs[i]);
  }
}
