/* Frames between mbufs and the device. */
#include "shim.h"

#include <rte_net.h>

/* Where a frame of several segments or of a shared buffer is brought together. */
static int staged(struct shim_device *device, struct rte_mbuf *m, struct net_dpu_buffer *out) {
  if (m->pkt_len > 65535)
    return 0;
  const uint8_t *all = rte_pktmbuf_read(m, 0, m->pkt_len, device->staging + RTE_PKTMBUF_HEADROOM);
  if (all == NULL)
    return 0;
  if (all != device->staging + RTE_PKTMBUF_HEADROOM)
    memcpy(device->staging + RTE_PKTMBUF_HEADROOM, all, m->pkt_len);
  out->cookie = NULL;
  out->buffer = device->staging;
  out->room = SHIM_STAGING;
  out->start = RTE_PKTMBUF_HEADROOM;
  out->length = m->pkt_len;
  return 1;
}

static void describe(struct rte_mbuf *m, struct net_dpu_buffer *out) {
  out->cookie = m;
  out->buffer = m->buf_addr;
  out->room = m->buf_len;
  out->start = m->data_off;
  out->length = m->data_len;
}

/* An mbuf's Tx flags in our words. */
static void debts(const struct rte_mbuf *m, struct net_dpu_sent *out) {
  uint64_t flags = m->ol_flags;
  out->flags = 0;
  if ((flags & RTE_MBUF_F_TX_OFFLOAD_MASK) == 0)
    return;
  uint32_t outer = 0;
  if (flags & (RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_OUTER_IP_CKSUM | RTE_MBUF_F_TX_OUTER_UDP_CKSUM)) {
    outer = m->outer_l2_len + m->outer_l3_len;
    out->outer_l3 = m->outer_l2_len;
    out->outer_l4 = (uint16_t)outer;
  }
  out->l3 = (uint16_t)(outer + m->l2_len);
  out->l4 = (uint16_t)(outer + m->l2_len + m->l3_len);
  out->headers = (uint16_t)(out->l4 + m->l4_len);
  out->segment_size = m->tso_segsz;
  if (outer != 0) {
    /* l2_len covers the tunnel's headers and the inner Ethernet header. */
    out->flags |= NET_DPU_IS_TUNNEL;
    out->inner_l2 = out->l3 >= 14 ? (uint16_t)(out->l3 - 14) : 0;
  }
  if (flags & RTE_MBUF_F_TX_IP_CKSUM)
    out->flags |= NET_DPU_OWES_IPV4;
  if (flags & RTE_MBUF_F_TX_OUTER_IP_CKSUM)
    out->flags |= NET_DPU_OWES_OUTER_IPV4;
  if (flags & RTE_MBUF_F_TX_OUTER_UDP_CKSUM)
    out->flags |= NET_DPU_OWES_OUTER_UDP;
  if (flags & RTE_MBUF_F_TX_TCP_SEG)
    out->flags |= NET_DPU_OWES_TSO | NET_DPU_OWES_TCP;
  else if (flags & RTE_MBUF_F_TX_UDP_SEG)
    out->flags |= NET_DPU_OWES_USO | NET_DPU_OWES_UDP;
  else if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
    out->flags |= NET_DPU_OWES_TCP;
  else if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM)
    out->flags |= NET_DPU_OWES_UDP;
}

static void send_one(struct shim_device *device, uint16_t port, uint64_t now, struct rte_mbuf *m) {
  struct net_dpu_sent sent = {0};
  debts(m, &sent);
  int is_whole = m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && !RTE_MBUF_HAS_EXTBUF(m) && rte_mbuf_refcnt_read(m) == 1;
  if (is_whole) {
    describe(m, &sent.buffer);
    net_dpu_send(device->model, port, now, &sent, 1);
    return;
  }
  if (staged(device, m, &sent.buffer)) {
    sent.flags |= NET_DPU_STAGED;
    net_dpu_send(device->model, port, now, &sent, 1);
  } else {
    device->port[port]->refused++;
  }
  rte_pktmbuf_free(m);
}

