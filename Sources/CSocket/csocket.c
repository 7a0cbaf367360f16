#define _GNU_SOURCE
#include "csocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static int fails(void) { return errno > 0 ? -errno : -EIO; }

// Closes and keeps the error.
static int ends(int fd) {
  int answer = fails();
  close(fd);
  return answer;
}

int dpu_epoll_create(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? fails() : fd;
}

int dpu_epoll_set(int epoll, int fd, int reads, int writes, int is_new) {
  struct epoll_event event = {.events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0), .data.fd = fd};
  return epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0 ? fails() : 0;
}

void dpu_epoll_remove(int epoll, int fd) {
  struct epoll_event event = {0};
  epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}

int dpu_epoll_wait(int epoll, int32_t *fds, uint8_t *ready, int count, int milliseconds) {
  struct epoll_event events[256];
  if (count > 256) count = 256;
  int got = epoll_wait(epoll, events, count, milliseconds);
  if (got < 0) return errno == EINTR ? 0 : fails();
  for (int i = 0; i < got; i++) {
    fds[i] = events[i].data.fd;
    ready[i] = (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? 1 : 0) | (events[i].events & EPOLLOUT ? 2 : 0);
  }
  return got;
}

static int address_of(const char *path, struct sockaddr_un *address, socklen_t *length) {
  size_t count = strlen(path);
  if (count == 0 || count >= sizeof address->sun_path) return -ENAMETOOLONG;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, count);
  int abstract = path[0] == '@';
  if (abstract) address->sun_path[0] = 0;
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count + (abstract ? 0 : 1));
  return 0;
}

int dpu_control_listen(const char *path) {
  struct sockaddr_un address;
  socklen_t length;
  int wrong = address_of(path, &address, &length);
  if (wrong) return wrong;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fails();
  unlink(path);
  mode_t old = umask(0117);
  int bound = bind(fd, (struct sockaddr *)&address, length);
  umask(old);
  if (bound < 0 || listen(fd, 1024) < 0) return ends(fd);
  return fd;
}

int dpu_packet_listen(const char *path) {
  struct sockaddr_un address;
  socklen_t length;
  int wrong = address_of(path, &address, &length);
  if (wrong) return wrong;
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fails();
  // Somebody listens there, or the file is left over.
  int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return ends(fd);
  int answer = connect(probe, (struct sockaddr *)&address, length);
  int taken = answer == 0 || errno == EAGAIN;
  close(probe);
  if (taken) {
    close(fd);
    return -EADDRINUSE;
  }
  unlink(path);
  mode_t old = umask(0117);
  int bound = bind(fd, (struct sockaddr *)&address, length);
  umask(old);
  if (bound < 0 || listen(fd, 16) < 0) return ends(fd);
  return fd;
}

int dpu_set_timeout(int fd, double seconds) {
  if (seconds < 0 || seconds > 1e6) seconds = 1e6;
  struct timeval time = {.tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) < 0) return fails();
  return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) < 0 ? fails() : 0;
}

int dpu_control_connect(const char *path, double seconds) {
  struct sockaddr_un address;
  socklen_t length;
  int wrong = address_of(path, &address, &length);
  if (wrong) return wrong;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fails();
  dpu_set_timeout(fd, seconds);
  if (connect(fd, (struct sockaddr *)&address, length) < 0) return ends(fd);
  return fd;
}

int dpu_control_notify(const char *path, const char *text, uint32_t size) {
  struct sockaddr_un address;
  socklen_t length;
  int wrong = address_of(path, &address, &length);
  if (wrong) return wrong;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fails();
  if (sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0) return ends(fd);
  close(fd);
  return 0;
}

int dpu_loopback_listen(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fails();
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) return ends(fd);
  return fd;
}

int dpu_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return fd < 0 ? fails() : fd;
}

int dpu_peer(int fd, uint32_t *three) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return fails();
  three[0] = (uint32_t)peer.pid;
  three[1] = peer.uid;
  three[2] = peer.gid;
  return 0;
}

int dpu_peer_groups(int fd, uint32_t *groups, int count) {
  socklen_t size = (socklen_t)((unsigned)count * sizeof *groups);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) return fails();
  return (int)(size / sizeof *groups);
}

int dpu_pipe(int *two) { return pipe2(two, O_CLOEXEC | O_NONBLOCK) < 0 ? fails() : 0; }

int dpu_pin(int core) {
  cpu_set_t set;
  if (core < 0 || core >= CPU_SETSIZE) return -EINVAL;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return sched_setaffinity(0, sizeof set, &set) < 0 ? fails() : 0;
}

void dpu_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

int dpu_raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return fails();
  limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return fails();
  return limit.rlim_cur > 1 << 30 ? 1 << 30 : (int)limit.rlim_cur;
}
