// What the control socket needs of Linux and Swift has no spelling for: epoll, unix sockets by path, peer credentials,
// cores. No state. Every function that can fail answers with -errno.
#pragma once
#include <stdint.h>

int dpu_epoll_create(void);
/// Says what to wait for at a descriptor.
int dpu_epoll_set(int epoll, int fd, int reads, int writes, int is_new);
void dpu_epoll_remove(int epoll, int fd);
/// Waits `milliseconds`: how many of `fds` and `ready` (1 reads, 2 writes) were filled.
int dpu_epoll_wait(int epoll, int32_t *fds, uint8_t *ready, int count, int milliseconds);

/// Listens at a path ('@' first: an abstract name) with mode 0660; a file that stands there is taken away.
int dpu_control_listen(const char *path);
/// Listens at a path for packets (SOCK_SEQPACKET) with mode 0660; -EADDRINUSE when somebody else does.
int dpu_packet_listen(const char *path);
/// Connects to a path. With `seconds` above 0, reads and writes wait that long at most.
int dpu_control_connect(const char *path, double seconds);
/// Sets how long reads and writes wait; 0: for ever.
int dpu_set_timeout(int fd, double seconds);
/// Sends one datagram to a path.
int dpu_control_notify(const char *path, const char *text, uint32_t length);
/// Listens at a TCP port of 127.0.0.1.
int dpu_loopback_listen(uint16_t port);
/// The next connection, or -errno.
int dpu_accept(int listener);
/// Process, user and group at the other end.
int dpu_peer(int fd, uint32_t *three);
/// Groups of who is at the other end, beside the first: how many were filled, or -errno.
int dpu_peer_groups(int fd, uint32_t *groups, int count);
/// A pipe that does not block.
int dpu_pipe(int *two);

/// Binds the calling thread to a core.
int dpu_pin(int core);
/// Names the calling thread.
void dpu_name_thread(const char *name);
/// Raises the number of files this process may open to what it may be raised to; the number.
int dpu_raise_file_limit(void);
