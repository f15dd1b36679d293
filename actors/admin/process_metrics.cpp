#include "actors/admin/process_metrics.hpp"

#include "actors/admin/metric_names.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace millrace {

namespace {

std::string_view type_text(metric_kind kind) {
  switch (kind) {
    case metric_kind::counter:
      return "counter";
    case metric_kind::gauge:
      return "gauge";
    case metric_kind::histogram:
      break;
  }
  return "histogram";
}

template <class T>
metric_group single(const metric_info& what, T value, label_list labels = {}) {
  metric_group result{
    std::string{what.name}, type_text(what.kind), std::string{what.help}, {}};
  result.readings.push_back({std::move(labels), value});
  return result;
}

double seconds(const timeval& x) {
  return static_cast<double>(x.tv_sec) + static_cast<double>(x.tv_usec) / 1e6;
}

/// Wall-clock time of the first call. Good enough for a start time, because
/// ADMIN asks for it when the node starts.
double start_seconds() {
  static const auto start = std::chrono::system_clock::now();
  return std::chrono::duration<double>(start.time_since_epoch()).count();
}

} // namespace

metric_snapshot process_metrics(std::string_view version) {
  namespace names = metric_names;
  metric_snapshot result;
  result.push_back(
    single(names::build_info, int64_t{1}, {{"version", std::string{version}}}));
  result.push_back(single(names::process_start_time_seconds, start_seconds()));
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    result.push_back(single(names::process_cpu_seconds,
                            seconds(usage.ru_utime) + seconds(usage.ru_stime)));
    // Linux counts the peak in KiB.
    result.push_back(single(names::process_peak_memory_bytes,
                            static_cast<int64_t>(usage.ru_maxrss) * 1'024));
  }
  auto pages = int64_t{0};
  auto resident = int64_t{0};
  if (std::ifstream{"/proc/self/statm"} >> pages >> resident)
    result.push_back(
      single(names::process_resident_memory_bytes,
             resident * static_cast<int64_t>(sysconf(_SC_PAGESIZE))));
  std::error_code failure;
  std::filesystem::directory_iterator fds{"/proc/self/fd", failure};
  if (!failure) {
    // The walk itself holds one descriptor.
    auto open = std::distance(begin(fds), end(fds)) - 1;
    result.push_back(
      single(names::process_open_fds, static_cast<int64_t>(open)));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    result.push_back(
      single(names::process_max_fds, static_cast<int64_t>(limit.rlim_cur)));
  return result;
}

} // namespace millrace
