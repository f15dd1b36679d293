#pragma once

#include "actors/admin/readiness.hpp"
#include "config/config.hpp"
#include "nodes/prepare.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace millrace {

/// Prepares the databases of a node side by side, each again and again until
/// it works: one that does not answer keeps nobody else waiting.
///
/// Posts a check for each of them, `prepared` for the control database and
/// `prepared NAME` for the others.
class preparation {
public:
  using clock = std::chrono::steady_clock;
  using outcome
    = std::expected<std::vector<prepared_pipeline>, prepare_failure>;

  /// Prepares one database; runs in a thread of its own and may block.
  using worker = std::function<outcome(const postgresql_config&)>;

  /// What to do with one that is ready.
  using receiver = std::function<void(const postgresql_config&,
                                      const std::vector<prepared_pipeline>&)>;

  preparation(const config& all, std::shared_ptr<readiness_board> board,
              worker work, receiver on_ready);

  /// To be called often; does not block. False when a database cannot be used
  /// as it is configured. That ends a node only where it shows at the first
  /// try: later on the others are at work, so the database is tried again.
  bool advance(clock::time_point now);

  std::size_t waiting() const noexcept {
    return waiting_.size();
  }

private:
  struct candidate {
    const postgresql_config* database;
    std::future<outcome> result;
    clock::time_point next;
    int tries = 0;
  };

  bool judge(candidate& x, const outcome& result, clock::time_point now);

  std::shared_ptr<readiness_board> board_;
  worker work_;
  receiver on_ready_;
  std::vector<candidate> waiting_;
};

} // namespace millrace
