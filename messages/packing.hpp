#pragma once

// A message as the bytes that travel between nodes. For what is cut into
// frames; all else CAF packs by itself.

#include <caf/actor_system.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/byte_buffer.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace millrace {

template <class T>
std::string pack(caf::actor_system& sys, const T& x) {
  caf::byte_buffer bytes;
  caf::binary_serializer to{sys, bytes};
  if (!to.apply(x))
    return {};
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Nothing where the bytes are no such message, or more than one.
template <class T>
std::optional<T> unpack(caf::actor_system& sys, std::string_view bytes) {
  caf::binary_deserializer from{
    sys, caf::as_bytes(caf::make_span(bytes.data(), bytes.size()))};
  T result;
  if (!from.apply(result) || from.remaining() > 0)
    return std::nullopt;
  return result;
}

} // namespace millrace
