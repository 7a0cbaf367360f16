// Sleeping until something is to be done.
#include "internal.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

int dpu_wait(const int32_t *descriptors, int count, int64_t nanoseconds) {
  struct pollfd waits[256];
  if (count < 0 || count > 256) return -EINVAL;
  for (int i = 0; i < count; i++) waits[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
  struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  int ready = ppoll(waits, (nfds_t)count, nanoseconds < 0 ? NULL : &limit, NULL);
  if (ready < 0) return errno == EINTR ? 0 : fails();
  return ready;
}

int dpu_waker(void) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? fails() : fd;
}

void dpu_wake(int fd) {
  const uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void dpu_calm(int fd) {
  uint64_t count;
  while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

void dpu_close(int fd) { close(fd); }

uint64_t dpu_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
