#include "actors/source/kafka_reader.hpp"

#include "actors/decode/record.hpp"
#include "actors/source/kafka_consumer.hpp"
#include "actors/source/kafka_handle.hpp"

#include <librdkafka/rdkafka.h>

#include <condition_variable>
#include <format>
#include <mutex>

namespace millrace {

using namespace kafka_detail;

namespace {

/// Lets the calling thread sleep until librdkafka has something.
class doorbell {
public:
  void ring() {
    std::lock_guard lock{mutex_};
    rung_ = true;
    changed_.notify_one();
  }

  void wait(std::chrono::milliseconds longest) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, longest, [this] { return rung_; });
    rung_ = false;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

/// Visits the records below `end`.
template <class F>
class range_visitor final : public record_visitor {
public:
  range_visitor(offset end, F take) : end_{end}, take_{std::move(take)} {
  }

  bool visit(const record_view& record) override {
    if (record.offset < end_.value)
      take_(record);
    return record.offset + 1 < end_.value;
  }

private:
  offset end_;
  F take_;
};

kafka_record copy(const record_view& x) {
  kafka_record result;
  result.at = {x.offset};
  result.timestamp_ms = x.timestamp_ms;
  result.key = x.key;
  result.value = x.value;
  if (x.lazy_headers != nullptr)
    for (const auto& header : x.lazy_headers->load())
      result.headers.emplace_back(header.name, header.value);
  return result;
}

/// Takes what comes, until it is enough.
class stretch_visitor final : public record_visitor {
public:
  stretch_visitor(kafka_stretch& to, std::size_t bytes)
    : to_{to},
      left_{bytes} {
  }

  bool visit(const record_view& record) override {
    auto& x = to_.records.emplace_back(copy(record));
    to_.to = offset{record.offset + 1};
    auto size = size_bytes(x);
    auto enough = size >= left_;
    left_ -= enough ? left_ : size;
    return !enough;
  }

private:
  kafka_stretch& to_;
  std::size_t left_;
};

} // namespace

std::size_t size_bytes(const kafka_record& x) {
  auto size_of = [](const std::optional<std::string>& text) {
    return text ? text->size() : 0;
  };
  auto result = size_of(x.key) + size_of(x.value);
  for (const auto& [name, value] : x.headers)
    result += name.size() + size_of(value);
  return result;
}

struct kafka_reader::impl {
  kafka_consumer consumer;
  std::shared_ptr<doorbell> bell;

  /// Reads until the log is known up to `to`.
  std::expected<void, kafka_error>
  read(const kafka_partition& which, offset from, offset to,
       std::chrono::milliseconds timeout, record_visitor& visitor);
};

kafka_reader::kafka_reader(std::unique_ptr<impl> x) noexcept
  : impl_{std::move(x)} {
}

kafka_reader::kafka_reader(kafka_reader&&) noexcept = default;

kafka_reader& kafka_reader::operator=(kafka_reader&&) noexcept = default;

kafka_reader::~kafka_reader() = default;

std::expected<kafka_reader, kafka_error>
kafka_reader::open(const kafka_properties& properties) {
  auto bell = std::make_shared<doorbell>();
  kafka_consumer_config config;
  config.properties = properties;
  config.group = "millrace-reader";
  config.on_wakeup = [bell] { bell->ring(); };
  auto consumer = kafka_consumer::open(std::move(config));
  if (!consumer)
    return std::unexpected{consumer.error()};
  return kafka_reader{std::make_unique<impl>(std::move(*consumer), bell)};
}

std::expected<void, kafka_error>
kafka_reader::impl::read(const kafka_partition& which, offset from, offset to,
                         std::chrono::milliseconds timeout,
                         record_visitor& visitor) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  auto queue = consumer.assign({which, from});
  if (!queue)
    return std::unexpected{queue.error()};
  (*queue)->set_wakeup([this_bell = bell] { this_bell->ring(); });
  std::expected<void, kafka_error> verdict;
  std::string last_error;
  for (;;) {
    auto got = (*queue)->drain({}, visitor);
    if (got.position >= to)
      break;
    auto errors = consumer.poll();
    if (got.error)
      errors.push_back(*got.error);
    for (auto& error : errors) {
      last_error = std::format("; last error: {}", error.message);
      if (error.action != kafka_action::retry)
        verdict = std::unexpected{std::move(error)};
    }
    if (!verdict)
      break;
    if (got.more)
      continue;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      verdict = std::unexpected{
        classify(RD_KAFKA_RESP_ERR__TIMED_OUT,
                 std::format("second reading of {} from {} to {}, got to {}{}",
                             describe(which), from.value, to.value,
                             got.position.value, last_error))};
      break;
    }
    bell->wait(std::min(left, std::chrono::milliseconds{100}));
  }
  consumer.unassign(std::span{&which, 1});
  return verdict;
}

std::expected<std::vector<int64_t>, kafka_error>
kafka_reader::read_offsets(const kafka_partition& which, offset from, offset to,
                           std::chrono::milliseconds timeout) {
  std::vector<int64_t> found;
  if (to <= from)
    return found;
  if (to - from > max_range)
    return std::unexpected{
      classify(RD_KAFKA_RESP_ERR__INVALID_ARG,
               std::format("second reading of {}: {} offsets are too many",
                           describe(which), to - from))};
  range_visitor visitor{to, [&](const record_view& x) {
                          found.push_back(x.offset);
                        }};
  return impl_->read(which, from, to, timeout, visitor).transform([&] {
    return std::move(found);
  });
}

std::expected<std::optional<kafka_record>, kafka_error>
kafka_reader::read_record(const kafka_partition& which, offset at,
                          std::chrono::milliseconds timeout) {
  return read_stretch(which, at, 0, timeout)
    .transform([at](kafka_stretch&& x) -> std::optional<kafka_record> {
      if (x.records.empty() || x.records.front().at != at)
        return std::nullopt;
      return std::move(x.records.front());
    });
}

std::expected<kafka_stretch, kafka_error>
kafka_reader::read_stretch(const kafka_partition& which, offset from,
                           std::size_t bytes,
                           std::chrono::milliseconds timeout) {
  kafka_stretch result{from, from + 1, {}};
  stretch_visitor visitor{result, bytes};
  return impl_->read(which, from, from + 1, timeout, visitor).transform([&] {
    return std::move(result);
  });
}

} // namespace millrace
