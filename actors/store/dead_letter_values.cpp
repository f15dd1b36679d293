// The parts of dead letters that need no database.

#include "actors/store/dead_letters.hpp"

#include <bit>
#include <cstring>
#include <utility>

namespace millrace {

std::string to_string(const dead_letter_id& x) {
  return to_string(x.lane) + ' ' + std::to_string(x.number.value);
}

bool dead_letter_filter::empty() const {
  return !one && !pipeline && !tenant && !topic && !stage && !sqlstate
         && !reason && !since_ms && !until_ms;
}

std::optional<std::vector<dead_letter_header>>
parse_headers(std::string_view raw) {
  std::vector<dead_letter_header> result;
  auto take = [&raw](std::optional<std::string>& to) {
    int32_t size = 0;
    if (raw.size() < sizeof(size))
      return false;
    std::memcpy(&size, raw.data(), sizeof(size));
    if constexpr (std::endian::native == std::endian::little)
      size = std::byteswap(size);
    raw.remove_prefix(sizeof(size));
    if (size < -1 || static_cast<int64_t>(raw.size()) < size)
      return false;
    if (size < 0)
      return true;
    to = raw.substr(0, static_cast<std::size_t>(size));
    raw.remove_prefix(static_cast<std::size_t>(size));
    return true;
  };
  while (!raw.empty()) {
    std::optional<std::string> name;
    dead_letter_header next;
    if (!take(name) || !name || !take(next.value))
      return std::nullopt;
    next.name = std::move(*name);
    result.push_back(std::move(next));
  }
  return result;
}

} // namespace millrace
