#pragma once

// What `millrace dlq` shows. Pure.

#include "actors/store/dead_letters.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// Whether a person can read the bytes: UTF-8 without control characters other
/// than line ends and tabs.
bool is_readable(std::string_view bytes);

/// Two hexadecimal digits per byte.
std::string hex_text(std::string_view bytes);

std::string dead_letters_text(const std::vector<dead_letter_info>& all);
std::string dead_letters_json(const std::vector<dead_letter_info>& all);

/// Bytes as text where they are readable, else `0x` and hexadecimal.
std::string dead_letter_text(const dead_letter& x);

/// `value_bytes` and `value_sha256` where only the beginning of the value was
/// kept. `key`, `value` and headers' values as text where they are readable, as
/// `key_hex` and so on where they are not; null where they were null.
std::string dead_letter_json(const dead_letter& x);

std::string counts_text(const std::vector<dead_letter_count>& all);
std::string counts_json(const std::vector<dead_letter_count>& all);

} // namespace millrace::cli
