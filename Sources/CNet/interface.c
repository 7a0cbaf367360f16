// Interfaces and namespaces.
#include "internal.h"

#include <fcntl.h>
#include <linux/if_arp.h>
#include <sched.h>

int dpu_interface_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd < 0 ? fails() : fd;
}

int dpu_interface_get(int socket, const char *name, struct dpu_interface *interface) {
  struct ifreq request;
  int failed = name_into(&request, name);
  if (failed) return failed;
  memset(interface, 0, sizeof *interface);
  if (ioctl(socket, SIOCGIFINDEX, &request) < 0) return fails();
  interface->index = request.ifr_ifindex;
  if (ioctl(socket, SIOCGIFMTU, &request) < 0) return fails();
  interface->mtu = request.ifr_mtu < 0 ? 0 : (uint32_t)request.ifr_mtu;
  if (ioctl(socket, SIOCGIFFLAGS, &request) < 0) return fails();
  interface->is_up = (request.ifr_flags & IFF_UP) != 0;
  interface->is_running = (request.ifr_flags & IFF_RUNNING) != 0;
  if (ioctl(socket, SIOCGIFHWADDR, &request) < 0) return fails();
  interface->is_ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER || request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
  memcpy(interface->mac, request.ifr_hwaddr.sa_data, 6);
  return 0;
}

int dpu_interface_set_mac(int socket, const char *name, const uint8_t *mac) {
  struct ifreq request;
  int failed = name_into(&request, name);
  if (failed) return failed;
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  memcpy(request.ifr_hwaddr.sa_data, mac, 6);
  return ioctl(socket, SIOCSIFHWADDR, &request) < 0 ? fails() : 0;
}

int dpu_interface_set_mtu(int socket, const char *name, uint32_t mtu) {
  struct ifreq request;
  int failed = name_into(&request, name);
  if (failed) return failed;
  if (mtu > INT32_MAX) return -EINVAL;
  request.ifr_mtu = (int)mtu;
  return ioctl(socket, SIOCSIFMTU, &request) < 0 ? fails() : 0;
}

int dpu_interface_set_up(int socket, const char *name, int up) {
  struct ifreq request;
  int failed = name_into(&request, name);
  if (failed) return failed;
  if (ioctl(socket, SIOCGIFFLAGS, &request) < 0) return fails();
  if (up) {
    request.ifr_flags |= IFF_UP;
  } else {
    request.ifr_flags &= (short)~IFF_UP;
  }
  return ioctl(socket, SIOCSIFFLAGS, &request) < 0 ? fails() : 0;
}

int dpu_namespace_enter(int fd) {
  int old = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (old < 0) return fails();
  if (setns(fd, CLONE_NEWNET) < 0) {
    int failed = fails();
    close(old);
    return failed;
  }
  return old;
}

int dpu_namespace_leave(int old) {
  int failed = setns(old, CLONE_NEWNET) < 0 ? fails() : 0;
  close(old);
  return failed;
}
