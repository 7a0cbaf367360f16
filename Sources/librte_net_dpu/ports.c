/* Ethdevs: configuration, queues, counters. */
#include "shim.h"

#include <rte_malloc.h>
#include <rte_string_fns.h>

int shim_number_of(const struct shim_device *device, uint32_t port_id) {
  for (unsigned p = 0; p < device->ports; p++)
    if (device->port[p]->ethdev != NULL && device->port[p]->ethdev->data->port_id == port_id)
      return (int)p;
  return -1;
}

static int configure(struct rte_eth_dev *dev) {
  struct shim_port *port = shim_port_of(dev);
  port->rx_queues = dev->data->nb_rx_queues;
  port->tx_queues = dev->data->nb_tx_queues;
  for (unsigned i = 0; i < SHIM_RETA; i++)
    port->reta[i] = port->rx_queues ? (uint16_t)(i % port->rx_queues) : 0;
  return 0;
}

static int start(struct rte_eth_dev *dev) {
  struct shim_port *port = shim_port_of(dev);
  shim_enter(port->device);
  port->is_started = 1;
  shim_leave(port->device);
  dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
  return 0;
}

static int stop(struct rte_eth_dev *dev) {
  struct shim_port *port = shim_port_of(dev);
  shim_enter(port->device);
  port->is_started = 0;
  shim_drop_all(port);
  shim_leave(port->device);
  dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
  dev->data->dev_started = 0;
  return 0;
}

static int info(struct rte_eth_dev *dev, struct rte_eth_dev_info *out) {
  struct shim_port *port = shim_port_of(dev);
  const struct net_dpu_facts *facts = &port->device->facts;
  out->max_mac_addrs = 16;
  out->max_rx_pktlen = 65535;
  out->max_mtu = 65521;
  out->min_mtu = RTE_ETHER_MIN_MTU;
  out->min_rx_bufsize = 0;
  out->max_rx_queues = SHIM_QUEUES;
  out->max_tx_queues = SHIM_QUEUES;
  out->reta_size = SHIM_RETA;
  out->flow_type_rss_offloads = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
  out->rx_offload_capa = RTE_ETH_RX_OFFLOAD_RSS_HASH;
  if (facts->rx_checksum)
    out->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_CHECKSUM;
  if (facts->rx_outer_checksum)
    out->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_OUTER_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_OUTER_UDP_CKSUM;
  out->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  if (facts->tx_checksum)
    out->tx_offload_capa |=
        RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
  if (facts->tx_outer_ipv4)
    out->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM;
  if (facts->tx_outer_udp)
    out->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_OUTER_UDP_CKSUM;
  if (facts->tx_tso)
    out->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
  if (facts->tx_uso)
    out->tx_offload_capa |= RTE_ETH_TX_OFFLOAD_UDP_TSO;
  if (facts->tx_tunnel_tso)
    out->tx_offload_capa |=
        RTE_ETH_TX_OFFLOAD_VXLAN_TNL_TSO | RTE_ETH_TX_OFFLOAD_GENEVE_TNL_TSO | RTE_ETH_TX_OFFLOAD_GRE_TNL_TSO;
  out->rx_desc_lim = (struct rte_eth_desc_lim){.nb_max = 4096, .nb_min = 32, .nb_align = 1};
  out->tx_desc_lim =
      (struct rte_eth_desc_lim){.nb_max = 4096, .nb_min = 32, .nb_align = 1, .nb_seg_max = 64, .nb_mtu_seg_max = 64};
  out->default_rxportconf = (struct rte_eth_dev_portconf){.burst_size = SHIM_BURST, .ring_size = 1024, .nb_queues = 1};
  out->default_txportconf = out->default_rxportconf;
  out->speed_capa = RTE_ETH_LINK_SPEED_100G;
  if (facts->virtual_functions > 0) {
    out->switch_info.name = port->device->name;
    out->switch_info.domain_id = 0;
    out->switch_info.port_id = port->number;
  }
  return 0;
}

