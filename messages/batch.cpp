#include "messages/batch.hpp"

#include <algorithm>

namespace millrace {

std::string to_string(reject_stage x) {
  switch (x) {
    case reject_stage::decode:
      return "decode";
    case reject_stage::map:
      return "map";
    case reject_stage::store:
      return "store";
    case reject_stage::waiting:
      return "waiting";
  }
  return "unknown";
}

std::size_t size_bytes(const batch& x) {
  std::size_t result = sizeof(batch);
  for (const auto& block : x.blocks)
    result += block.bytes.size() + block.row_ends.size() * sizeof(uint32_t)
              + block.offsets.size() * sizeof(int64_t)
              + block.keys.size() * sizeof(key_hash);
  for (const auto& r : x.rejects)
    result += sizeof(reject) + r.key.size() + r.value.size() + r.headers.size()
              + r.reason.size();
  return result;
}

std::optional<offset> first_event(const batch& x) {
  std::optional<offset> result;
  auto take = [&result](offset at) {
    result = result ? std::min(*result, at) : at;
  };
  for (const auto& block : x.blocks)
    if (!block.offsets.empty())
      take(offset{block.offsets.front()});
  if (!x.rejects.empty())
    take(x.rejects.front().at);
  return result;
}

} // namespace millrace
