#define _GNU_SOURCE
#include "cshim_sharing.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGETLBFS_MAGIC_NUMBER 0x958458f6
#define MOST_FDS 64

int dpu_memory_file(const char *name, uint64_t bytes, uint64_t huge_bytes) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_bytes != 0) flags |= MFD_HUGETLB | (unsigned)(__builtin_ctzll(huge_bytes) << 26);
  int fd = memfd_create(name, flags);
  if (fd < 0) return -errno;
  if (ftruncate(fd, (off_t)bytes) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  // The size is what both sides rely on. Kernels without seals for huge pages say so; the guard stays.
  (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

int dpu_file_facts(int fd, uint64_t *bytes, uint64_t *page_bytes, int *cannot_shrink) {
  struct stat facts;
  struct statfs system;
  *bytes = *page_bytes = 0;
  *cannot_shrink = 0;
  if (fstat(fd, &facts) != 0 || fstatfs(fd, &system) != 0) return -errno;
  if (!S_ISREG(facts.st_mode)) return 0;
  *bytes = (uint64_t)facts.st_size;
  *page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
  if ((uint32_t)system.f_type == HUGETLBFS_MAGIC_NUMBER) *page_bytes = (uint64_t)facts.st_blksize;
  int seals = fcntl(fd, F_GET_SEALS);
  *cannot_shrink = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  return 0;
}

int dpu_kept_file(const char *path, uint64_t bytes) {
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  struct stat facts;
  int wrong = 0;
  if (fstat(fd, &facts) != 0) wrong = errno;
  else if (!S_ISREG(facts.st_mode)) wrong = EINVAL;
  else if ((uint64_t)facts.st_size < bytes && ftruncate(fd, (off_t)bytes) != 0) wrong = errno;
  if (wrong == 0) return fd;
  close(fd);
  return -wrong;
}

void *dpu_map_shared(int fd, uint64_t offset, uint64_t bytes, int populate, int *error) {
  // Huge pages are reserved here or refused here, never missing later.
  int flags = MAP_SHARED | (populate ? MAP_POPULATE : 0);
  void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);
  if (map == MAP_FAILED) {
    *error = errno;
    return NULL;
  }
  return map;
}

int dpu_event_file(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

ssize_t dpu_send_message(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MOST_FDS)];
  } control;
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd_count > MOST_FDS) return -EINVAL;
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
  }
  ssize_t went;
  do went = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (went < 0 && errno == EINTR);
  return went < 0 ? -errno : went;
}

ssize_t dpu_receive_message(
    int socket, void *bytes, size_t count, int *fds, size_t fd_room, size_t *fd_count, int *cut) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int) * MOST_FDS)];
  } control;
  struct iovec part = {.iov_base = bytes, .iov_len = count};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *fd_count = 0;
  *cut = 0;
  ssize_t came;
  do came = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (came < 0 && errno == EINTR);
  if (came < 0) return -errno;
  // The kernel has closed what did not fit the control buffer.
  if (message.msg_flags & MSG_CTRUNC) *cut = 1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      if (*fd_count < fd_room)
        fds[(*fd_count)++] = fd;
      else {
        close(fd);
        *cut = 1;
      }
    }
  }
  return came;
}

static int unix_address(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (length == 0 || length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memcpy(address->sun_path, path, length);
  return 0;
}

int dpu_unix_listen(const char *path) {
  struct sockaddr_un address;
  int error = unix_address(path, &address);
  if (error != 0) return error;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  struct stat facts;
  if (lstat(path, &facts) == 0 && S_ISSOCK(facts.st_mode)) (void)unlink(path);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int dpu_unix_connect(const char *path) {
  struct sockaddr_un address;
  int error = unix_address(path, &address);
  if (error != 0) return error;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  // A unix socket connects at once or not at all.
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int dpu_unix_accept(int socket) {
  int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int dpu_unix_pair(int ends[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0 ? 0 : -errno;
}

int dpu_wait_readable(const int *fds, size_t count, int milliseconds, uint64_t *ready) {
  struct pollfd entries[64];
  *ready = 0;
  if (count > 64) return -EINVAL;
  for (size_t i = 0; i < count; i++) entries[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  int found = poll(entries, count, milliseconds);
  if (found < 0) return errno == EINTR ? 0 : -errno;
  for (size_t i = 0; i < count; i++)
    if (entries[i].revents != 0) *ready |= 1ull << i;
  return found;
}

// ---- The guard ----

#define GUARDS 1024
// A guard's base is stored last and cleared first, so that the handler sees whole guards only.
static struct {
  _Atomic uintptr_t base;
  _Atomic size_t bytes;
  _Atomic uint32_t lost;
  _Atomic uint32_t taken;
} guards[GUARDS];
static _Atomic uint64_t losses;
static struct sigaction before;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_bus(int signal, siginfo_t *info, void *context) {
  int saved = errno;
  uintptr_t at = (uintptr_t)info->si_addr;
  for (int i = 0; i < GUARDS; i++) {
    uintptr_t base = atomic_load_explicit(&guards[i].base, memory_order_acquire);
    size_t bytes = atomic_load_explicit(&guards[i].bytes, memory_order_relaxed);
    if (base == 0 || at - base >= bytes) continue;
    void *map = mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) break;
    if (atomic_exchange(&guards[i].lost, 1) == 0) atomic_fetch_add(&losses, 1);
    errno = saved;
    return;  // the access is repeated, and finds zeros
  }
  errno = saved;
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(signal, info, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    before.sa_handler(signal);
  else
    (void)sigaction(SIGBUS, &before, NULL);  // repeated, and ends the process as it would have
}

static void install(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_bus;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGBUS, &action, &before);
}

int dpu_guard_add(void *base, size_t bytes) {
  pthread_once(&once, install);
  for (int i = 0; i < GUARDS; i++) {
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong(&guards[i].taken, &free, 1)) continue;
    atomic_store(&guards[i].lost, 0);
    atomic_store(&guards[i].bytes, bytes);
    atomic_store(&guards[i].base, (uintptr_t)base);
    return i;
  }
  return -1;
}

void dpu_guard_remove(int number) {
  if (number < 0 || number >= GUARDS) return;
  atomic_store(&guards[number].base, 0);
  atomic_store(&guards[number].taken, 0);
}

int dpu_guard_is_lost(int number) {
  return number >= 0 && number < GUARDS && atomic_load_explicit(&guards[number].lost, memory_order_relaxed) != 0;
}

uint64_t dpu_guards_lost(void) { return atomic_load_explicit(&losses, memory_order_relaxed); }

// ---- Threads ----

int dpu_allowed_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int dpu_pin_thread(int index) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -errno;
  int count = CPU_COUNT(&allowed);
  if (count == 0) return -EINVAL;
  int wanted = (index % count + count) % count;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || wanted-- != 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0 ? cpu : -errno;
  }
  return -EINVAL;
}