/* Raises what befell the device at each of its ports. */
void shim_tell(void *opaque) {
  struct shim_device *device = opaque;
  enum rte_eth_event_type event = device->state == NET_DPU_REMOVED ? RTE_ETH_EVENT_INTR_RMV : RTE_ETH_EVENT_INTR_RESET;
  for (unsigned p = 0; p < device->ports; p++)
    if (device->port[p]->ethdev != NULL)
      rte_eth_dev_callback_process(device->port[p]->ethdev, event, NULL);
}

/* Lets the device work on what its queues hold, when no other thread does already. Nobody waits here. */
static void serve(struct shim_device *device) {
  if (__atomic_load_n(&device->control, __ATOMIC_RELAXED) != 0 || !rte_spinlock_trylock(&device->gate))
    return;
  uint64_t now = 0;
  for (unsigned p = 0; p < device->ports; p++) {
    struct shim_port *port = device->port[p];
    for (unsigned q = 0; q < port->tx_queues; q++) {
      struct shim_tx_queue *queue = port->tx[q];
      struct rte_mbuf *burst[SHIM_BURST];
      if (queue == NULL || rte_ring_empty(queue->waiting))
        continue;
      unsigned taken = rte_ring_sc_dequeue_burst(queue->waiting, (void **)burst, SHIM_BURST, NULL);
      if (now == 0)
        now = shim_now();
      for (unsigned i = 0; i < taken; i++)
        send_one(device, port->number, now, burst[i]);
    }
  }
  if (device->facts.polls_wire)
    net_dpu_poll_wire(device->model, now ? now : shim_now(), SHIM_BURST);
  if (now != 0) {
    int state = net_dpu_state(device->model);
    if (state != device->state) {
      device->state = state;
      /* The application is told by the thread that tells it of interrupts, and not from within its own burst. */
      if (state != NET_DPU_ALIVE)
        rte_eal_alarm_set(1, shim_tell, device);
    }
  }
  rte_spinlock_unlock(&device->gate);
}

uint16_t shim_transmit_burst(void *opaque, struct rte_mbuf **frames, uint16_t count) {
  struct shim_tx_queue *queue = opaque;
  uint16_t taken = 0;
  while (taken < count) {
    uint16_t part = RTE_MIN(count - taken, SHIM_BURST);
    uint64_t bytes = 0;
    uint16_t room = (uint16_t)RTE_MIN(rte_ring_free_count(queue->waiting), part);
    /* A frame is the device's as soon as it is in the ring: its length is read before. */
    for (uint16_t i = 0; i < room; i++)
      bytes += frames[taken + i]->pkt_len;
    if (room > 0)
      room = (uint16_t)rte_ring_sp_enqueue_burst(queue->waiting, (void **)(frames + taken), room, NULL);
    queue->frames += room;
    queue->bytes += bytes;
    taken += room;
    serve(queue->device);
    if (room < part)
      break;
  }
  if (taken < count)
    queue->full += count - taken;
  return taken;
}

uint16_t shim_receive_burst(void *opaque, struct rte_mbuf **frames, uint16_t count) {
  struct shim_rx_queue *queue = opaque;
  unsigned got = rte_ring_sc_dequeue_burst(queue->ready, (void **)frames, count, NULL);
  if (got == 0) {
    serve(queue->device);
    got = rte_ring_sc_dequeue_burst(queue->ready, (void **)frames, count, NULL);
  }
  for (unsigned i = 0; i < got; i++)
    queue->bytes += frames[i]->pkt_len;
  queue->frames += got;
  return (uint16_t)got;
}

/* What the device calls, always from within the gate. */

static struct rte_mempool *pool_of(const struct shim_device *device, uint16_t port) {
  if (port < device->ports && device->port[port]->rx[0] != NULL)
    return device->port[port]->rx[0]->pool;
  for (unsigned p = 0; p < device->ports; p++)
    if (device->port[p]->rx[0] != NULL)
      return device->port[p]->rx[0]->pool;
  return NULL;
}

static int host_copy(
    void *context, uint16_t port, const uint8_t *bytes, uint32_t length, struct net_dpu_buffer *out) {
  struct shim_device *device = context;
  struct rte_mempool *pool = pool_of(device, port);
  struct rte_mbuf *m = pool ? rte_pktmbuf_alloc(pool) : NULL;
  if (m == NULL)
    return 0;
  if (rte_pktmbuf_tailroom(m) >= length) {
    rte_memcpy(rte_pktmbuf_append(m, (uint16_t)length), bytes, length);
    describe(m, out);
    return 1;
  }
  rte_pktmbuf_free(m);
  return 0;
}

