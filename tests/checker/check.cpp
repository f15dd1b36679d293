#include "tests/checker/check.hpp"

#include <toml++/toml.hpp>

#include <algorithm>
#include <format>
#include <thread>

namespace millrace_check {

namespace {

using clock = std::chrono::steady_clock;

uint64_t dead_letter_hash(const std::optional<std::string_view>& key,
                          std::string_view headers,
                          const std::optional<std::string_view>& value) {
  auto hash = key ? content_hash(1, *key) : 2;
  hash = content_hash(hash, headers);
  return value ? content_hash(hash, *value) : content_hash(hash + 1, "null");
}

/// One run: the steps in the order that makes them consistent.
class checker {
public:
  explicit checker(const check_config& config)
    : config_{config},
      log_{config.bootstrap, config.topic, config.kafka_properties},
      tables_{config.database_url},
      ledger_{config.max_examples} {
  }

  check_report run() {
    auto begin = clock::now();
    wait_for_lanes();
    // The tables' moment first: whatever they hold then is in the log later.
    tables_.begin_snapshot();
    load_codes();
    load_lanes();
    report_.ranges = log_.ranges();
    read_log();
    read_tables();
    ledger_.close(config_.allow_lag ? settled() : ends());
    judge_lanes();
    finish();
    report_.seconds
      = std::chrono::duration<double>(clock::now() - begin).count();
    return std::move(report_);
  }

private:
  void progress(std::string_view text) {
    if (config_.on_progress)
      config_.on_progress(text);
  }

  /// Every so many records, about once a second.
  void progress_at(int64_t n, std::string_view what) {
    if (n % 500'000 == 0)
      progress(std::format("{} {}", n, what));
  }

  std::vector<lane_position> current_lanes() {
    auto lanes = tables_.lanes(config_.pipeline, config_.topic);
    auto id = log_.topic_id();
    if (!id.empty())
      std::erase_if(lanes, [&](const auto& x) { return x.topic_id != id; });
    return lanes;
  }

  void wait_for_lanes() {
    if (config_.wait.count() <= 0)
      return;
    auto ranges = log_.ranges();
    auto deadline = clock::now() + config_.wait;
    auto arrived = [&](const lane_position& x) {
      auto i = ranges.find(x.partition);
      return i == ranges.end() || x.effective >= i->second.high;
    };
    progress("waiting for the lanes to reach the end of the log");
    for (;;) {
      auto lanes = current_lanes();
      if ((!lanes.empty() && std::ranges::all_of(lanes, arrived))
          || clock::now() >= deadline)
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds{200});
    }
  }

  void load_codes() {
    auto stored = tables_.symbols(config_.schemas.at(0));
    if (config_.pack.empty()) {
      codes_ = std::move(stored);
      return;
    }
    codes_ = read_pack(config_.pack, config_.pipeline);
    for (const auto& [name, id] : codes_)
      if (auto i = stored.find(name); i == stored.end() || i->second != id)
        report_.symbols_differ.push_back(name);
  }

  void load_lanes() {
    lanes_ = current_lanes();
    if (lanes_.empty())
      throw cannot_check{
        std::format("there is no lane of pipeline {} for topic {}",
                    config_.pipeline, config_.topic)};
    report_.lanes = lanes_.size();
    for (const auto& lane : lanes_)
      starts_[lane.partition] = lane.start;
  }

  void read_log() {
    auto ranges = report_.ranges;
    for (auto& [number, range] : ranges) {
      range.low = std::max(range.low, starts_[number]);
      range.high = std::max(range.high, range.low);
      ledger_.open(number, range.low, range.high);
    }
    log_.read(ranges, [&](const raw_record& record) {
      auto due = fold_tick(record.value, codes_);
      if (due.is_row())
        ledger_.expect(record.partition, record.offset, entry_state::row,
                       content_hash(due.row));
      else
        ledger_.expect(
          record.partition, record.offset, entry_state::dead_letter,
          dead_letter_hash(record.key, record.headers, record.value));
      progress_at(ledger_.records, "records of the log read");
    });
  }

