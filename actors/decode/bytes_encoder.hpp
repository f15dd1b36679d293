#pragma once

// Encoders of types whose values are other bytes than a text's characters.

#include "actors/decode/encoder.hpp"
#include "actors/decode/json_scan.hpp"

#include <cstddef>
#include <string_view>

namespace millrace::detail {

/// The string without escapes, in the workspace when it had any. Callers that
/// care for NUL look for it.
inline std::string_view plain_text(const value& x, workspace& space) {
  if (!x.escaped)
    return x.text;
  space.text.truncate(0);
  auto from = space.text.room(x.text.size());
  auto to = unescape(x.text, from);
  return {from, static_cast<std::size_t>(to - from)};
}

/// 16 bytes, from 32 hexadecimal digits with hyphens or without.
complaint put_uuid(const value& x, output& out, workspace& space);

/// As in the payload; text from elsewhere must be JSON by itself. `binary` for
/// jsonb, whose value begins with its version.
complaint put_json(const value& x, bool binary, output& out, workspace& space);

/// The payload as it came, or what hexadecimal text says.
complaint put_bytes(const value& x, output& out, workspace& space);

} // namespace millrace::detail
