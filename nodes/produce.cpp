#include "nodes/produce.hpp"

#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "config/rfc3339.hpp"
#include "nodes/line_source.hpp"
#include "nodes/recorded_line.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <format>
#include <thread>

#include <simdjson.h>

namespace millrace {

namespace {

using clock = std::chrono::steady_clock;

static_assert(line_source::padding >= simdjson::SIMDJSON_PADDING);

/// A sleep must not keep a request to stop waiting.
constexpr std::chrono::milliseconds longest_nap{50};

/// What one line says about its record.
struct line_facts {
  std::optional<std::string_view> key;
  std::optional<int64_t> timestamp_ms;
};

/// Looks members up in lines, without building documents.
class line_reader {
public:
  explicit line_reader(const produce_config& config)
    : key_{config.key},
      timestamp_{config.timestamp_field} {
  }

  /// Views live until the next call.
  line_facts read(std::string_view line) {
    line_facts facts;
    if (key_.empty() && timestamp_.empty())
      return facts;
    simdjson::ondemand::document document;
    simdjson::padded_string_view text{line.data(), line.size(),
                                      line.size() + line_source::padding};
    simdjson::ondemand::object object;
    if (parser_.iterate(text).get(document) != simdjson::SUCCESS
        || document.get_object().get(object) != simdjson::SUCCESS)
      return facts;
    if (!key_.empty())
      facts.key = member(object, key_);
    if (!timestamp_.empty())
      if (auto found = member(object, timestamp_))
        facts.timestamp_ms = to_ms(*found);
    return facts;
  }

private:
  static std::optional<std::string_view>
  member(simdjson::ondemand::object& object, const std::string& name) {
    simdjson::ondemand::value value;
    if (object.find_field_unordered(name).get(value) != simdjson::SUCCESS)
      return std::nullopt;
    std::string_view text;
    if (value.get_string().get(text) == simdjson::SUCCESS)
      return text;
    if (value.raw_json().get(text) != simdjson::SUCCESS || text == "null")
      return std::nullopt;
    while (text.ends_with(' '))
      text.remove_suffix(1);
    return text;
  }

  static std::optional<int64_t> to_ms(std::string_view text) {
    int64_t number = 0;
    auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(),
                                        number);
    if (code == std::errc{} && stop == text.data() + text.size())
      return number;
    return parse_rfc3339_ms(text);
  }

  const std::string& key_;
  const std::string& timestamp_;
  simdjson::ondemand::parser parser_;
};

/// Holds the stream of records to a rate, without drift: what a nap came too
/// late for is sent at once afterwards.
class pace {
public:
  explicit pace(double rate) : rate_{rate} {
  }

  /// Waits until record number `n` is due.
  void await(int64_t n, const std::stop_token& stop) {
    if (rate_ <= 0)
      return;
    auto due = start_
               + std::chrono::duration_cast<clock::duration>(
                 std::chrono::duration<double>{static_cast<double>(n) / rate_});
    for (auto now = clock::now(); now < due && !stop.stop_requested();
         now = clock::now())
      std::this_thread::sleep_for(
        std::min<clock::duration>(due - now, longest_nap));
  }

private:
  double rate_;
  clock::time_point start_ = clock::now();
};

std::expected<int32_t, std::string> ensure_topic(const produce_config& config) {
  auto client = kafka_client::open(config.properties);
  if (!client)
    return std::unexpected{client.error().message};
  auto deadline = clock::now() + config.timeout;
  auto info = client->describe_topic(config.topic, config.timeout);
  if (!info && info.error().code == kafka_errc::topic_missing
      && config.partitions > 0) {
    auto made = client->create_topic(config.topic, config.partitions, {},
                                     config.timeout);
    if (!made && made.error().code != kafka_errc::topic_exists)
      return std::unexpected{made.error().message};
    // The brokers learn of it one after the other.
    while (!(info = client->describe_topic(config.topic, config.timeout))
           && clock::now() < deadline)
      std::this_thread::sleep_for(longest_nap);
  }
  if (!info) {
    auto hint = info.error().code == kafka_errc::topic_missing
                  ? "; --partitions N creates it"
                  : "";
    return std::unexpected{info.error().message + hint};
  }
  return info->partitions;
}

/// The state of one call of `produce`.
class run {
public:
  run(const produce_config& config, kafka_producer producer, line_source lines,
      std::stop_token stop)
    : config_{config},
      producer_{std::move(producer)},
      lines_{std::move(lines)},
      stop_{std::move(stop)},
      reader_{config},
      pace_{config.rate} {
  }

  produce_stats& stats() {
    return stats_;
  }

  std::expected<void, std::string> all_passes() {
    while (config_.repeat == 0 || stats_.passes < config_.repeat) {
      auto before = before_pass_ = stats_.records;
      if (auto done = one_pass(); !done)
        return done;
      if (enough())
        break;
      ++stats_.passes;
      if (stats_.records == before)
        return std::unexpected{
          std::format("{}: there is nothing to send", config_.input)};
      lines_.rewind();
    }
    auto done = producer_.flush(config_.timeout);
    account();
    if (!done)
      return std::unexpected{done.error().message};
    return {};
  }

private:
  bool enough() const {
    return stop_.stop_requested()
           || (config_.limit > 0 && stats_.records >= config_.limit);
  }

