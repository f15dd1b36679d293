// What single steps take, on one core, without Kafka:
//
//   micro decode CONFIG FILE [SECONDS] [--recorded]
//   micro fold KEYS [SECONDS]
//
// `decode` runs the decoder with the first pipeline of CONFIG, compiled against
// the tables that its database has, over the lines of FILE (JSON, plain or .xz;
// with --recorded as `millrace produce --recorded` reads them). `fold` folds
// blocks of 100,000 upserts with so many different keys. Both print one line of
// JSON: ns per record or row of the thread's own CPU time, the best pass and
// the median one, and what was allocated in all passes but the first.

#include "actors/store/fold.hpp"
#include "config/load.hpp"
#include "nodes/line_source.hpp"
#include "nodes/prepare.hpp"
#include "nodes/recorded_line.hpp"
#include "tests/decode/allocation_counter.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <print>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using namespace millrace;

namespace {

/// What cannot be measured, for people.
struct cannot_measure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Lanes that are emptied when they reach the size of a batch.
class lanes_sink : public batch_sink {
public:
  batch* open(std::string_view, uint64_t hash) override {
    auto& lane = lanes_[hash % lanes_.size()];
    std::size_t bytes = 0;
    for (const auto& block : lane.blocks)
      bytes += block.bytes.size();
    if (bytes > 1'000'000)
      empty(lane);
    return &lane;
  }

  batch& unrouted() override {
    return lanes_[0];
  }

  /// Rows and bytes since the last call.
  std::pair<std::size_t, std::size_t> take() {
    for (auto& lane : lanes_)
      empty(lane);
    return {std::exchange(rows_, 0), std::exchange(bytes_, 0)};
  }

private:
  void empty(batch& lane) {
    for (auto& block : lane.blocks) {
      rows_ += block.rows();
      bytes_ += block.bytes.size();
      block.clear();
    }
    lane.rejects.clear();
  }

  std::array<batch, 4> lanes_;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
};

struct event {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers;
  int64_t timestamp_ms;
  int32_t partition;
};

std::vector<event> read_events(const std::string& file, bool recorded) {
  constexpr int64_t some_day_ms = 1'768'824'000'000;
  auto lines = line_source::open(file, false);
  if (!lines)
    throw cannot_measure{lines.error()};
  recorded_line_reader reader;
  std::vector<event> result;
  for (;;) {
    auto line = lines->next();
    if (!line)
      throw cannot_measure{line.error()};
    if (!*line)
      return result;
    if (!recorded) {
      result.push_back({{}, std::string{**line}, {}, some_day_ms, 0});
      continue;
    }
    auto x = reader.read(**line);
    if (!x)
      throw cannot_measure{x.error()};
    auto& found = **x;
    result.push_back({found.key, found.value, found.headers,
                      found.timestamp_ms.value_or(some_day_ms),
                      found.partition.value_or(0)});
  }
}

program_ptr program_of(const std::string& file) {
  load_options options;
  options.pack_directories = {MILLRACE_SOURCE_DIR "/config/packs"};
  auto all = load_config(file, options);
  if (!all) {
    std::string text;
    for (const auto& x : all.error())
      text += to_string(x) + '\n';
    throw cannot_measure{text};
  }
  auto ready = prepare(*all, all->postgresql);
  if (!ready) {
    std::string text;
    for (const auto& x : ready.error().problems)
      text += x + '\n';
    throw cannot_measure{text};
  }
  return ready->at(0).program;
}

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9
         + static_cast<double>(now.tv_nsec);
}

/// Passes until the time is over, and what they took for one of `number`.
class passes {
public:
  passes(int seconds, std::size_t number)
    : until_{clock::now() + std::chrono::seconds{seconds}},
      number_{static_cast<double>(number)} {
  }

