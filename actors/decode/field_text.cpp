#include "actors/decode/encoder.hpp"
#include "actors/decode/explain.hpp"
#include "actors/decode/moment.hpp"

#include <bit>
#include <format>
#include <utility>

namespace millrace {

using namespace detail;

namespace {

template <class T>
T big(std::string_view bytes) {
  uint64_t result = 0;
  for (auto c : bytes.substr(0, sizeof(T)))
    result = result << 8 | static_cast<unsigned char>(c);
  return static_cast<T>(result);
}

std::string hex(std::string_view bytes) {
  std::string out;
  for (auto c : bytes)
    out += std::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string moment_text(int64_t microseconds) {
  char text[max_moment];
  return {text, write_moment(microseconds, text)};
}

/// Digits in groups of four; see numeric.hpp.
std::string numeric_text(std::string_view field) {
  auto groups = big<uint16_t>(field);
  auto weight = big<int16_t>(field.substr(2));
  auto sign = big<uint16_t>(field.substr(4));
  auto scale = big<uint16_t>(field.substr(6));
  if (sign == 0xc000)
    return "NaN";
  auto group = [&](int i) {
    return i < 0 || i >= groups
             ? 0
             : big<int16_t>(field.substr(8 + static_cast<std::size_t>(i) * 2));
  };
  std::string whole;
  for (int i = 0; i <= weight; ++i)
    whole += std::format("{:04}", group(i));
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  std::string fraction;
  for (int i = weight + 1; std::ssize(fraction) < scale; ++i)
    fraction += std::format("{:04}", group(i));
  fraction.resize(scale);
  return (sign == 0x4000 ? "-" : "") + (whole.empty() ? "0" : whole)
         + (fraction.empty() ? "" : "." + fraction);
}

std::string text_of(encoder_kind kind, std::string_view field);

std::string array_text(encoder_kind element, std::string_view field) {
  std::string out;
  if (big<int32_t>(field) > 0) {
    auto count = big<int32_t>(field.substr(12));
    field.remove_prefix(20);
    for (; count > 0; --count) {
      auto size = big<int32_t>(field);
      field.remove_prefix(4);
      if (!out.empty())
        out += ',';
      if (size < 0) {
        out += "NULL";
        continue;
      }
      out += text_of(element, field.substr(0, static_cast<std::size_t>(size)));
      field.remove_prefix(static_cast<std::size_t>(size));
    }
  }
  return '{' + out + '}';
}

std::string text_of(encoder_kind kind, std::string_view field) {
  switch (kind) {
    case encoder_kind::int2:
      return std::to_string(big<int16_t>(field));
    case encoder_kind::int4:
      return std::to_string(big<int32_t>(field));
    case encoder_kind::int8:
      return std::to_string(big<int64_t>(field));
    case encoder_kind::float4:
      return std::format("{}", std::bit_cast<float>(big<uint32_t>(field)));
    case encoder_kind::float8:
      return std::format("{}", std::bit_cast<double>(big<uint64_t>(field)));
    case encoder_kind::numeric:
      return numeric_text(field);
    case encoder_kind::boolean:
      return field[0] != 0 ? "true" : "false";
    case encoder_kind::timestamp: {
      auto text = moment_text(big<int64_t>(field));
      text.pop_back();
      return text;
    }
    case encoder_kind::timestamptz:
      return moment_text(big<int64_t>(field));
    case encoder_kind::date: {
      auto text = moment_text(int64_t{big<int32_t>(field)} * 86'400'000'000);
      return text.substr(0, text.find('T'));
    }
    case encoder_kind::time: {
      auto at = big<int64_t>(field);
      if (at == 86'400'000'000)
        return "24:00:00";
      auto text = moment_text(at);
      return text.substr(11, text.size() - 12);
    }
    case encoder_kind::uuid: {
      auto text = hex(field);
      for (auto place : {8u, 13u, 18u, 23u})
        text.insert(place, 1, '-');
      return text;
    }
    case encoder_kind::jsonb:
      return std::string{field.substr(1)};
    case encoder_kind::bytea:
      return "\\x" + hex(field);
    default:
      return std::string{field};
  }
}

} // namespace

std::string field_text(const column_schema& column, std::string_view field) {
  auto how = encoder_for(column);
  if (!how)
    return "\\x" + hex(field);
  return how->kind == encoder_kind::array ? array_text(how->element, field)
                                          : text_of(how->kind, field);
}

} // namespace millrace
