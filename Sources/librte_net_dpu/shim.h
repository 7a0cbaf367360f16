/* The C half of the driver: all that has to see DPDK's headers, and nothing else. What a frame or a rule means is decided
 * in Swift (Sources/NetDPU) behind net_dpu.h. */
#ifndef SHIM_H
#define SHIM_H

#include <rte_config.h>

#include <rte_alarm.h>
#include <rte_common.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include <bus_vdev_driver.h>
#include <dev_driver.h>
#include <ethdev_driver.h>
#include <rte_flow_driver.h>

#include "net_dpu.h"

#define SHIM_QUEUES 16
#define SHIM_PORTS 29
#define SHIM_BURST 32
#define SHIM_STAGING (65536 + 1024)
#define SHIM_RETA 128

struct shim_device;

/* A receive queue: frames that the device has for it, put in by whoever holds the gate and taken out by its poller. */
struct shim_rx_queue {
  struct shim_device *device;
  struct rte_ring *ready;
  struct rte_mempool *pool;
  uint16_t port;
  uint64_t frames, bytes, missed;
};

/* A transmit queue: frames of its poller, taken out by whoever holds the gate. */
struct shim_tx_queue {
  struct shim_device *device;
  struct rte_ring *waiting;
  uint16_t port;
  uint64_t frames, bytes, full;
};

/* One ethdev of a device. */
struct shim_port {
  struct shim_device *device;
  struct rte_eth_dev *ethdev;
  uint16_t number; /* the device's own, from 0 on */
  uint16_t rx_queues, tx_queues;
  uint8_t is_started;
  struct rte_ether_addr address;
  struct shim_rx_queue *rx[SHIM_QUEUES];
  struct shim_tx_queue *tx[SHIM_QUEUES];
  uint16_t reta[SHIM_RETA];
  uint64_t unpolled; /* frames for it while it was stopped, or for a queue that it does not have */
  uint64_t refused;  /* frames that were longer than 65535 bytes */
};

/* One emulated device. The gate lets one thread at a time into the model; pollers never wait for it, and stay away while
 * `control` is not 0, so that the control thread gets in. */
struct shim_device {
  void *model;
  const char *name; /* the vdev's */
  rte_spinlock_t gate;
  uint32_t control;
  uint16_t ports;
  struct net_dpu_facts facts;
  struct shim_port *port[SHIM_PORTS];
  uint8_t *staging;
  int restore_offset;
  uint64_t restore_flag;
  int state; /* NET_DPU_ALIVE ..., as last told */
};

/* What get_restore_info finds on an mbuf. */
struct shim_restore {
  uint32_t group;
  uint32_t key_and_flags; /* 24 bits of key, bit 31: a tunnel was removed */
};

extern int net_dpu_logtype;
#define LOG(level, ...) rte_log(RTE_LOG_##level, net_dpu_logtype, "net_dpu: " __VA_ARGS__)

static inline uint64_t shim_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* For control threads: waits until the gate is free. */
static inline void shim_enter(struct shim_device *device) {
  __atomic_fetch_add(&device->control, 1, __ATOMIC_SEQ_CST);
  rte_spinlock_lock(&device->gate);
}

static inline void shim_leave(struct shim_device *device) {
  rte_spinlock_unlock(&device->gate);
  __atomic_fetch_sub(&device->control, 1, __ATOMIC_SEQ_CST);
}

extern const struct eth_dev_ops shim_ops;
extern const struct rte_flow_ops shim_flow_ops;
extern const struct net_dpu_host shim_host;

uint16_t shim_receive_burst(void *queue, struct rte_mbuf **frames, uint16_t count);
uint16_t shim_transmit_burst(void *queue, struct rte_mbuf **frames, uint16_t count);
void shim_drop_all(struct shim_port *port);
void shim_tell(void *device);

static inline struct shim_port *shim_port_of(const struct rte_eth_dev *dev) {
  return *(struct shim_port **)dev->data->dev_private;
}
/* Rules and single actions as the device reads them; valid until this thread's next call. */
int shim_read_rule(
    const struct shim_port *port, const struct rte_flow_attr *attr, const struct rte_flow_item *items,
    const struct rte_flow_action *actions, struct net_dpu_rule *out, struct rte_flow_error *error);
void shim_read_action(const struct shim_port *port, const struct rte_flow_action *action, struct net_dpu_action *out);
int shim_refuse(
    struct rte_flow_error *error, int number, enum rte_flow_error_type type, const void *cause, const char *why);
/* The device's number of an ethdev of DPDK's; -1 when it is none of this device. */
int shim_number_of(const struct shim_device *device, uint32_t port_id);

#endif