static struct rte_ring *ring(const struct rte_eth_dev *dev, const char *kind, uint16_t queue, uint16_t descriptors) {
  char name[RTE_RING_NAMESIZE];
  snprintf(name, sizeof name, "dpu%u_%s%u", dev->data->port_id, kind, queue);
  return rte_ring_create(name, descriptors, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

static void release_rx(struct rte_eth_dev *dev, uint16_t number) {
  struct shim_port *port = shim_port_of(dev);
  struct shim_rx_queue *queue = number < SHIM_QUEUES ? port->rx[number] : NULL;
  if (queue == NULL)
    return;
  shim_enter(port->device);
  struct rte_mbuf *m;
  while (rte_ring_sc_dequeue(queue->ready, (void **)&m) == 0)
    rte_pktmbuf_free(m);
  port->rx[number] = NULL;
  shim_leave(port->device);
  rte_ring_free(queue->ready);
  rte_free(queue);
}

static void release_tx(struct rte_eth_dev *dev, uint16_t number) {
  struct shim_port *port = shim_port_of(dev);
  struct shim_tx_queue *queue = number < SHIM_QUEUES ? port->tx[number] : NULL;
  if (queue == NULL)
    return;
  shim_enter(port->device);
  struct rte_mbuf *m;
  while (rte_ring_sc_dequeue(queue->waiting, (void **)&m) == 0)
    rte_pktmbuf_free(m);
  port->tx[number] = NULL;
  shim_leave(port->device);
  rte_ring_free(queue->waiting);
  rte_free(queue);
}

static int setup_rx(
    struct rte_eth_dev *dev, uint16_t number, uint16_t descriptors, unsigned socket, const struct rte_eth_rxconf *conf,
    struct rte_mempool *pool) {
  (void)conf;
  struct shim_port *port = shim_port_of(dev);
  if (number >= SHIM_QUEUES)
    return -EINVAL;
  release_rx(dev, number);
  struct shim_rx_queue *queue = rte_zmalloc_socket(NULL, sizeof *queue, RTE_CACHE_LINE_SIZE, (int)socket);
  if (queue == NULL)
    return -ENOMEM;
  queue->device = port->device;
  queue->pool = pool;
  queue->port = port->number;
  queue->ready = ring(dev, "rx", number, descriptors);
  if (queue->ready == NULL) {
    rte_free(queue);
    return -ENOMEM;
  }
  shim_enter(port->device);
  port->rx[number] = queue;
  shim_leave(port->device);
  dev->data->rx_queues[number] = queue;
  return 0;
}

static int setup_tx(
    struct rte_eth_dev *dev, uint16_t number, uint16_t descriptors, unsigned socket,
    const struct rte_eth_txconf *conf) {
  (void)conf;
  struct shim_port *port = shim_port_of(dev);
  if (number >= SHIM_QUEUES)
    return -EINVAL;
  release_tx(dev, number);
  struct shim_tx_queue *queue = rte_zmalloc_socket(NULL, sizeof *queue, RTE_CACHE_LINE_SIZE, (int)socket);
  if (queue == NULL)
    return -ENOMEM;
  queue->device = port->device;
  queue->port = port->number;
  queue->waiting = ring(dev, "tx", number, descriptors);
  if (queue->waiting == NULL) {
    rte_free(queue);
    return -ENOMEM;
  }
  shim_enter(port->device);
  port->tx[number] = queue;
  shim_leave(port->device);
  dev->data->tx_queues[number] = queue;
  return 0;
}

static int stats(struct rte_eth_dev *dev, struct rte_eth_stats *out) {
  struct shim_port *port = shim_port_of(dev);
  for (unsigned q = 0; q < SHIM_QUEUES; q++) {
    const struct shim_rx_queue *rx = port->rx[q];
    const struct shim_tx_queue *tx = port->tx[q];
    if (rx != NULL) {
      out->ipackets += rx->frames;
      out->ibytes += rx->bytes;
      out->imissed += rx->missed;
      if (q < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
        out->q_ipackets[q] = rx->frames;
        out->q_ibytes[q] = rx->bytes;
      }
    }
    if (tx != NULL) {
      out->opackets += tx->frames;
      out->obytes += tx->bytes;
      if (q < RTE_ETHDEV_QUEUE_STAT_CNTRS) {
        out->q_opackets[q] = tx->frames;
        out->q_obytes[q] = tx->bytes;
      }
    }
  }
  out->imissed += port->unpolled;
  out->oerrors = port->refused;
  return 0;
}

static int stats_reset(struct rte_eth_dev *dev) {
  struct shim_port *port = shim_port_of(dev);
  for (unsigned q = 0; q < SHIM_QUEUES; q++) {
    if (port->rx[q] != NULL)
      port->rx[q]->frames = port->rx[q]->bytes = port->rx[q]->missed = 0;
    if (port->tx[q] != NULL)
      port->tx[q]->frames = port->tx[q]->bytes = port->tx[q]->full = 0;
  }
  port->unpolled = port->refused = 0;
  return 0;
}

/* The device's own counters; those of the whole device are told at each of its ports. */
static int xstats(struct rte_eth_dev *dev, struct rte_eth_xstat *out, unsigned count) {
  struct shim_device *device = shim_port_of(dev)->device;
  uint64_t values[64];
  shim_enter(device);
  uint32_t all = net_dpu_statistics(device->model, NULL, values, 64);
  shim_leave(device);
  if (all > 64)
    all = 64;
  for (unsigned i = 0; out != NULL && i < RTE_MIN(all, count); i++) {
    out[i].id = i;
    out[i].value = values[i];
  }
  return (int)all;
}

static int xstats_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *out, unsigned count) {
  struct shim_device *device = shim_port_of(dev)->device;
  char names[64][NET_DPU_NAME];
  shim_enter(device);
  uint32_t all = net_dpu_statistics(device->model, &names[0][0], NULL, 64);
  shim_leave(device);
  if (all > 64)
    all = 64;
  for (unsigned i = 0; out != NULL && i < RTE_MIN(all, count); i++)
    rte_strscpy(out[i].name, names[i], sizeof out[i].name);
  return (int)all;
}

static int link_update(struct rte_eth_dev *dev, int wait) {
  (void)wait;
  struct rte_eth_link link = {
      .link_speed = RTE_ETH_SPEED_NUM_100G,
      .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
      .link_autoneg = RTE_ETH_LINK_FIXED,
      .link_status = dev->data->dev_started && shim_port_of(dev)->device->facts.link_up ? RTE_ETH_LINK_UP
                                                                                         : RTE_ETH_LINK_DOWN,
  };
  return rte_eth_linkstatus_set(dev, &link);
}

static int set_mtu(struct rte_eth_dev *dev, uint16_t mtu) {
  struct shim_port *port = shim_port_of(dev);
  shim_enter(port->device);
  int error = net_dpu_set_mtu(port->device->model, port->number, mtu);
  shim_leave(port->device);
  return -error;
}

/* The device receives whatever its wire or its rules bring: promiscuous or not makes no difference, and neither do addresses. */
static int always(struct rte_eth_dev *dev) {
  (void)dev;
  return 0;
}

static int set_address(struct rte_eth_dev *dev, struct rte_ether_addr *address) {
  rte_ether_addr_copy(address, &shim_port_of(dev)->address);
  return 0;
}

static int add_address(struct rte_eth_dev *dev, struct rte_ether_addr *address, uint32_t index, uint32_t pool) {
  (void)dev, (void)address, (void)index, (void)pool;
  return 0;
}

static void remove_address(struct rte_eth_dev *dev, uint32_t index) { (void)dev, (void)index; }

static int reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *table, uint16_t size) {
  struct shim_port *port = shim_port_of(dev);
  if (size != SHIM_RETA)
    return -EINVAL;
  for (unsigned i = 0; i < size; i++) {
    const struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];
    if (group->mask >> (i % RTE_ETH_RETA_GROUP_SIZE) & 1)
      port->reta[i] = group->reta[i % RTE_ETH_RETA_GROUP_SIZE];
  }
  return 0;
}

