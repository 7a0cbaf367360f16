#define _GNU_SOURCE
#include "cshim_sharing.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int dpu_start_program(const char *program, const char *argument, int socket) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  char *const words[] = {(char *)program, (char *)argument, NULL};
  // dup2 onto itself would leave the socket closed on exec.
  int above = socket == 3 ? fcntl(socket, F_DUPFD_CLOEXEC, 4) : socket;
  if (above < 0) return -errno;
  sigset_t none;
  sigemptyset(&none);
  int error = posix_spawn_file_actions_init(&actions);
  if (error == 0) error = posix_spawnattr_init(&attributes);
  if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, above, 3);
  // A group of its own: an interrupt at the terminal is its driver's to deal with.
  if (error == 0) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes, &none);
  pid_t pid = -1;
  if (error == 0) error = posix_spawn(&pid, program, &actions, &attributes, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (above != socket) close(above);
  return error != 0 ? -error : (int)pid;
}

int dpu_signal_program(int pid, int number) { return pid > 0 && kill(pid, number) == 0 ? 0 : -errno; }

int dpu_program_ended(int pid) {
  int status;
  pid_t which;
  do which = waitpid(pid, &status, WNOHANG);
  while (which < 0 && errno == EINTR);
  // Nobody's child any more: somebody else has buried it.
  return which == pid || (which < 0 && errno == ECHILD);
}
