// Ports: probing, opening, what they are and what happened at them.
#include <stdio.h>
#include <string.h>

#include "internal.h"

// By port number: how it was opened, and what happened.
static struct dpu_dpdk_wanted opened[RTE_MAX_ETHPORTS];
static uint32_t happened[RTE_MAX_ETHPORTS];
static uint8_t is_open[RTE_MAX_ETHPORTS];

uint8_t dpu_port_owner(uint16_t port) { return opened[port < RTE_MAX_ETHPORTS ? port : 0].owner; }

int dpu_dpdk_probe(const char *devargs, uint16_t *ports, int32_t capacity) {
  dpu_words_clear();
  // The name of a port that is there already: a function or a representor that came with another port's device.
  if (capacity > 0 && !strchr(devargs, ',') && rte_eth_dev_get_port_by_name(devargs, ports) == 0) return 1;
  int answer = rte_dev_probe(devargs);
  // One that EAL was told of at its start, or that was not given back, is there already.
  if (answer < 0 && answer != -EEXIST) return answer;
  struct rte_dev_iterator iterator;
  uint16_t port;
  int count = 0;
  RTE_ETH_FOREACH_MATCHING_DEV(port, devargs, &iterator) {
    if (count < capacity) ports[count] = port;
    count++;
  }
  return count;
}

int dpu_dpdk_facts(uint16_t port, struct dpu_dpdk_facts *facts) {
  struct rte_eth_dev_info info;
  memset(facts, 0, sizeof *facts);
  int answer = rte_eth_dev_info_get(port, &info);
  if (answer < 0) return answer;
  snprintf(facts->driver, sizeof facts->driver, "%s", info.driver_name ? info.driver_name : "?");
  char name[RTE_ETH_NAME_MAX_LEN] = "";
  (void)rte_eth_dev_get_name_by_port(port, name);
  snprintf(facts->device, sizeof facts->device, "%s", name);
  struct rte_ether_addr mac;
  if (rte_eth_macaddr_get(port, &mac) == 0) memcpy(facts->mac, mac.addr_bytes, 6);
  (void)rte_eth_dev_get_mtu(port, &facts->mtu);
  facts->largest_mtu = info.max_mtu;
  facts->receive_queues = info.max_rx_queues;
  facts->transmit_queues = info.max_tx_queues;
  facts->receive_offloads = info.rx_offload_capa;
  facts->transmit_offloads = info.tx_offload_capa;
  facts->socket = rte_eth_dev_socket_id(port);
  return 0;
}

static int note(uint16_t port, enum rte_eth_event_type event, void *cookie, void *result) {
  (void)cookie;
  (void)result;
  uint32_t bit = event == RTE_ETH_EVENT_INTR_LSC     ? DPU_DPDK_LINK
                 : event == RTE_ETH_EVENT_INTR_RESET ? DPU_DPDK_RESET
                                                     : DPU_DPDK_REMOVED;
  if (port < RTE_MAX_ETHPORTS) __atomic_fetch_or(&happened[port], bit, __ATOMIC_RELAXED);
  return 0;
}

static int configure(uint16_t port, const struct dpu_dpdk_wanted *wanted) {
  struct rte_eth_dev_info info;
  int answer = rte_eth_dev_info_get(port, &info);
  if (answer < 0) return answer;
  struct rte_eth_conf conf;
  memset(&conf, 0, sizeof conf);
  if (wanted->checks) {
    conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                                                   RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
  }
  if (wanted->queues > 1 && info.flow_type_rss_offloads) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
  }
  if (wanted->mtu) conf.rxmode.mtu = wanted->mtu;
  answer = rte_eth_dev_configure(port, wanted->queues, wanted->queues, &conf);
  if (answer < 0) return answer;
  uint16_t receive = wanted->receive_descriptors, transmit = wanted->transmit_descriptors;
  answer = rte_eth_dev_adjust_nb_rx_tx_desc(port, &receive, &transmit);
  if (answer < 0) return answer;
  int socket = rte_eth_dev_socket_id(port);
  for (uint16_t queue = 0; queue < wanted->queues; queue++) {
    struct rte_eth_rxconf rx = info.default_rxconf;
    struct rte_eth_txconf tx = info.default_txconf;
    rx.offloads = conf.rxmode.offloads;
    tx.offloads = conf.txmode.offloads;
    answer = rte_eth_rx_queue_setup(port, queue, receive, (unsigned)socket, &rx, dpu_pools[wanted->owner].mempool);
    if (answer < 0) return answer;
    answer = rte_eth_tx_queue_setup(port, queue, transmit, (unsigned)socket, &tx);
    if (answer < 0) return answer;
  }
  // Not every driver has both words for it; a driver without them has what it has.
  if (wanted->mtu) {
    answer = rte_eth_dev_set_mtu(port, wanted->mtu);
    if (answer < 0 && answer != -ENOTSUP) return answer;
  }
  answer = rte_eth_dev_start(port);
  if (answer < 0) return answer;
  if (wanted->promiscuous) {
    answer = rte_eth_promiscuous_enable(port);
    if (answer < 0 && answer != -ENOTSUP) return answer;
  }
  return 0;
}

