// A QEMU plugin (9.0 and later) that counts executed ARM64 instructions by class, for tokens.sh.
// The program under test writes "@@icount TAG\n" to standard error, in one write; this answers, on the real
// standard error, with "@@icount TAG total=COUNT(+SINCE THE LAST TAG) sdot=...": of all threads, or, with the
// argument thread=on, of the thread that writes. Built by qemu-plugin.sh.
#include <glib.h>
#include <inttypes.h>
#include <qemu-plugin.h>
#include <stdio.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { TOTAL, SIMD, SDOT, SDOT_LANE, SMMLA, SMULL, FMLA, VECTOR_LOAD, VECTOR_STORE, CLASSES };
static const char *const names[CLASSES] = {
    "total", "simd", "sdot", "sdot_lane", "smmla", "smull", "fmla", "vector_load", "vector_store"};

static qemu_plugin_u64 counters[CLASSES];
static uint64_t last[CLASSES];
static bool one_thread;

static void print_counts(const char *tag, unsigned vcpu) {
  GString *line = g_string_new("@@icount ");
  g_string_append(line, tag);
  for (int i = 0; i < CLASSES; i++) {
    uint64_t count = one_thread ? qemu_plugin_u64_get(counters[i], vcpu) : qemu_plugin_u64_sum(counters[i]);
    g_string_append_printf(line, " %s=%" PRIu64 "(+%" PRIu64 ")", names[i], count, count - last[i]);
    last[i] = count;
  }
  fprintf(stderr, "%s\n", line->str);
  g_string_free(line, TRUE);
}

// SIMD and floating-point loads and stores, by encoding group: literal; pair; structure; register.
static int is_load(uint32_t word) {
  if ((word & 0x3B000000) == 0x18000000) return 1;
  return (word >> 22) & 1;
}

static int class_of(uint32_t word) {
  if ((word & 0x9FE0FC00) == 0x0E809400) return SDOT;
  if ((word & 0x9FC0F400) == 0x0F80E000) return SDOT_LANE;
  if ((word & 0xDFE0FC00) == 0x4E80A400) return SMMLA;
  if ((word & 0x9F20FC00) == 0x0E20C000 || (word & 0x9F20FC00) == 0x0E208000) return SMULL; // smull, smlal
  if ((word & 0xBFA0FC00) == 0x0E20CC00 || (word & 0xBF80F400) == 0x0F801000) return FMLA;
  if ((word & 0x0E000000) == 0x0C000000) return is_load(word) ? VECTOR_LOAD : VECTOR_STORE;
  return TOTAL; // of no class of its own
}

static void at_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  uint64_t counts[CLASSES] = {0};
  size_t length = qemu_plugin_tb_n_insns(block);
  for (size_t i = 0; i < length; i++) {
    uint32_t word = 0;
    qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i), &word, sizeof word);
    counts[TOTAL]++;
    if (((word >> 25) & 7) == 7) counts[SIMD]++;
    int class = class_of(word);
    if (class != TOTAL) counts[class]++;
  }
  for (int i = 0; i < CLASSES; i++) {
    if (counts[i] == 0) continue;
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, QEMU_PLUGIN_INLINE_ADD_U64, counters[i], counts[i]);
  }
}

static void at_syscall(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t file, uint64_t address,
                       uint64_t length, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  static const char prefix[] = "@@icount ";
  const size_t skip = sizeof prefix - 1;
  if (number != 64 || length <= skip || length > 200) return; // 64: write
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  if (!qemu_plugin_read_memory_vaddr(address, bytes, length) || memcmp(bytes->data, prefix, skip)) return;
  g_autofree char *tag = g_strndup((const char *)bytes->data + skip, length - skip);
  tag[strcspn(tag, "\n")] = 0;
  print_counts(tag, vcpu);
}

static void at_exit(qemu_plugin_id_t id, void *data) { print_counts("exit", 0); }

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  one_thread = argc == 1 && strcmp(argv[0], "thread=on") == 0;
  struct qemu_plugin_scoreboard *board = qemu_plugin_scoreboard_new(CLASSES * sizeof(uint64_t));
  for (int i = 0; i < CLASSES; i++) counters[i] = (qemu_plugin_u64){board, i * sizeof(uint64_t)};
  qemu_plugin_register_vcpu_tb_trans_cb(id, at_translate);
  qemu_plugin_register_vcpu_syscall_cb(id, at_syscall);
  qemu_plugin_register_atexit_cb(id, at_exit, NULL);
  return 0;
}