  template <class Pass>
  void run(Pass pass) {
    pass(); // buffers grow
    auto before = test::allocations();
    taken_.reserve(most);
    while (taken_.size() < most
           && (taken_.size() < 3 || clock::now() < until_)) {
      auto from = cpu_ns();
      pass();
      taken_.push_back((cpu_ns() - from) / number_);
    }
    allocations_ = test::allocations() - before - 1;
    std::ranges::sort(taken_);
  }

  std::string json() const {
    return std::format("\"passes\":{},\"best_ns\":{:.0f},\"median_ns\":{:.0f},"
                       "\"allocations\":{}",
                       taken_.size(), taken_.front(), taken_[taken_.size() / 2],
                       allocations_);
  }

private:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t most = 100'000;

  clock::time_point until_;
  double number_;
  std::vector<double> taken_;
  std::size_t allocations_ = 0;
};

void measure_decode(const std::string& config, const std::string& file,
                    int seconds, bool recorded) {
  auto events = read_events(file, recorded);
  if (events.empty())
    throw cannot_measure{file + ": there is nothing in it"};
  std::vector<std::vector<header_view>> headers;
  for (const auto& x : events) {
    auto& views = headers.emplace_back();
    for (const auto& [name, value] : x.headers)
      views.push_back({name, value});
  }
  decoder decode{program_of(config)};
  lanes_sink sink;
  std::size_t written = 0;
  passes all{seconds, events.size()};
  all.run([&] {
    written = 0;
    sink.take();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const auto& x = events[i];
      record_view record{.topic = "bench",
                         .partition = x.partition,
                         .offset = static_cast<int64_t>(i),
                         .timestamp_ms = x.timestamp_ms,
                         .key = x.key,
                         .value = x.value,
                         .headers = headers[i]};
      written += decode.decode(record, sink) == outcome::written;
    }
  });
  auto [rows, bytes] = sink.take();
  std::size_t payload = 0;
  for (const auto& x : events)
    payload += x.value ? x.value->size() : 0;
  std::println(
    "{{\"records\":{},\"written\":{},\"rows\":{},\"payload_bytes\":{},"
    "\"copy_bytes\":{},{}}}",
    events.size(), written, rows, payload, bytes, all.json());
}

void measure_fold(std::size_t keys, int seconds) {
  constexpr std::size_t rows = 100'000;
  constexpr std::array members{write_method::upsert};
  std::vector<key_hash> block;
  block.reserve(rows);
  uint64_t chance = 8;
  for (std::size_t i = 0; i < rows; ++i) {
    chance = chance * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    auto key = (chance >> 33) % keys;
    block.push_back({key * 0x9E3779B97F4A7C15U, ~key * 0xC2B2AE3D27D4EB4FU});
  }
  std::size_t left = 0;
  passes all{seconds, rows};
  all.run([&] {
    key_fold fold{members, false, rows};
    for (const auto& x : block)
      fold.add(0, x);
    left = fold.keys();
  });
  std::println("{{\"rows\":{},\"keys\":{},{}}}", rows, left, all.json());
}

} // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words{argv + 1, argv + argc};
  auto recorded = std::erase(words, "--recorded") > 0;
  try {
    auto number = [&](std::size_t i, int otherwise) {
      return i < words.size() ? std::stoi(words[i]) : otherwise;
    };
    if (words.size() >= 3 && words[0] == "decode")
      measure_decode(words[1], words[2], number(3, 5), recorded);
    else if (words.size() >= 2 && words[0] == "fold" && number(1, 0) > 0)
      measure_fold(static_cast<std::size_t>(number(1, 0)), number(2, 5));
    else
      throw std::invalid_argument{"words"};
    return 0;
  } catch (const cannot_measure& x) {
    std::println(stderr, "micro: {}", x.what());
    return 3;
  } catch (const std::logic_error&) {
    std::println(stderr, "usage: micro decode CONFIG FILE [SECONDS] "
                         "[--recorded]\n       micro fold KEYS [SECONDS]");
    return 2;
  }
}
