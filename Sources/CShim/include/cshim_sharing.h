// What sharing memory with another process needs of the system and Swift has no call for: sealed memory files, messages
// that carry file descriptors, and a guard against memory that its owner cuts short. Functions are in sharing.c.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// A new memory file of `bytes` bytes that is closed on exec; with `huge_bytes` not 0, of pages of that size. Its size
/// is sealed. Gives the descriptor, or -errno.
int dpu_memory_file(const char *name, uint64_t bytes, uint64_t huge_bytes);

/// What a descriptor that a peer handed over is: its size and the size of its pages (both 0 unless it is a regular
/// file), and whether its size is sealed against shrinking. 0, or -errno.
int dpu_file_facts(int fd, uint64_t *bytes, uint64_t *page_bytes, int *cannot_shrink);

/// A file at `path` of at least `bytes` bytes, made (readable by its owner alone) or made longer where need be; no link is
/// followed. The descriptor, or -errno.
int dpu_kept_file(const char *path, uint64_t bytes);

/// Maps `bytes` bytes of `fd` from `offset` on, shared, readable and writable; `populate` asks for the pages at once.
/// NULL with the reason in *error (errno) when that cannot be.
void *dpu_map_shared(int fd, uint64_t offset, uint64_t bytes, int populate, int *error);

/// An event counter that does not block; the descriptor, or -errno.
int dpu_event_file(void);

/// Sends `count` bytes and `fd_count` (0…64) descriptors as one message. The bytes that went, or -errno; -EAGAIN when
/// the socket is full. A peer that is gone is -EPIPE and no signal.
ssize_t dpu_send_message(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count);

/// Receives at most `count` bytes, and at most `fd_room` (0…64) descriptors, closed on exec. The bytes that came (0: the
/// peer is gone), or -errno. *fd_count is how many were put in `fds`. Those that had no room are closed, and *cut is 1.
ssize_t dpu_receive_message(
  int socket, void *bytes, size_t count, int *fds, size_t fd_room, size_t *fd_count, int *cut);

/// A unix stream socket, listening at `path` (an old socket file there is removed), or connected to it; neither blocks
/// afterwards. The descriptor, or -errno.
int dpu_unix_listen(const char *path);
int dpu_unix_connect(const char *path);
/// The next connection, not blocking. The descriptor, or -errno (-EAGAIN: nobody).
int dpu_unix_accept(int socket);
/// Two connected sockets that do not block. 0, or -errno.
int dpu_unix_pair(int ends[2]);

/// Waits until one of `count` (at most 64) descriptors can be read or hung up, at most `milliseconds` (-1: for ever).
/// Bit i of *ready is descriptor i's. How many are ready, or -errno.
int dpu_wait_readable(const int *fds, size_t count, int milliseconds, uint64_t *ready);

/// Guards a mapping: when its file turns out to be shorter than what was mapped (or has no page left to give), the
/// access that would end the process by SIGBUS finds private zeros in the whole mapping instead, and the guard is *lost*.
/// Other SIGBUS signals go where they went before. Gives the guard's number, or -1 when all (1024) are in use.
int dpu_guard_add(void *base, size_t bytes);
/// Ends a guard; its memory must not be touched any more.
void dpu_guard_remove(int number);
/// Whether the guard is lost.
int dpu_guard_is_lost(int number);
/// How many guards were lost since the process began: changes when any does.
uint64_t dpu_guards_lost(void);

/// CPUs that this thread may run on.
int dpu_allowed_cores(void);
/// Binds this thread to the `index`th (modulo their number) of the CPUs it may run on. The CPU, or -errno.
int dpu_pin_thread(int index);

/// Starts `program` with one argument (NULL: none). Descriptor 3 of the new process is `socket`; everything else of ours that is
/// closed on exec is closed in it, and it dies by no signal of our terminal's. The process id, or -errno.
int dpu_start_program(const char *program, const char *argument, int socket);
/// Sends a signal to a process that was started and not yet buried. 0, or -errno.
int dpu_signal_program(int pid, int number);
/// Whether a process that was started has ended; then it is buried and the id means nothing any more.
int dpu_program_ended(int pid);
