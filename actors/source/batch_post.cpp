#include "actors/source/batch_post.hpp"

#include "messages/packing.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace millrace {

namespace {

std::size_t row_begin(const row_block& x, std::size_t row) {
  return row == 0 ? 0 : x.row_ends[row - 1];
}

/// What each record of the batch holds, by offset.
std::map<offset, std::size_t> bytes_by_record(const batch& x) {
  std::map<offset, std::size_t> result;
  for (const auto& block : x.blocks)
    for (std::size_t i = 0; i < block.rows(); ++i)
      result[offset{block.offsets[i]}]
        += block.row_ends[i] - row_begin(block, i) + sizeof(uint32_t)
           + sizeof(int64_t) + (block.keys.empty() ? 0 : sizeof(key_hash));
  for (const auto& r : x.rejects)
    result[r.at] += sizeof(reject) + r.key.size() + r.value.size()
                    + r.headers.size() + r.reason.size();
  return result;
}

/// The block's rows of records in the range.
row_block rows_within(const row_block& x, offset_range range) {
  auto index = [&x](offset at) {
    auto i = std::ranges::lower_bound(x.offsets, at.value);
    return static_cast<std::size_t>(i - x.offsets.begin());
  };
  auto first = index(range.from);
  auto last = index(range.to);
  row_block result;
  if (first == last)
    return result;
  auto at = [](auto& list, std::size_t i) {
    return list.begin() + static_cast<std::ptrdiff_t>(i);
  };
  auto start = row_begin(x, first);
  result.bytes.assign(at(x.bytes, start), at(x.bytes, x.row_ends[last - 1]));
  result.offsets.assign(at(x.offsets, first), at(x.offsets, last));
  if (!x.keys.empty())
    result.keys.assign(at(x.keys, first), at(x.keys, last));
  for (auto i = first; i < last; ++i)
    result.row_ends.push_back(static_cast<uint32_t>(x.row_ends[i] - start));
  return result;
}

/// The part of a batch that is in the range, without counts.
batch part_of(const batch& x, offset_range range) {
  batch result;
  result.lane = x.lane;
  result.source = x.source;
  result.topic = x.topic;
  result.range = range;
  result.map_version = x.map_version;
  result.shape = x.shape;
  result.rewind = x.rewind;
  result.oldest_timestamp_ms = x.oldest_timestamp_ms;
  result.newest_timestamp_ms = x.newest_timestamp_ms;
  for (const auto& block : x.blocks)
    result.blocks.push_back(rows_within(block, range));
  for (const auto& r : x.rejects)
    if (range.contains(r.at))
      result.rejects.push_back(r);
  return result;
}

} // namespace

std::vector<batch_ptr> split_batch(const batch_ptr& x, std::size_t max_bytes) {
  if (size_bytes(*x) <= max_bytes)
    return {x};
  std::vector<batch_ptr> result;
  auto from = x->range.from;
  auto counted = int64_t{0};
  auto records = int64_t{0};
  auto bytes = sizeof(batch);
  auto close = [&](offset to) {
    auto part = std::make_shared<batch>(part_of(*x, {from, to}));
    part->events = records;
    counted += records;
    records = 0;
    bytes = sizeof(batch);
    from = to;
    result.push_back(part);
    return part;
  };
  for (const auto& [at, size] : bytes_by_record(*x)) {
    if (records > 0 && bytes + size > max_bytes)
      close(at);
    bytes += size;
    ++records;
  }
  auto last = close(x->range.to);
  last->filtered = x->filtered;
  last->crossed = x->crossed;
  last->events += x->events - counted;
  return result;
}

void post_batch(const caf::actor& writer, lane_batch x,
                pipeline_metrics& metrics) {
  if (writer.node() == x.reply_to.node()) {
    caf::anon_send(writer, std::move(x));
    return;
  }
  for (auto& part : split_batch(x.data, max_frame_bytes)) {
    metrics.peer_batches_sent->inc();
    metrics.peer_bytes_sent->inc(static_cast<int64_t>(size_bytes(*part)));
    if (size_bytes(*part) <= max_frame_bytes) {
      caf::anon_send(writer, lane_batch{std::move(part), x.at, x.reply_to});
      continue;
    }
    framed whole{pack(writer->home_system(), *part)};
    for (uint64_t from = 0; from < whole.total(); from += max_frame_bytes)
      caf::anon_send(writer, batch_frame{whole.cut(from), x.at, x.reply_to});
  }
}

} // namespace millrace
