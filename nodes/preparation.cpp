#include "nodes/preparation.hpp"

#include "actors/cluster/log.hpp"

#include <utility>

namespace millrace {

namespace {

/// Between tries to reach a PostgreSQL that does not answer.
constexpr std::chrono::milliseconds retry{2'000};

std::string check_of(const postgresql_config& x) {
  return x.name == control_database ? "prepared" : "prepared " + x.name;
}

} // namespace

preparation::preparation(const config& all,
                         std::shared_ptr<readiness_board> board, worker work,
                         receiver on_ready)
  : board_{std::move(board)},
    work_{std::move(work)},
    on_ready_{std::move(on_ready)} {
  for (const auto* x : all_databases(all)) {
    board_->require(check_of(*x));
    waiting_.push_back({x, {}, {}});
  }
}

bool preparation::advance(clock::time_point now) {
  auto good = true;
  std::erase_if(waiting_, [&](candidate& x) {
    if (!x.result.valid()) {
      if (now >= x.next)
        x.result = std::async(std::launch::async, work_, std::ref(*x.database));
      return false;
    }
    if (x.result.wait_for(std::chrono::seconds{0}) != std::future_status::ready)
      return false;
    auto result = x.result.get();
    if (result) {
      on_ready_(*x.database, *result);
      board_->set(check_of(*x.database), true);
      return true;
    }
    good = judge(x, result, now) && good;
    return false;
  });
  return good;
}

bool preparation::judge(candidate& x, const outcome& result,
                        clock::time_point now) {
  const auto& failure = result.error();
  for (const auto& problem : failure.problems)
    log::error(failure.passing ? "prepare-waiting" : "prepare-failed",
               {{"database", x.database->name}, {"problem", problem}});
  board_->set(check_of(*x.database), false, failure.problems.front());
  x.next = now + retry;
  return ++x.tries > 1 || failure.passing;
}

} // namespace millrace
