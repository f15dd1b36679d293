#pragma once

// Decodes a record into one column and shows what the row would hold.

#include "tests/decode/sample.hpp"

#include <cstdint>
#include <format>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::test {

/// The first field of a tuple: nothing for NULL.
inline std::optional<std::string> first_field(const row_block& block) {
  auto bytes = std::string_view{
    reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()};
  auto big = [&](std::size_t at, std::size_t size) {
    uint32_t result = 0;
    for (std::size_t i = 0; i < size; ++i)
      result = result << 8 | static_cast<unsigned char>(bytes[at + i]);
    return result;
  };
  if (big(0, 2) != 1)
    throw std::runtime_error("not one field");
  auto length = static_cast<int32_t>(big(2, 4));
  if (length < 0)
    return std::nullopt;
  if (bytes.size() != 6 + static_cast<std::size_t>(length))
    throw std::runtime_error("wrong length");
  return std::string{bytes.substr(6)};
}

inline std::string hex(std::string_view bytes) {
  std::string out;
  for (auto c : bytes)
    out += std::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

/// A column `v` of one type. `operator()` decodes a payload and returns the
/// field's bytes, "NULL", or "reject: " and the reason.
class one_column {
public:
  explicit one_column(column_schema target, std::string expression = ".v")
    : decode_{program_of(std::move(target), std::move(expression))} {
    // nop
  }

  std::string operator()(std::string_view payload) {
    record_view record;
    record.topic = "t";
    record.partition = 3;
    record.offset = 4;
    record.timestamp_ms = 1'768'824'000'123;
    record.key = "k";
    record.value = payload;
    return decode(record);
  }

  std::string decode(const record_view& record) {
    memory_sink sink;
    auto result = decode_.decode(record, sink);
    auto& batch = result == outcome::unrouted ? sink.stray : sink.of("demo");
    if (batch.events != 1
        || batch.rejects.size() + batch.blocks.at(0).rows() != 1)
      throw std::runtime_error("an event must end in exactly one place");
    if (!batch.rejects.empty()) {
      last_stage = batch.rejects[0].stage;
      return "reject: " + batch.rejects[0].reason;
    }
    return first_field(batch.blocks[0]).value_or("NULL");
  }

  /// The same for a JSON value of the member `v`.
  std::string of(std::string_view json) {
    return (*this)(std::format("{{\"v\":{}}}", json));
  }

  reject_stage last_stage = reject_stage::decode;

private:
  static program_ptr program_of(column_schema target, std::string expression) {
    table_schema table{"s", "t", {std::move(target)}, {}};
    return compiled(pipeline("t", {{table.columns[0].name, expression}}),
                    {table});
  }

  decoder decode_;
};

/// numeric(p,s) as atttypmod.
constexpr int32_t numeric_typmod(int precision, int scale) {
  return ((precision << 16) | (scale & 0x7ff)) + 4;
}

/// A numeric's binary form as PostgreSQL prints it: an independent reading.
inline std::string numeric_text(std::string_view field) {
  auto at = [&](std::size_t i) {
    return static_cast<int16_t>(static_cast<unsigned char>(field[i * 2]) << 8
                                | static_cast<unsigned char>(field[i * 2 + 1]));
  };
  int groups = static_cast<uint16_t>(at(0));
  int weight = at(1);
  int scale = at(3);
  if (field.size() != 8 + static_cast<std::size_t>(groups) * 2)
    return "wrong size";
  auto group = [&](int i) {
    return i < 0 || i >= groups ? 0 : at(4 + static_cast<std::size_t>(i));
  };
  std::string out = at(2) == 0x4000 ? "-" : "";
  std::string integer;
  for (int i = 0; i <= weight; ++i)
    integer += std::format("{:04}", group(i));
  integer.erase(0, std::min(integer.find_first_not_of('0'), integer.size()));
  out += integer.empty() ? "0" : integer;
  std::string fraction;
  for (int i = weight + 1; std::ssize(fraction) < scale; ++i)
    fraction += std::format("{:04}", i < 0 ? 0 : group(i));
  fraction.resize(static_cast<std::size_t>(scale));
  return scale > 0 ? out + '.' + fraction : out;
}

} // namespace millrace::test
