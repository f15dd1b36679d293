#include "actors/cluster/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>

namespace millrace::log {

namespace {

spdlog::level::level_enum to_spdlog(level x) {
  switch (x) {
    case level::debug:
      return spdlog::level::debug;
    case level::info:
      return spdlog::level::info;
    case level::warning:
      return spdlog::level::warn;
    case level::error:
      return spdlog::level::err;
    case level::off:
      break;
  }
  return spdlog::level::off;
}

/// Lines come ready-made, so spdlog's part is the level, the lock, the sink
/// and the flush.
struct process_log {
  process_log()
    : logger{"millrace", std::make_shared<spdlog::sinks::stderr_sink_mt>()} {
    logger.set_pattern("%v");
    logger.set_level(to_spdlog(level::info));
    logger.flush_on(spdlog::level::debug);
  }

  spdlog::logger logger;
  std::atomic<log::format> format = log::format::text;
};

/// Never destroyed: actors and threads may log until the very end.
process_log& the_log() {
  static auto* instance = new process_log;
  return *instance;
}

} // namespace

void setup(const log_config& config) {
  auto& x = the_log();
  x.format = config.format;
  x.logger.set_level(to_spdlog(config.level));
}

bool enabled(level x) noexcept {
  return x != level::off && the_log().logger.should_log(to_spdlog(x));
}

void write(level x, std::string_view event, fields xs) {
  if (!enabled(x))
    return;
  auto& out = the_log();
  auto line = render(out.format, std::chrono::system_clock::now(), x, event,
                     {xs.begin(), xs.size()});
  out.logger.log(to_spdlog(x), spdlog::string_view_t{line});
}

} // namespace millrace::log
