#include "actors/coordinator/hand_term.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace millrace {

namespace {

using clock = held_lease::clock;

/// Between two looks somebody may be faster.
constexpr int max_looks = 5;

} // namespace

store_result<std::unique_ptr<hand_term>>
hand_term::begin(const session_config& session, const std::string& node,
                 const lease_timing& timing) {
  auto conn = connection::open(session);
  if (!conn)
    return std::unexpected{std::move(conn.error())};
  lease_store store{*conn, node};
  for (auto attempt = 0; attempt < max_looks; ++attempt) {
    auto row = store.look();
    if (!row)
      return std::unexpected{std::move(row.error())};
    if (row->left > std::chrono::milliseconds{0}) {
      std::unique_ptr<hand_term> result{new hand_term{
        std::move(*conn), node, {row->epoch, row->owner}, row->node}};
      // Its end is not known here; the transactions see it.
      result->lease_->hold_until(clock::time_point::max());
      return result;
    }
    auto asked = clock::now();
    auto taken = store.take_over(timing.term);
    if (!taken)
      return std::unexpected{std::move(taken.error())};
    if (!*taken)
      continue;
    std::unique_ptr<hand_term> result{
      new hand_term{std::move(*conn), node, **taken, {}}};
    result->lease_->hold_until(asked + timing.term);
    result->thread_
      = std::jthread{[x = result.get(), timing](const std::stop_token& over) {
          x->renew(over, timing);
        }};
    return result;
  }
  return std::unexpected{
    store_error{store_errc::retry,
                {},
                "who coordinates changes all the time; look at the nodes' logs "
                "for coordinator-lost"}};
}

hand_term::hand_term(connection conn, std::string node, const lease_grant& term,
                     std::string coordinator)
  : conn_{std::move(conn)},
    node_{std::move(node)},
    lease_{std::make_shared<held_lease>(term)},
    coordinator_{std::move(coordinator)} {
}

hand_term::~hand_term() {
  if (!thread_.joinable())
    return;
  thread_.request_stop();
  thread_.join();
  // A term that is not given back ends by itself.
  if (conn_.is_open())
    static_cast<void>(lease_store{conn_, node_}.resign(lease_->term()));
}

void hand_term::renew(const std::stop_token& over, const lease_timing& timing) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  lease_store store{conn_, node_};
  while (!wake.wait_for(lock, over, timing.renew, [] { return false; })
         && !over.stop_requested()) {
    auto asked = clock::now();
    auto renewed = store.renew(lease_->term(), timing.term);
    if (renewed && *renewed) {
      lease_->hold_until(asked + timing.term);
    } else if (renewed || !conn_.is_open()) {
      // What is over stays over.
      lease_->hold_until(clock::time_point::min());
      return;
    }
  }
}

} // namespace millrace
