// millrace-log: every record of a topic on standard output, as the log has it,
// and on and on as they come, for checkers that are no C++.

#include "tests/checker/log_reader.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <thread>

using namespace millrace_check;

namespace {

constexpr std::chrono::milliseconds pause{200};

void put_number(std::string& out, uint64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(number >> shift & 0xff);
}

void put_bytes(std::string& out, const std::optional<std::string_view>& x) {
  put_number(out, x ? x->size() : 0xffff'ffff, 4);
  if (x)
    out += *x;
}

/// int32 partition, int64 offset; int32 length and bytes of key, headers and
/// value, -1 for null; big endian.
void put_record(std::string& out, const raw_record& record) {
  put_number(out, static_cast<uint32_t>(record.partition), 4);
  put_number(out, static_cast<uint64_t>(record.offset), 8);
  put_bytes(out, record.key);
  put_bytes(out, record.headers);
  put_bytes(out, record.value);
}

/// How far all has been told: a record at this offset, and nothing more.
void put_end(std::string& out, int32_t partition, int64_t offset) {
  put_number(out, static_cast<uint32_t>(-1 - partition), 4);
  put_number(out, static_cast<uint64_t>(offset), 8);
}

/// Whether anybody still reads it.
bool write_out(std::string& out) {
  auto done = std::fwrite(out.data(), 1, out.size(), stdout) == out.size()
              && std::fflush(stdout) == 0;
  out.clear();
  return done;
}

class follower {
public:
  follower(log_reader& log, bool follow) : log_{log}, follow_{follow} {
  }

  void run() {
    do {
      try {
        if (!round())
          return;
      } catch (const cannot_check& problem) {
        if (!follow_)
          throw;
        // The brokers are away; what was told stays told.
        std::cerr << "millrace-log: " << problem.what() << '\n';
      }
      if (follow_)
        std::this_thread::sleep_for(pause);
    } while (follow_);
  }

private:
  bool round() {
    constexpr std::size_t enough = 1 << 16;
    auto ranges = log_.ranges();
    for (auto& [number, range] : ranges)
      range.low = std::max(range.low, told_[number]);
    bool heard = true;
    log_.read(ranges, [&](const raw_record& record) {
      put_record(out_, record);
      told_[record.partition] = record.offset + 1;
      if (out_.size() >= enough)
        heard = write_out(out_) && heard;
    });
    for (const auto& [number, range] : ranges) {
      told_[number] = std::max(told_[number], range.high);
      put_end(out_, number, range.high);
    }
    return write_out(out_) && heard;
  }

  log_reader& log_;
  bool follow_;
  std::string out_;
  std::map<int32_t, int64_t> told_;
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Writes the records of a topic to standard output: int32 "
               "partition, int64 offset, then key, headers and value as int32 "
               "length and bytes, -1 for null; big endian. A partition p as "
               "-1-p and an offset alone say that all below it was written."};
  std::string bootstrap;
  std::string topic;
  bool follow = false;
  app.add_option("--kafka", bootstrap, "Address of the brokers")->required();
  app.add_option("--topic", topic)->required();
  app.add_flag("--follow", follow, "Go on as records come");
  CLI11_PARSE(app, argc, argv);
  try {
    log_reader log{bootstrap, topic, {}};
    follower{log, follow}.run();
    return 0;
  } catch (const std::exception& problem) {
    std::cerr << "millrace-log: " << problem.what() << '\n';
    return 3;
  }
}
