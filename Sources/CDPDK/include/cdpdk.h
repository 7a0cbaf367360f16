// DPDK as functions and plain structs that Swift can call: the one target that sees DPDK's headers. `rte_mbuf` and its
// kin do not import into Swift; frames cross as addresses and numbers, a burst a call.
// Functions that can fail answer with -errno, and what DPDK said meanwhile is in dpu_dpdk_words().
#pragma once
#include <stdint.h>

/// A received frame, or one to send.
struct dpu_dpdk_frame {
  /// Of its first byte.
  uint64_t address;
  /// Of the mbuf in its port's table; of a frame that no DPDK port owns: not looked at.
  uint32_t index;
  /// RSS hash, when `has_hash`.
  uint32_t hash;
  /// A rule's mark, when `has_mark`.
  uint32_t mark;
  uint16_t length;
  /// Free bytes in front of and behind it.
  uint16_t headroom;
  uint16_t tailroom;
  /// 0 not known, 1 right, 2 wrong: of the IPv4 header, and of TCP or UDP.
  uint8_t ip_checksum;
  uint8_t l4_checksum;
  uint8_t has_hash;
  uint8_t has_mark;
  /// Sending: the owner byte of its token. Given back: a fate.
  uint8_t owner;
  uint8_t fate;
};

/// What became of a frame that was to be sent.
enum {
  /// Sent; its buffer is the sender's again.
  DPU_DPDK_SENT = 0,
  /// Sent; its buffer goes back to its port when the device has read it.
  DPU_DPDK_TAKEN = 1,
  /// The device's queue was full; the buffer is the sender's again.
  DPU_DPDK_FULL = 2,
  /// The same, and the buffer has gone back to its port.
  DPU_DPDK_FULL_TAKEN = 3,
  /// No mbuf was free for a copy; the buffer is the sender's again.
  DPU_DPDK_NO_BUFFER = 4,
  /// It does not fit in an mbuf of the port; the buffer is the sender's again.
  DPU_DPDK_TOO_LONG = 5,
};

/// What is known of a port.
struct dpu_dpdk_facts {
  char driver[64];
  char device[128];
  uint8_t mac[6];
  uint16_t mtu;
  uint16_t largest_mtu;
  uint16_t receive_queues;
  uint16_t transmit_queues;
  /// RTE_ETH_RX_OFFLOAD_* and RTE_ETH_TX_OFFLOAD_* that it offers.
  uint64_t receive_offloads;
  uint64_t transmit_offloads;
  int32_t socket;
};

/// How a port is wanted.
struct dpu_dpdk_wanted {
  /// The top byte of its frames' tokens.
  uint8_t owner;
  uint8_t promiscuous;
  /// Let the device check IPv4, UDP and TCP checksums, where it can.
  uint8_t checks;
  /// 0: as it is.
  uint16_t mtu;
  uint16_t queues;
  /// Descriptors of each queue; moved into what the device takes.
  uint16_t receive_descriptors;
  uint16_t transmit_descriptors;
  /// Mbufs of the port.
  uint32_t buffers;
};

/// What a device counted.
struct dpu_dpdk_stats {
  uint64_t received, sent, received_bytes, sent_bytes;
  /// Frames that the device had to drop for want of a descriptor, or of an mbuf.
  uint64_t missed, no_mbuf;
  uint64_t receive_errors, transmit_errors;
};

/// One of a device's own counters.
struct dpu_dpdk_xstat {
  char name[64];
  uint64_t value;
};

/// Events since they were asked for the last time.
enum { DPU_DPDK_LINK = 1, DPU_DPDK_RESET = 2, DPU_DPDK_REMOVED = 4 };

/// Starts EAL, once a process; more calls answer 0 and do nothing. The calling thread keeps the cores it may run on.
int dpu_dpdk_start(int32_t count, const char *const *arguments);
/// Whether the process (its first thread) may run on the core, 0…1023.
int dpu_dpdk_may_run_on(int32_t core);
/// Whether it was started.
int dpu_dpdk_is_started(void);
/// DPDK's version, as text.
const char *dpu_dpdk_version(void);
/// The last lines that DPDK logged since the last start, probe, open or reset, on whatever thread; "" for none. Valid until this
/// thread's next call.
const char *dpu_dpdk_words(void);
/// Probes a device; its ports. Answers how many there are. The name of a port that is there stands for that port alone.
int dpu_dpdk_probe(const char *devargs, uint16_t *ports, int32_t capacity);
int dpu_dpdk_facts(uint16_t port, struct dpu_dpdk_facts *facts);
/// Configures and starts a port.
int dpu_dpdk_open(uint16_t port, const struct dpu_dpdk_wanted *wanted);
/// Stops it, resets it and starts it as it was opened.
int dpu_dpdk_reset(uint16_t port);
/// Stops and closes it. Frames that are still out keep their memory.
void dpu_dpdk_close(uint16_t port);
/// Up to `count` (at most 64) frames of one queue.
int dpu_dpdk_receive(uint16_t port, uint16_t queue, struct dpu_dpdk_frame *frames, int32_t count, uint64_t *too_long);
/// Sends `count` (at most 64) frames and writes what became of each.
void dpu_dpdk_send(uint16_t port, uint16_t queue, struct dpu_dpdk_frame *frames, int32_t count);
/// A frame's mbuf goes back. Indices that are nobody's are let alone.
void dpu_dpdk_recycle(uint8_t owner, uint32_t index);
/// Mbufs of the owner that are free.
uint32_t dpu_dpdk_available(uint8_t owner);
int dpu_dpdk_read_stats(uint16_t port, struct dpu_dpdk_stats *stats);
/// Writes up to `capacity` counters; how many there are.
int dpu_dpdk_read_xstats(uint16_t port, struct dpu_dpdk_xstat *stats, int32_t capacity);
/// 1 for up, 0 for down.
int dpu_dpdk_link(uint16_t port);
int dpu_dpdk_mtu(uint16_t port);
/// What happened at the port; the next call does not say it again.
uint32_t dpu_dpdk_events(uint16_t port);
