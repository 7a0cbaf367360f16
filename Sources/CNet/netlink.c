// The route netlink socket: bytes in, bytes out. Swift reads the messages.
#include "internal.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

int dpu_netlink_open(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return fails();
  const int bytes = 4 << 20;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  struct sockaddr_nl self = {
      .nl_family = AF_NETLINK,
      .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                   RTMGRP_IPV6_ROUTE,
  };
  if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
    int failed = fails();
    close(fd);
    return failed;
  }
  return fd;
}

int dpu_netlink_dump(int fd, uint16_t type, uint32_t sequence) {
  // Each kind of dump has a header of its own size; zero bytes mean everything in all of them.
  struct {
    struct nlmsghdr header;
    union {
      struct ifinfomsg link;
      struct ifaddrmsg address;
      struct ndmsg neighbour;
      struct rtmsg route;
    } body;
  } request;
  memset(&request, 0, sizeof request);
  size_t body;
  switch (type) {
  case RTM_GETLINK: body = sizeof request.body.link; break;
  case RTM_GETADDR: body = sizeof request.body.address; break;
  case RTM_GETNEIGH: body = sizeof request.body.neighbour; break;
  case RTM_GETROUTE: body = sizeof request.body.route; break;
  default: return -EINVAL;
  }
  request.header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = sequence;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t put = sendto(fd, &request, request.header.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel);
  return put < 0 ? fails() : 0;
}

int dpu_netlink_receive(int fd, void *buffer, uint32_t length) {
  for (;;) {
    struct sockaddr_nl sender;
    struct iovec part = {buffer, length};
    struct msghdr message = {.msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &part, .msg_iovlen = 1};
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? 0 : fails();
    }
    if (message.msg_flags & MSG_TRUNC) return -EMSGSIZE;
    // Port 0 is the kernel; anybody else may send too.
    if (message.msg_namelen >= sizeof sender && sender.nl_pid == 0 && got > 0) return (int)got;
  }
}