  void read_tables() {
    for (const auto& schema : config_.schemas)
      tables_.read_rows(schema, [&](int32_t partition, int64_t offset,
                                    std::string_view row) {
        ledger_.check(partition, offset, entry_state::row, content_hash(row),
                      row);
        progress_at(ledger_.rows_found, "rows compared");
      });
    tables_.read_dead_letters(
      config_.pipeline, config_.topic, [&](const database::dead_letter& x) {
        ledger_.check(x.partition, x.offset, entry_state::dead_letter,
                      dead_letter_hash(x.key, x.headers, x.value),
                      "dead letter, " + x.reason);
      });
  }

  std::map<int32_t, int64_t> ends() const {
    std::map<int32_t, int64_t> result;
    for (const auto& [number, range] : report_.ranges)
      result[number] = range.high;
    return result;
  }

  /// Below these offsets every lane says that it is done.
  std::map<int32_t, int64_t> settled() const {
    auto result = ends();
    for (const auto& lane : lanes_)
      if (auto i = result.find(lane.partition); i != result.end())
        i->second = std::min(i->second, lane.effective);
    return result;
  }

  void judge_lanes() {
    for (const auto& lane : lanes_) {
      auto i = report_.ranges.find(lane.partition);
      auto end = i == report_.ranges.end() ? 0 : i->second.high;
      // A partition that nobody wrote to since the start has no end yet.
      end = std::max(end, lane.start);
      if (lane.effective > end)
        report_.lanes_beyond.push_back({lane, end});
      if (lane.effective < end)
        report_.lanes_behind.push_back({lane, end});
      if (lane.state != "active")
        report_.lanes_inactive.push_back({lane, end});
    }
  }

  std::string due_text(const finding& x) {
    std::string text = "nothing: the log has no record here";
    if (!report_.ranges.contains(x.partition)
        || x.offset >= report_.ranges[x.partition].high
        || x.offset < report_.ranges[x.partition].low)
      return text;
    log_.read_one(x.partition, x.offset, [&](const raw_record& record) {
      auto due = fold_tick(record.value, codes_);
      text = due.is_row() ? due.row : "dead letter, " + due.reason;
    });
    return text;
  }

  void finish() {
    auto& r = report_;
    r.records = ledger_.records;
    r.rows_due = ledger_.rows_due;
    r.rows_found = ledger_.rows_found;
    r.dead_letters_due = ledger_.dead_letters_due;
    r.dead_letters_found = ledger_.dead_letters_found;
    r.missing = ledger_.count(finding_kind::missing);
    r.twice = ledger_.count(finding_kind::twice);
    r.different = ledger_.count(finding_kind::different);
    r.unexpected = ledger_.count(finding_kind::unexpected);
    r.pending = ledger_.pending;
    r.unverifiable = ledger_.unverifiable;
    for (const auto& x : ledger_.examples())
      r.examples.push_back({x, due_text(x)});
    r.ok = ledger_.clean() && r.lanes_beyond.empty() && r.symbols_differ.empty()
           && (config_.allow_lag || r.lanes_behind.empty());
  }

  const check_config& config_;
  log_reader log_;
  database tables_;
  ledger ledger_;
  code_table codes_;
  std::vector<lane_position> lanes_;
  std::map<int32_t, int64_t> starts_;
  check_report report_;
};

} // namespace

check_report run_check(const check_config& config) {
  return checker{config}.run();
}

code_table read_pack(const std::string& path, const std::string& pipeline) {
  code_table table;
  try {
    auto document = toml::parse_file(path);
    const auto* codes
      = document["pipeline"][pipeline]["codes"]["symbols"].as_table();
    if (codes == nullptr)
      throw cannot_check{std::format(
        "{}: there is no [pipeline.{}.codes.symbols]", path, pipeline)};
    for (const auto& [name, id] : *codes)
      table[std::string{name.str()}] = id.value<int64_t>().value_or(-1);
  } catch (const toml::parse_error& problem) {
    throw cannot_check{std::format("{}: {}", path, problem.description())};
  }
  return table;
}

} // namespace millrace_check