static int open_closed(uint16_t port, const struct dpu_dpdk_wanted *wanted) {
  uint16_t mtu = wanted->mtu;
  if (!mtu && rte_eth_dev_get_mtu(port, &mtu) < 0) mtu = 1500;
  // Ethernet, two tags, and what drivers round down to.
  uint32_t room = (uint32_t)mtu + 14 + 8 + 4;
  room = room < 2048 ? 2048 : (room + 127) & ~127u;
  if (room + RTE_PKTMBUF_HEADROOM > UINT16_MAX) return -ERANGE;
  int answer = dpu_pool_make(wanted->owner, wanted->buffers, (uint16_t)room, rte_eth_dev_socket_id(port));
  if (answer < 0) {
    dpu_words_add("no memory for the port's buffers: raise dpdk.memory_mb");
    return answer;
  }
  opened[port] = *wanted;
  __atomic_store_n(&happened[port], 0, __ATOMIC_RELAXED);
  answer = configure(port, wanted);
  if (answer < 0) {
    (void)rte_eth_dev_stop(port);
    (void)rte_eth_dev_close(port);
    dpu_pool_drop(wanted->owner);
    return answer;
  }
  (void)rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_LSC, note, NULL);
  (void)rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RESET, note, NULL);
  (void)rte_eth_dev_callback_register(port, RTE_ETH_EVENT_INTR_RMV, note, NULL);
  return 0;
}

int dpu_dpdk_open(uint16_t port, const struct dpu_dpdk_wanted *wanted) {
  if (port >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port(port)) return -ENODEV;
  dpu_words_clear();
  uint8_t closed = 0;
  if (!__atomic_compare_exchange_n(&is_open[port], &closed, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    dpu_words_add("the port is in use already");
    return -EBUSY;
  }
  int answer = open_closed(port, wanted);
  if (answer < 0) __atomic_store_n(&is_open[port], 0, __ATOMIC_RELEASE);
  return answer;
}

int dpu_dpdk_reset(uint16_t port) {
  if (port >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port(port)) return -ENODEV;
  dpu_words_clear();
  (void)rte_eth_dev_stop(port);
  int answer = rte_eth_dev_reset(port);
  if (answer < 0 && answer != -ENOTSUP) return answer;
  return configure(port, &opened[port]);
}

// Whether another open port belongs to the device.
static int is_shared(uint16_t port, const struct rte_device *device) {
  for (uint16_t other = 0; other < RTE_MAX_ETHPORTS; other++) {
    struct rte_eth_dev_info info;
    if (other == port || !__atomic_load_n(&is_open[other], __ATOMIC_ACQUIRE)) continue;
    if (rte_eth_dev_info_get(other, &info) == 0 && info.device == device) return 1;
  }
  return 0;
}

void dpu_dpdk_close(uint16_t port) {
  if (port >= RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port(port)) return;
  (void)rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_LSC, note, NULL);
  (void)rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RESET, note, NULL);
  (void)rte_eth_dev_callback_unregister(port, RTE_ETH_EVENT_INTR_RMV, note, NULL);
  struct rte_eth_dev_info info;
  int has_info = rte_eth_dev_info_get(port, &info) == 0;
  (void)rte_eth_dev_stop(port);
  (void)rte_eth_dev_close(port);
  if (has_info && info.device && !is_shared(port, info.device)) (void)rte_dev_remove(info.device);
  dpu_pool_drop(opened[port].owner);
  __atomic_store_n(&is_open[port], 0, __ATOMIC_RELEASE);
}

int dpu_dpdk_read_stats(uint16_t port, struct dpu_dpdk_stats *stats) {
  struct rte_eth_stats all;
  int answer = rte_eth_stats_get(port, &all);
  if (answer < 0) return answer;
  *stats = (struct dpu_dpdk_stats){
      .received = all.ipackets,
      .sent = all.opackets,
      .received_bytes = all.ibytes,
      .sent_bytes = all.obytes,
      .missed = all.imissed,
      .no_mbuf = all.rx_nombuf,
      .receive_errors = all.ierrors,
      .transmit_errors = all.oerrors,
  };
  return 0;
}

int dpu_dpdk_read_xstats(uint16_t port, struct dpu_dpdk_xstat *stats, int32_t capacity) {
  enum { room = 512 };
  struct rte_eth_xstat_name names[room];
  struct rte_eth_xstat values[room];
  int known = rte_eth_xstats_get_names(port, names, room);
  int got = known < 0 ? known : rte_eth_xstats_get(port, values, room);
  int written = 0;
  for (int i = 0; i < got && i < room; i++) {
    if (values[i].id >= room || (int)values[i].id >= known || written >= capacity) continue;
    snprintf(stats[written].name, sizeof stats[written].name, "%s", names[values[i].id].name);
    stats[written++].value = values[i].value;
  }
  return got < 0 ? got : written;
}

int dpu_dpdk_link(uint16_t port) {
  struct rte_eth_link link;
  int answer = rte_eth_link_get_nowait(port, &link);
  return answer < 0 ? answer : link.link_status;
}

int dpu_dpdk_mtu(uint16_t port) {
  uint16_t mtu;
  int answer = rte_eth_dev_get_mtu(port, &mtu);
  return answer < 0 ? answer : mtu;
}

uint32_t dpu_dpdk_events(uint16_t port) {
  return port < RTE_MAX_ETHPORTS ? __atomic_exchange_n(&happened[port], 0, __ATOMIC_RELAXED) : 0;
}
