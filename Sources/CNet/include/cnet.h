// Linux's TAP devices, packet sockets, interfaces, namespaces and netlink, as functions that Swift can call: ioctls with
// unions, control messages and arrays of messages have no Swift spelling. No state; nothing is kept between calls.
// Every function that can fail answers with -errno.
#pragma once
#include <stdint.h>

/// A frame as the kernel takes and gives it: the fields of a virtio-net header (native byte order), one or two pieces of
/// memory by address, and what the kernel says beside them.
struct dpu_slot {
  // In this order: they are the header itself.
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t segment_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
  /// Given by the kernel: the tag that it took out of the frame.
  uint16_t vlan_tci;
  uint16_t vlan_tpid;
  uint8_t has_vlan;
  /// Given by the kernel: there was more of the frame than fitted.
  uint8_t is_truncated;
  uint64_t first;
  uint64_t second;
  uint32_t first_length;
  uint32_t second_length;
  /// Given by the kernel: bytes of the frame.
  uint32_t length;
};

/// What is known of an interface.
struct dpu_interface {
  int32_t index;
  uint32_t mtu;
  uint8_t mac[6];
  uint8_t is_up;
  uint8_t is_running;
  uint8_t is_ethernet;
};

enum { dpu_most_slots = 32 };

/// Opens a TAP device of this name ("" or a name with %d: the kernel chooses), made when it is not there.
/// The name it has is written to `given` (16 bytes).
int dpu_tap_open(const char *name, int with_header, int multi_queue, char *given);
/// Says what frames the kernel may hand over half done: 1 checksums, 2 TCP segmentation, 4 UDP segmentation.
int dpu_tap_offload(int fd, uint32_t features);
/// Reads one frame into a slot: 1, 0 when none waits, -errno.
int dpu_tap_read(int fd, struct dpu_slot *slot, int with_header);
/// Writes the frame of a slot: 1, 0 when the queue is full, -errno.
int dpu_tap_write(int fd, const struct dpu_slot *slot, int with_header);

/// Opens a packet socket on the interface, receiving every frame but those sent here; with virtio-net headers.
int dpu_packet_open(int index, int promiscuous, int bypass_queues);
/// Receives up to `count` (at most 32) frames: how many, 0 when none waits, -errno.
int dpu_packet_receive(int fd, struct dpu_slot *slots, int count);
/// Sends up to `count` (at most 32) frames: how many the kernel took, 0 when its queue is full, -errno for the first.
int dpu_packet_send(int fd, const struct dpu_slot *slots, int count);
/// Frames that the kernel had no room for since the last call, or -errno.
int64_t dpu_packet_missed(int fd);

/// A socket for the functions below, in the namespace of the thread.
int dpu_interface_socket(void);
int dpu_interface_get(int socket, const char *name, struct dpu_interface *interface);
int dpu_interface_set_mac(int socket, const char *name, const uint8_t *mac);
int dpu_interface_set_mtu(int socket, const char *name, uint32_t mtu);
int dpu_interface_set_up(int socket, const char *name, int up);

/// Takes the calling thread into the network namespace of this descriptor; a descriptor of the one it leaves.
int dpu_namespace_enter(int fd);
/// Takes the calling thread back and closes the descriptor that dpu_namespace_enter gave.
int dpu_namespace_leave(int old);

/// A route netlink socket of the thread's namespace, subscribed to links, addresses, neighbours and routes.
int dpu_netlink_open(void);
/// Asks for a dump of one kind (RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH, RTM_GETROUTE).
int dpu_netlink_dump(int fd, uint16_t type, uint32_t sequence);
/// Receives one datagram from the kernel: its length, 0 when none waits, -errno. Those of others are left out;
/// -EMSGSIZE when it did not fit.
int dpu_netlink_receive(int fd, void *buffer, uint32_t length);

/// Waits until one of the descriptors is readable, `nanoseconds` at most (negative: for ever): how many are, or -errno.
int dpu_wait(const int32_t *descriptors, int count, int64_t nanoseconds);
/// A descriptor that becomes readable when dpu_wake is called on it; dpu_calm makes it silent again.
int dpu_waker(void);
void dpu_wake(int fd);
void dpu_calm(int fd);
void dpu_close(int fd);
/// CLOCK_MONOTONIC in nanoseconds.
uint64_t dpu_now(void);
