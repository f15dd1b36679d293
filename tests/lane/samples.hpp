#pragma once

// One lane with two partitions, and batches for it in one line.

#include "actors/lane/lane_core.hpp"
#include "messages/batch.hpp"
#include "messages/lane_reply.hpp"
#include "messages/lane_row.hpp"

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace millrace::test {

inline const lane_id sample_lane{"ticks", "demo", shard{0}};
inline constexpr map_version sample_version{3};
inline constexpr shape sample_shape{7};

inline partition_id sample_source(int32_t number = 0) {
  uuid topic;
  topic.bytes.fill(0xAB);
  return {topic, partition{number}};
}

/// What a batch holds; rows have one byte each unless `row_bytes` says more.
struct batch_spec {
  int64_t from = 0;
  int64_t to = 0;
  std::vector<int64_t> rows = {};
  std::vector<int64_t> rejects = {};
  int32_t partition = 0;
  int64_t number = 1;
  std::size_t row_bytes = 1;
  shape as = sample_shape;
  map_version map = sample_version;
};

inline batch_ptr make_sample(const batch_spec& x) {
  auto result = std::make_shared<batch>();
  result->lane = sample_lane;
  result->source = sample_source(x.partition);
  result->topic = "ticks";
  result->range = {{x.from}, {x.to}};
  result->map_version = x.map;
  result->shape = x.as;
  result->rewind = {x.number};
  auto& block = result->blocks.emplace_back();
  for (auto at : x.rows) {
    block.bytes.resize(block.bytes.size() + x.row_bytes);
    block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
    block.offsets.push_back(at);
  }
  for (auto at : x.rejects)
    result->rejects.emplace_back().at = {at};
  result->events = static_cast<int64_t>(x.rows.size() + x.rejects.size());
  return result;
}

/// A row as a takeover leaves it.
inline lane_row sample_row(std::initializer_list<int64_t> next_off,
                           std::initializer_list<int64_t> floors) {
  lane_row result;
  result.lane = sample_lane;
  result.epoch = {4};
  result.owner.bytes.fill(0x11);
  result.next_seq = {100};
  result.map_version = sample_version;
  result.shape = sample_shape;
  for (auto x : next_off)
    result.next_off.push_back({x});
  for (auto x : floors)
    result.floors.push_back({x});
  return result;
}

/// `ack 20`, `nack 10 #1` or `hand back 5 #1`.
inline std::string to_text(const lane_reply& x) {
  auto at = std::to_string(x.at.value);
  auto number = " #" + std::to_string(x.number.value);
  switch (x.what) {
    case lane_reply::kind::ack:
      return "ack " + at;
    case lane_reply::kind::nack:
      return "nack " + at + number;
    case lane_reply::kind::hand_back:
      return "hand back " + at + number;
  }
  return "?";
}

using texts = std::vector<std::string>;

inline texts to_texts(const std::vector<lane_reply>& xs) {
  texts result;
  for (const auto& x : xs)
    result.push_back(to_text(x));
  return result;
}

inline texts to_texts(const std::vector<addressed_reply>& xs) {
  texts result;
  for (const auto& x : xs)
    result.push_back(to_text(x.reply));
  return result;
}

} // namespace millrace::test
