// EAL's start, and what DPDK says.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char said[2048];
static size_t said_length;
static int is_started;

// Keeps the last bytes; whole lines are cut by the reader.
static ssize_t keep(void *cookie, const char *text, size_t length) {
  (void)cookie;
  pthread_mutex_lock(&lock);
  size_t take = length < sizeof said ? length : sizeof said - 1;
  if (said_length + take >= sizeof said) {
    size_t drop = said_length + take - (sizeof said - 1);
    memmove(said, said + drop, said_length - drop);
    said_length -= drop;
  }
  memcpy(said + said_length, text + (length - take), take);
  said_length += take;
  said[said_length] = 0;
  pthread_mutex_unlock(&lock);
  return (ssize_t)length;
}

void dpu_words_clear(void) {
  pthread_mutex_lock(&lock);
  said_length = 0;
  said[0] = 0;
  pthread_mutex_unlock(&lock);
}

void dpu_words_add(const char *text) {
  keep(NULL, text, strlen(text));
  keep(NULL, "\n", 1);
}

const char *dpu_dpdk_words(void) {
  static _Thread_local char answer[600];
  pthread_mutex_lock(&lock);
  size_t end = said_length;
  while (end > 0 && (said[end - 1] == '\n' || said[end - 1] == ' ')) end--;
  size_t first = end;
  // The last three lines: the first of them mostly says why.
  int lines = 0;
  while (first > 0 && lines < 3 && end - first < sizeof answer - 8) {
    first--;
    if (said[first] == '\n') lines++;
  }
  if (first < end && said[first] == '\n') first++;
  size_t used = 0;
  for (size_t i = first; i < end && used < sizeof answer - 3; i++) {
    if (said[i] == '\n') {
      answer[used++] = ';';
      answer[used++] = ' ';
    } else if ((unsigned char)said[i] >= 32) {
      answer[used++] = said[i];
    }
  }
  answer[used] = 0;
  pthread_mutex_unlock(&lock);
  return answer;
}

int dpu_dpdk_is_started(void) { return is_started; }
const char *dpu_dpdk_version(void) { return rte_version(); }

int dpu_dpdk_may_run_on(int32_t core) {
  cpu_set_t set;
  if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(getpid(), sizeof set, &set) != 0) return 0;
  return CPU_ISSET(core, &set) != 0;
}

int dpu_dpdk_start(int32_t count, const char *const *arguments) {
  static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&starting);
  // EAL cannot be started again after it failed: what it said then stays said.
  static int failed;
  int answer = failed;
  if (!is_started && !failed) {
    cookie_io_functions_t functions = {.write = keep};
    FILE *stream = fopencookie(NULL, "w", functions);
    if (stream) {
      setvbuf(stream, NULL, _IONBF, 0);
      rte_openlog_stream(stream);
    }
    dpu_words_clear();
    // EAL keeps and permutes what it gets.
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    for (int i = 0; copy && i < count; i++) copy[i] = strdup(arguments[i]);
    cpu_set_t before;
    int has_before = sched_getaffinity(0, sizeof before, &before) == 0;
    answer = copy ? rte_eal_init(count, copy) : -ENOMEM;
    if (answer < 0) {
      answer = rte_errno ? -rte_errno : -EINVAL;
      failed = answer;
    } else {
      answer = 0;
      is_started = 1;
    }
    if (has_before) (void)sched_setaffinity(0, sizeof before, &before);
  }
  pthread_mutex_unlock(&starting);
  return answer;
}
