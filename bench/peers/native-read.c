// Reads memory with several threads, each a part of its own, and prints 10^9 bytes per second of all together: what
// the machine gives native code. usage: native-read THREADS
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 5, MOST_THREADS = 1024 };
static const size_t TOTAL = (size_t)512 << 20;
static size_t words;
static pthread_barrier_t barrier;
static volatile uint64_t sink;
// Each thread's own times: who waits for them may be given a core only when they are done.
static double started[MOST_THREADS][PASSES], ended[MOST_THREADS][PASSES];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static uint64_t *make(void) {
  uint64_t *data = aligned_alloc(64, words * 8);
  if (!data) exit(1);
  // Pages that nobody has written are all the same page of zeros.
  memset(data, 1, words * 8);
  return data;
}

static void read_all(const uint64_t *data) {
  uint64_t sums[16] = {0};
  for (size_t i = 0; i < words; i += 16)
    for (int lane = 0; lane < 16; lane++) sums[lane] ^= data[i + lane];
  for (int lane = 0; lane < 16; lane++) sink ^= sums[lane];
}

static void *work(void *argument) {
  intptr_t thread = (intptr_t)argument;
  uint64_t *data = make();
  for (int pass = 0; pass < PASSES; pass++) {
    pthread_barrier_wait(&barrier);
    started[thread][pass] = now();
    read_all(data);
    ended[thread][pass] = now();
  }
  return NULL;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1;
  if (threads < 1 || threads > MOST_THREADS) return 2;
  words = TOTAL / 8 / threads & ~(size_t)15;
  pthread_barrier_init(&barrier, NULL, threads);
  pthread_t workers[MOST_THREADS];
  for (intptr_t i = 0; i < threads; i++) {
    if (pthread_create(&workers[i], NULL, work, (void *)i)) return 1;
  }
  for (int i = 0; i < threads; i++) pthread_join(workers[i], NULL);
  double best = 1e9;
  for (int pass = 0; pass < PASSES; pass++) {
    double first = started[0][pass], last = ended[0][pass];
    for (int i = 1; i < threads; i++) {
      if (started[i][pass] < first) first = started[i][pass];
      if (ended[i][pass] > last) last = ended[i][pass];
    }
    if (last - first < best) best = last - first;
  }
  printf("%.3f\n", (double)words * 8 * threads / best / 1e9);
  return 0;
}
