// How long the decoder takes per record, without Kafka and PostgreSQL:
//
//   decode_micro FILE [SECONDS]
//
// FILE holds one JSON object a line, as the recorded ticks do. Prints the best
// and the median pass over the file in ns per row, of the thread's own CPU
// time: what else the machine does counts only by its use of the caches.

#include "tests/decode/sample.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <print>
#include <string>
#include <vector>

using namespace millrace;

namespace {

/// Four lanes that are emptied when they reach the size of a batch.
class lanes_sink : public batch_sink {
public:
  batch* open(std::string_view, uint64_t hash) override {
    auto& lane = lanes_[hash % std::size(lanes_)];
    if (!lane.blocks.empty() && lane.blocks[0].bytes.size() > 1'000'000) {
      bytes_ += lane.blocks[0].bytes.size();
      lane.blocks[0].clear();
      lane.rejects.clear();
    }
    return &lane;
  }

  batch& unrouted() override {
    return lanes_[0];
  }

  std::size_t bytes() const {
    auto result = bytes_;
    for (const auto& lane : lanes_)
      for (const auto& block : lane.blocks)
        result += block.bytes.size();
    return result;
  }

private:
  batch lanes_[4];
  std::size_t bytes_ = 0;
};

std::vector<std::string> read_lines(const char* path) {
  std::ifstream in{path};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9
         + static_cast<double>(now.tv_nsec);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::println(stderr, "usage: decode_micro FILE [SECONDS]");
    return 2;
  }
  auto lines = read_lines(argv[1]);
  if (lines.empty()) {
    std::println(stderr, "decode_micro: nothing in {}", argv[1]);
    return 3;
  }
  auto limit = std::chrono::seconds{argc > 2 ? std::atoi(argv[2]) : 5};
  auto config = test::ticks_config();
  config.events[0].writes[0].key = {"symbol_id", "tick_time", "src_partition",
                                    "src_offset"};
  auto program = test::compiled(config, {test::ticks_table()});
  decoder decode{program};
  lanes_sink sink;
  std::vector<double> passes;
  std::size_t written = 0;
  using clock = std::chrono::steady_clock;
  auto end = clock::now() + limit;
  while (passes.size() < 3 || clock::now() < end) {
    auto from = cpu_ns();
    record_view record{.topic = "ticks"};
    record.timestamp_ms = 1'768'824'000'000;
    written = 0;
    for (const auto& line : lines) {
      record.value = line;
      written += decode.decode(record, sink) == outcome::written;
      ++record.offset;
    }
    passes.push_back((cpu_ns() - from) / static_cast<double>(lines.size()));
  }
  std::ranges::sort(passes);
  std::println("{} records, {} written, {} passes", lines.size(), written,
               passes.size());
  std::println("best {:.0f} ns/row, median {:.0f} ns/row, {} bytes of COPY a "
               "pass",
               passes.front(), passes[passes.size() / 2],
               sink.bytes() / passes.size());
}