static int reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *table, uint16_t size) {
  struct shim_port *port = shim_port_of(dev);
  if (size != SHIM_RETA)
    return -EINVAL;
  for (unsigned i = 0; i < size; i++)
    table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = port->reta[i];
  return 0;
}

static int flow_ops(struct rte_eth_dev *dev, const struct rte_flow_ops **out) {
  (void)dev;
  *out = &shim_flow_ops;
  return 0;
}

static const uint32_t *packet_types(struct rte_eth_dev *dev) {
  (void)dev;
  static const uint32_t types[] = {
      RTE_PTYPE_L2_ETHER, RTE_PTYPE_L2_ETHER_VLAN, RTE_PTYPE_L3_IPV4, RTE_PTYPE_L3_IPV6,
      RTE_PTYPE_L4_TCP,   RTE_PTYPE_L4_UDP,        RTE_PTYPE_UNKNOWN};
  return types;
}

/* The last ethdev that is closed takes the device with it. */
static int close_port(struct rte_eth_dev *dev) {
  if (rte_eal_process_type() != RTE_PROC_PRIMARY)
    return 0;
  struct shim_port *port = shim_port_of(dev);
  struct shim_device *device = port->device;
  for (uint16_t q = 0; q < SHIM_QUEUES; q++) {
    release_rx(dev, q);
    release_tx(dev, q);
  }
  shim_enter(device);
  port->ethdev = NULL;
  unsigned open = 0;
  for (unsigned p = 0; p < device->ports; p++)
    open += device->port[p]->ethdev != NULL;
  shim_leave(device);
  dev->data->mac_addrs = NULL;
  if (open > 0)
    return 0;
  rte_eal_alarm_cancel(shim_tell, device);
  net_dpu_detach(device->model);
  for (unsigned p = 0; p < device->ports; p++)
    rte_free(device->port[p]);
  rte_free(device->staging);
  rte_free(device);
  return 0;
}

static int reset(struct rte_eth_dev *dev) {
  struct shim_device *device = shim_port_of(dev)->device;
  shim_enter(device);
  int error = net_dpu_recover(device->model, shim_now());
  device->state = net_dpu_state(device->model);
  shim_leave(device);
  return -error;
}

const struct eth_dev_ops shim_ops = {
    .dev_configure = configure,
    .dev_start = start,
    .dev_stop = stop,
    .dev_close = close_port,
    .dev_reset = reset,
    .dev_infos_get = info,
    .dev_supported_ptypes_get = packet_types,
    .promiscuous_enable = always,
    .promiscuous_disable = always,
    .allmulticast_enable = always,
    .allmulticast_disable = always,
    .mac_addr_set = set_address,
    .mac_addr_add = add_address,
    .mac_addr_remove = remove_address,
    .mtu_set = set_mtu,
    .link_update = link_update,
    .stats_get = stats,
    .stats_reset = stats_reset,
    .xstats_get = xstats,
    .xstats_get_names = xstats_names,
    .rx_queue_setup = setup_rx,
    .tx_queue_setup = setup_tx,
    .rx_queue_release = release_rx,
    .tx_queue_release = release_tx,
    .reta_update = reta_update,
    .reta_query = reta_query,
    .flow_ops_get = flow_ops,
};
