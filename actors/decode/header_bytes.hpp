#pragma once

// How a dead letter keeps a record's headers; see `reject::headers`.

#include "actors/decode/record.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

/// Appends the length as int32, big endian (-1 for a null), and the bytes.
inline void append_header_text(std::string& out,
                               std::optional<std::string_view> text) {
  auto size = text ? static_cast<int32_t>(text->size()) : -1;
  for (auto shift : {24, 16, 8, 0})
    out += static_cast<char>(static_cast<uint32_t>(size) >> shift);
  out += text.value_or(std::string_view{});
}

inline void append_header(std::string& out, const header_view& x) {
  append_header_text(out, x.name);
  append_header_text(out, x.value);
}

} // namespace millrace