  std::expected<void, std::string> one_pass() {
    // Looking at the clock for every record would cost more than the record.
    constexpr int64_t clock_every = 256;
    while (!enough()) {
      auto line = lines_.next();
      if (!line)
        return std::unexpected{line.error()};
      if (!*line)
        return {};
      pace_.await(stats_.records, stop_);
      auto done = config_.recorded ? send_recorded(**line) : send(**line);
      if (!done)
        return std::unexpected{done.error().message};
      if (config_.rate > 0 || stats_.records % clock_every == 0)
        report();
    }
    return {};
  }

  std::expected<void, kafka_error> send(std::string_view line) {
    auto facts = reader_.read(line);
    auto done = producer_.send({.key = facts.key,
                                .value = line,
                                .headers = config_.headers,
                                .timestamp_ms = facts.timestamp_ms,
                                .where = {}},
                               config_.timeout);
    if (!done)
      return done;
    ++stats_.records;
    stats_.bytes += static_cast<int64_t>(line.size());
    if (facts.key)
      stats_.bytes += static_cast<int64_t>(facts.key->size());
    else if (!config_.key.empty())
      ++stats_.without_key;
    if (!facts.timestamp_ms && !config_.timestamp_field.empty())
      ++stats_.without_timestamp;
    return {};
  }

  std::expected<void, kafka_error> send_recorded(std::string_view line) {
    auto record = recorded_.read(line);
    if (!record)
      return std::unexpected{kafka_error{
        kafka_errc::other, kafka_action::quit, 0,
        std::format("{}:{}: {}", config_.input,
                    stats_.records - before_pass_ + 1, record.error())}};
    auto& x = **record;
    auto headers = x.headers;
    headers.insert(headers.end(), config_.headers.begin(),
                   config_.headers.end());
    outgoing_record out{.key = x.key,
                        .value = x.value,
                        .headers = headers,
                        .timestamp_ms = x.timestamp_ms,
                        .where = {}};
    if (x.partition)
      out.where = partition{*x.partition};
    auto done = producer_.send(out, config_.timeout);
    if (!done)
      return done;
    ++stats_.records;
    stats_.bytes += std::ssize(x.key.value_or(""))
                    + std::ssize(x.value.value_or(""));
    return {};
  }

  void account() {
    stats_.delivered = producer_.delivered();
    stats_.elapsed = clock::now() - start_;
  }

  void report() {
    auto now = clock::now();
    if (!config_.on_progress || now < next_report_)
      return;
    next_report_ = now + config_.progress_interval;
    account();
    config_.on_progress(stats_);
  }

  const produce_config& config_;
  kafka_producer producer_;
  line_source lines_;
  std::stop_token stop_;
  line_reader reader_;
  recorded_line_reader recorded_;
  int64_t before_pass_ = 0;
  pace pace_;
  produce_stats stats_;
  clock::time_point start_ = clock::now();
  clock::time_point next_report_ = start_ + config_.progress_interval;
};

/// 1234567 as 1,234,567.
std::string grouped(int64_t n) {
  auto text = std::to_string(n);
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > 0; i -= 3)
    text.insert(static_cast<std::size_t>(i), 1, ',');
  return text;
}

} // namespace

std::optional<std::string> validate(const produce_config& config) {
  if (config.topic.empty())
    return "the topic must have a name";
  if (config.input.empty())
    return "an input file is needed; - is standard input";
  if (!(config.rate >= 0) || std::isinf(config.rate))
    return "the rate must be a number of records per second, or 0";
  if (config.repeat < 0)
    return "repeat must not be negative; 0 repeats for ever";
  if (config.limit < 0)
    return "the limit must not be negative; 0 is no limit";
  if (config.partitions < 0)
    return "the number of partitions must not be negative";
  if (config.timeout.count() <= 0)
    return "the timeout must be positive";
  return std::nullopt;
}

std::expected<produce_stats, std::string> produce(const produce_config& config,
                                                  std::stop_token stop) {
  if (auto problem = validate(config))
    return std::unexpected{*problem};
  // The file first: a wrong name must not create a topic.
  auto lines = line_source::open(config.input, config.repeat != 1);
  if (!lines)
    return std::unexpected{lines.error()};
  auto partitions = ensure_topic(config);
  if (!partitions)
    return std::unexpected{partitions.error()};
  auto producer = kafka_producer::open(config.properties, config.topic);
  if (!producer)
    return std::unexpected{producer.error().message};
  run work{config, std::move(*producer), std::move(*lines), std::move(stop)};
  work.stats().partitions = *partitions;
  return work.all_passes().transform([&] { return work.stats(); });
}

std::string progress_line(const produce_stats& now,
                          const produce_stats& before) {
  auto seconds = (now.elapsed - before.elapsed).count();
  auto records = static_cast<double>(now.records - before.records);
  auto rate = seconds > 0 ? std::llround(records / seconds) : 0;
  return std::format("{} records, {}/s, {} acknowledged", grouped(now.records),
                     grouped(rate), grouped(now.delivered));
}

} // namespace millrace
