#pragma once

#include "actors/coordinator/migration_session.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace millrace {

/// While it lives, tells now and then how far another session's statement is.
/// Best effort: a second session that cannot be had is done without.
class work_watch {
public:
  work_watch(const migrator_options& options, int32_t backend_pid);
  ~work_watch();
  work_watch(const work_watch&) = delete;
  work_watch& operator=(const work_watch&) = delete;

private:
  void run();

  const migrator_options& options_;
  int32_t pid_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::jthread thread_;
};

/// How far the statement of a backend is; nothing when it is none that tells.
store_result<std::optional<work_progress>> read_progress(connection& conn,
                                                         int32_t backend_pid);

} // namespace millrace
