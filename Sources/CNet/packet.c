// Packet sockets.
#include "internal.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

// Room in the kernel for bursts while the program is elsewhere.
enum { queue_bytes = 32 << 20 };

static int prepare(int fd, int index, int promiscuous, int bypass_queues) {
  const int on = 1, bytes = queue_bytes;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) return fails();
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0) return fails();
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0) return fails();
  if (bypass_queues && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0) return fails();
  // More than the system's limit needs CAP_NET_ADMIN; less is no error.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
  if (bind(fd, (struct sockaddr *)&place, sizeof place) < 0) return fails();
  if (promiscuous) {
    struct packet_mreq request = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request) < 0) return fails();
  }
  return 0;
}

int dpu_packet_open(int index, int promiscuous, int bypass_queues) {
  // Protocol 0: nothing is received before everything is set.
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fails();
  int failed = prepare(fd, index, promiscuous, bypass_queues);
  if (failed) {
    close(fd);
    return failed;
  }
  return fd;
}

static void take_tag(struct dpu_slot *slot, struct msghdr *message) {
  slot->has_vlan = 0;
  for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) continue;
    struct tpacket_auxdata data;
    if (control->cmsg_len < CMSG_LEN(sizeof data)) continue;
    memcpy(&data, CMSG_DATA(control), sizeof data);
    if (!(data.tp_status & TP_STATUS_VLAN_VALID)) continue;
    slot->has_vlan = 1;
    slot->vlan_tci = data.tp_vlan_tci;
    slot->vlan_tpid = data.tp_status & TP_STATUS_VLAN_TPID_VALID ? data.tp_vlan_tpid : ETH_P_8021Q;
  }
}

int dpu_packet_receive(int fd, struct dpu_slot *slots, int count) {
  struct mmsghdr messages[dpu_most_slots];
  struct iovec parts[dpu_most_slots][3];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
  } controls[dpu_most_slots];
  if (count < 0 || count > dpu_most_slots) return -EINVAL;
  for (int i = 0; i < count; i++) {
    parts[i][0] = (struct iovec){&slots[i], header_bytes};
    parts[i][1] = (struct iovec){address_of(slots[i].first), slots[i].first_length};
    parts[i][2] = (struct iovec){address_of(slots[i].second), slots[i].second_length};
    messages[i].msg_hdr = (struct msghdr){
        .msg_iov = parts[i], .msg_iovlen = 3, .msg_control = &controls[i], .msg_controllen = sizeof controls[i]};
  }
  int got;
  do got = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN ? 0 : fails();
  for (int i = 0; i < got; i++) {
    unsigned length = messages[i].msg_len;
    if (length < header_bytes) return -EIO;
    slots[i].length = length - header_bytes;
    slots[i].is_truncated = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
    take_tag(&slots[i], &messages[i].msg_hdr);
  }
  return got;
}

// That the link went down is told once by the next call, which may come when it is up again.
static int was_told_late(int fd) {
  int pending = 0;
  socklen_t length = sizeof pending;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length) == 0 && pending != 0;
}

int dpu_packet_send(int fd, const struct dpu_slot *slots, int count) {
  struct mmsghdr messages[dpu_most_slots];
  struct iovec parts[dpu_most_slots][2];
  if (count < 0 || count > dpu_most_slots) return -EINVAL;
  for (int i = 0; i < count; i++) {
    parts[i][0] = (struct iovec){(void *)&slots[i], header_bytes};
    parts[i][1] = (struct iovec){address_of(slots[i].first), slots[i].first_length};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = parts[i], .msg_iovlen = 2};
  }
  int put;
  do put = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT);
  while (put < 0 && (errno == EINTR || (errno == ENETDOWN && was_told_late(fd))));
  if (put < 0) return errno == EAGAIN ? 0 : fails();
  return put;
}

int64_t dpu_packet_missed(int fd) {
  struct tpacket_stats statistics;
  socklen_t length = sizeof statistics;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) return fails();
  return statistics.tp_drops;
}
