#include "tests/decode/allocation_counter.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> calls{0};

} // namespace

namespace millrace::test {

std::size_t allocations() {
  return calls;
}

} // namespace millrace::test

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++calls;
  return std::malloc(size);
}

void* operator new(std::size_t size) {
  if (auto result = operator new(size, std::nothrow))
    return result;
  throw std::bad_alloc{};
}

void operator delete(void* x) noexcept {
  std::free(x);
}

void operator delete(void* x, std::size_t) noexcept {
  std::free(x);
}
