#pragma once

#include <cstddef>

namespace millrace::test {

/// Calls of operator new in the whole process so far. Linking this replaces
/// the operators, so it belongs into a test program of its own.
std::size_t allocations();

} // namespace millrace::test
