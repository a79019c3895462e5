// Calls ggml's own matrix loops, of a prebuilt library, so that their instructions can be counted on an emulated
// processor: bench/arm/llama-cpp.mjs. All inputs are zeros: the loops do not look at values.
// usage: native-loops LIBRARY ROWS COLUMNS TOKENS FUNCTION...
// Marks "@@icount nothing", then "@@icount FUNCTION" after each, as bench/arm/count.mjs reads them.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// y[tokens][rows] of weights in groups of interleaved rows; tokens is 1 (gemv) or a multiple of 4 (gemm).
typedef void repacked(int columns, float *y, size_t stride, const void *weights, const void *x, int tokens, int rows);
// One row times one token.
typedef void vec_dot(int columns, float *y, size_t by, const void *row, size_t bx, const void *x, size_t bxx, int n);

static void mark(const char *tag) {
  char line[160];
  int length = snprintf(line, sizeof line, "@@icount %s\n", tag);
  if (write(2, line, length) != length) exit(1);
}

static void product(void *function, int dot, int rows, int columns, int tokens, float *y, const char *w, const char *x) {
  if (!dot) {
    ((repacked *)function)(columns, y, rows, w, x, tokens, rows);
    return;
  }
  // Any stride will do: 4 bytes a weight are the most there are.
  for (int row = 0; row < rows; row++)
    for (int token = 0; token < tokens; token++)
      ((vec_dot *)function)(columns, y + row, 0, w + (size_t)row * columns * 4, 0, x + (size_t)token * columns * 4, 0, 1);
}

int main(int count, char **arguments) {
  if (count < 6) return 2;
  void *library = dlopen(arguments[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  // ggml_cpu_init makes the tables that some loops read.
  void (*initialize)(void) = (void (*)(void))dlsym(library, "ggml_cpu_init");
  if (initialize) initialize();
  int rows = atoi(arguments[2]), columns = atoi(arguments[3]), batch = atoi(arguments[4]);
  float *y = calloc((size_t)rows * batch, sizeof *y);
  char *w = calloc((size_t)rows * columns, 4), *x = calloc((size_t)columns * batch, 4);
  for (int i = 5; i < count; i++) {
    const char *name = arguments[i];
    void *function = dlsym(library, name);
    if (!function) {
      fprintf(stderr, "%s has no %s\n", arguments[1], name);
      return 1;
    }
    int dot = strstr(name, "vec_dot") != NULL;
    // A vec_dot serves both: its batch costs the same for each token.
    int tokens = strstr(name, "gemm") ? batch : 1;
    product(function, dot, rows, columns, tokens, y, w, x);
    mark("-");
    mark("nothing");
    product(function, dot, rows, columns, tokens, y, w, x);
    mark(name);
  }
  return 0;
}
