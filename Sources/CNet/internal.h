// What the files of this target share.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cnet.h"

/// Bytes of the virtio-net header that these files exchange with the kernel.
enum { header_bytes = 10 };
_Static_assert(offsetof(struct dpu_slot, vlan_tci) == header_bytes, "a slot begins with the header");

static inline void *address_of(uint64_t number) { return (void *)(uintptr_t)number; }

static inline int fails(void) { return -(errno ? errno : EIO); }

static inline int name_into(struct ifreq *request, const char *name) {
  memset(request, 0, sizeof *request);
  if (strlen(name) >= IFNAMSIZ) return -ENAMETOOLONG;
  strcpy(request->ifr_name, name);
  return 0;
}