static void host_free(void *context, void *cookie) {
  (void)context;
  rte_pktmbuf_free(cookie);
}

static uint64_t checksum_flags(const struct net_dpu_received *frame) {
  uint64_t flags = 0;
  uint8_t l3 = frame->is_tunnel ? frame->inner_l3 : frame->outer_l3;
  uint8_t l4 = frame->is_tunnel ? frame->inner_l4 : frame->outer_l4;
  if (l3 == NET_DPU_GOOD)
    flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  if (l3 == NET_DPU_BAD)
    flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD;
  if (l4 == NET_DPU_GOOD)
    flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  if (l4 == NET_DPU_BAD)
    flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
  if (!frame->is_tunnel)
    return flags;
  if (frame->outer_l3 == NET_DPU_BAD)
    flags |= RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD;
  if (frame->outer_l4 == NET_DPU_GOOD)
    flags |= RTE_MBUF_F_RX_OUTER_L4_CKSUM_GOOD;
  if (frame->outer_l4 == NET_DPU_BAD)
    flags |= RTE_MBUF_F_RX_OUTER_L4_CKSUM_BAD;
  return flags;
}

static void host_receive(void *context, const struct net_dpu_received *frame) {
  struct shim_device *device = context;
  struct rte_mbuf *m = frame->buffer.cookie;
  /* An ethdev for which there was no room is a port of the device's all the same. */
  struct shim_port *port = frame->port < device->ports ? device->port[frame->port] : device->port[0];
  uint16_t number = frame->has_queue ? frame->queue : port->reta[frame->hash % SHIM_RETA];
  struct shim_rx_queue *queue = number < port->rx_queues ? port->rx[number] : NULL;
  if (frame->port >= device->ports || queue == NULL || !port->is_started) {
    port->unpolled++;
    rte_pktmbuf_free(m);
    return;
  }
  m->data_off = (uint16_t)frame->buffer.start;
  m->data_len = (uint16_t)frame->buffer.length;
  m->pkt_len = frame->buffer.length;
  m->nb_segs = 1;
  m->next = NULL;
  m->port = port->ethdev->data->port_id;
  m->tx_offload = 0;
  m->vlan_tci = 0;
  m->hash.rss = frame->hash;
  m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | checksum_flags(frame);
  if (frame->has_mark) {
    m->ol_flags |= RTE_MBUF_F_RX_FDIR;
    if (frame->has_mark == 1) {
      m->ol_flags |= RTE_MBUF_F_RX_FDIR_ID;
      m->hash.fdir.hi = frame->mark;
    }
  }
  if (frame->has_restore && device->restore_offset >= 0) {
    struct shim_restore *restore = RTE_MBUF_DYNFIELD(m, device->restore_offset, struct shim_restore *);
    restore->group = frame->group;
    restore->key_and_flags = (frame->tunnel_key & 0xffffff) | (frame->tunnel_removed ? 0x80000000u : 0);
    m->ol_flags |= device->restore_flag;
  }
  m->packet_type = rte_net_get_ptype(m, NULL, RTE_PTYPE_ALL_MASK);
  if (rte_ring_sp_enqueue(queue->ready, m) != 0) {
    queue->missed++;
    rte_pktmbuf_free(m);
  }
}

const struct net_dpu_host shim_host = {.copy = host_copy, .free = host_free, .receive = host_receive};

/* Frees what waits in a port's queues; nobody polls it any more. */
void shim_drop_all(struct shim_port *port) {
  struct rte_mbuf *m;
  for (unsigned q = 0; q < SHIM_QUEUES; q++) {
    while (port->rx[q] && rte_ring_sc_dequeue(port->rx[q]->ready, (void **)&m) == 0)
      rte_pktmbuf_free(m);
    while (port->tx[q] && rte_ring_sc_dequeue(port->tx[q]->waiting, (void **)&m) == 0)
      rte_pktmbuf_free(m);
  }
}
