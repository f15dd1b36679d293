#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>

namespace millrace {

/// Largest configuration file or pack.
constexpr std::size_t max_file_bytes = 1 << 20;

/// Largest file that holds a secret.
constexpr std::size_t max_secret_bytes = 64 << 10;

/// Reads a regular file of at most `limit_bytes`, or says what stands there
/// instead, for example "a directory". Never waits: neither for the writer of
/// a FIFO nor for a device. Looks at the size before it reads.
std::expected<std::string, std::string>
read_regular_file(const std::filesystem::path& file, std::size_t limit_bytes);

} // namespace millrace
