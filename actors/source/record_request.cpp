// A record read once more for its dead letter (protocol.md rule 16): what
// PARTITION CONSUMER and SOURCE do for a LANE WRITER.

#include "actors/decode/header_bytes.hpp"
#include "actors/source/partition_consumer.hpp"
#include "actors/source/source.hpp"
#include "messages/packing.hpp"

#include <utility>

namespace millrace {

namespace {

/// Read along with a record that is wanted.
constexpr std::size_t stretch_bytes = std::size_t{1} << 20;

record_copy to_copy(const kafka_record* from) {
  record_copy result;
  if (from == nullptr)
    return result;
  const auto& x = *from;
  result.found = true;
  result.has_key = x.key.has_value();
  result.has_value = x.value.has_value();
  result.key = x.key.value_or(std::string{});
  result.value = x.value.value_or(std::string{});
  for (const auto& [name, value] : x.headers)
    append_header(result.headers, {name, value});
  result.timestamp_ms = x.timestamp_ms;
  return result;
}

/// Whatever it is, the lane waits and asks again: nothing is lost by that.
caf::error later(const kafka_error& x) {
  return caf::make_error(source_errc::retry, x.message);
}

} // namespace

caf::result<frame> partition_consumer_state::fetch(const record_request& x) {
  if (x.source != config_.feed.source)
    return caf::make_error(source_errc::retry, "another partition");
  return self_->delegate(peers_.source, fetch_request{config_.feed.topic,
                                                      x.source, x.at, x.from});
}

caf::result<frame> source_state::fetch(const fetch_request& x) {
  auto goes_on = x.from > 0 && large_record_
                 && large_record_->source == x.source
                 && large_record_->at == x.at;
  if (!goes_on) {
    large_record_.reset();
    auto record = read_again(x);
    if (!record)
      return std::move(record.error());
    large_record_.emplace(x.source, x.at,
                          framed{pack(self_->system(), *record)});
  }
  auto result = large_record_->packed.cut(x.from);
  if (result.from + result.bytes.size() == result.total)
    large_record_.reset();
  return result;
}

caf::expected<record_copy> source_state::read_again(const fetch_request& x) {
  if (!client_)
    return caf::make_error(source_errc::retry, "not connected yet");
  if (auto known = shelf_.find(x.source, x.at))
    return to_copy(*known);
  if (!reader_) {
    auto reader = kafka_reader::open(config_.properties);
    if (!reader)
      return later(reader.error());
    reader_ = std::move(*reader);
  }
  auto read = reader_->read_stretch({x.topic, x.source.number}, x.at,
                                    stretch_bytes, config_.kafka_timeout);
  if (!read && read.error().code == kafka_errc::offset_out_of_range)
    return record_copy{};
  if (!read)
    return later(read.error());
  // Asked afterwards: a topic that still has its id had it while we read.
  auto info = client_->describe_topic(x.topic, config_.kafka_timeout);
  if (!info)
    return later(info.error());
  if (info->id != x.source.topic)
    return record_copy{};
  record_copy result;
  if (!read->records.empty() && read->records.front().at == x.at)
    result = to_copy(&read->records.front());
  shelf_.keep(x.source, std::move(*read));
  return result;
}

} // namespace millrace
