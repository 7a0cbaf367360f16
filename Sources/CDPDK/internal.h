// What the files of this target share.
#pragma once
#include <rte_config.h>
#if defined(__x86_64__)
// DPDK's headers want more than Swift's baseline; the functions that use it are here and nowhere else.
#pragma clang attribute push(__attribute__((target("sse4.2"))), apply_to = function)
#endif
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>
#if defined(__x86_64__)
#pragma clang attribute pop
#endif

#include "cdpdk.h"

/// A port's mbufs. An mbuf's private area holds its owner and index in the table (8 bytes) and 256 bytes of room that lie in front
/// of the buffer's own: with DPDK's 128 they make the 384 that every frame of the runtime has in front.
struct dpu_pool {
  struct rte_mempool *mempool;
  struct rte_mbuf **table;
  uint32_t count;
};
enum { dpu_front = 256, dpu_private = 8 + dpu_front };

/// By owner byte.
extern struct dpu_pool dpu_pools[256];
/// Makes the mbufs of an owner, of `room` bytes behind the headroom each.
int dpu_pool_make(uint8_t owner, uint32_t count, uint16_t room, int socket);
/// The owner byte of an open port.
uint8_t dpu_port_owner(uint16_t port);
/// Gives them up when none is out.
void dpu_pool_drop(uint8_t owner);
/// Forgets what was logged.
void dpu_words_clear(void);
/// Adds to what was logged.
void dpu_words_add(const char *text);
