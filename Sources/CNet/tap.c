// TAP devices.
#include "internal.h"

#include <fcntl.h>
#include <linux/if_tun.h>

// Of Linux 6.2; older headers do not have them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

int dpu_tap_open(const char *name, int with_header, int multi_queue, char *given) {
  struct ifreq request;
  int failed = name_into(&request, name);
  if (failed) return failed;
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fails();
  request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (with_header ? IFF_VNET_HDR : 0) | (multi_queue ? IFF_MULTI_QUEUE : 0));
  int bytes = header_bytes;
  if (ioctl(fd, TUNSETIFF, &request) < 0 || (with_header && ioctl(fd, TUNSETVNETHDRSZ, &bytes) < 0)) {
    failed = fails();
    close(fd);
    return failed;
  }
  memcpy(given, request.ifr_name, IFNAMSIZ);
  return fd;
}

int dpu_tap_offload(int fd, uint32_t features) {
  unsigned long flags = 0;
  if (features & 1) flags |= TUN_F_CSUM;
  if (features & 2) flags |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  if (features & 4) flags |= TUN_F_USO4 | TUN_F_USO6;
  return ioctl(fd, TUNSETOFFLOAD, flags) < 0 ? fails() : 0;
}

int dpu_tap_read(int fd, struct dpu_slot *slot, int with_header) {
  struct iovec parts[3] = {
      {slot, header_bytes},
      {address_of(slot->first), slot->first_length},
      {address_of(slot->second), slot->second_length},
  };
  ssize_t got;
  do got = with_header ? readv(fd, parts, 3) : readv(fd, parts + 1, 2);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno == EAGAIN ? 0 : fails();
  if (with_header) {
    if (got < header_bytes) return -EIO;
    got -= header_bytes;
  } else {
    memset(slot, 0, header_bytes);
  }
  slot->length = (uint32_t)got;
  slot->has_vlan = 0;
  slot->is_truncated = (uint64_t)got >= (uint64_t)slot->first_length + slot->second_length;
  return 1;
}

int dpu_tap_write(int fd, const struct dpu_slot *slot, int with_header) {
  struct iovec parts[2] = {{(void *)slot, header_bytes}, {address_of(slot->first), slot->first_length}};
  ssize_t put;
  do put = with_header ? writev(fd, parts, 2) : writev(fd, parts + 1, 1);
  while (put < 0 && errno == EINTR);
  if (put < 0) return errno == EAGAIN ? 0 : fails();
  return 1;
}
