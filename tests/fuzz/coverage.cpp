// What libFuzzer needs to see which code an input reached, from GCC.
//
// GCC calls a function in each block of code (-fsanitize-coverage=trace-pc).
// libFuzzer has given that up; it reads counters, one per block, which clang
// would put into the code. Here they are in a table, by the block's address:
// two blocks may share one, which hides a little and harms nothing. The calls
// at comparisons (trace-cmp) are the same in both compilers, but for those of
// floating point numbers, which libFuzzer does not have.
//
// This file must not be instrumented itself.

#include <array>
#include <cstddef>
#include <cstdint>

namespace {

constexpr unsigned bits = 17;
constexpr std::size_t entries = std::size_t{1} << bits;

/// As libFuzzer's interface has it.
struct block {
  uintptr_t at;
  uintptr_t flags;
};

std::array<uint8_t, entries> counters;
std::array<block, entries> blocks;

} // namespace

extern "C" {

// The linker's: where the program begins in memory, so that a block has the
// same place in each run.
extern const char __executable_start;

void __sanitizer_cov_8bit_counters_init(uint8_t* from, uint8_t* to);
void __sanitizer_cov_pcs_init(const uintptr_t* from, const uintptr_t* to);

/// Stands for __sanitizer_cov_trace_pc (--wrap), as libFuzzer's ends the
/// program.
void __wrap___sanitizer_cov_trace_pc() {
  auto at = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  auto inside = at - reinterpret_cast<uintptr_t>(&__executable_start);
  auto i = (inside * 0x9e3779b97f4a7c15U) >> (64 - bits);
  ++counters[i];
  blocks[i].at = at;
}

void __sanitizer_cov_trace_cmpf(float /*x*/, float /*y*/) {
}

void __sanitizer_cov_trace_cmpd(double /*x*/, double /*y*/) {
}

} // extern "C"

namespace {

// libFuzzer's own state is there before any constructor runs.
[[maybe_unused]] const bool announced = [] {
  __sanitizer_cov_8bit_counters_init(counters.begin(), counters.end());
  const auto* first = reinterpret_cast<const uintptr_t*>(blocks.data());
  __sanitizer_cov_pcs_init(first, first + 2 * entries);
  return true;
}();

} // namespace
