#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace {

/// How long a term lasts without a renewal, and how often the row is looked at.
struct lease_timing {
  /// By the database's clock, from the last renewal on. With `look` it bounds
  /// how long nobody coordinates after a crash.
  std::chrono::milliseconds term{2'000};

  /// Between two renewals of who is active.
  std::chrono::milliseconds renew{500};

  /// Between two looks of who stands by.
  std::chrono::milliseconds look{500};

  /// Of who is active, after a question that PostgreSQL did not answer.
  std::chrono::milliseconds retry{200};
};

/// The timing with a term of that length: a renewal may fail twice.
lease_timing timing_for(std::chrono::milliseconds term);

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const lease_timing& x);

enum class lease_state : uint8_t {
  /// Somebody else coordinates, or nobody yet.
  standby,
  /// This node coordinates.
  active,
  /// The term is over, and what was begun in it has not ended yet.
  lost,
};

std::string to_string(lease_state x);

/// What to ask the database now.
enum class lease_step : uint8_t { wait, look, take_over, renew };

/// Whether and when a candidate asks for the coordinator's lease, and until
/// when it may believe that it has it (protocol.md, rule 23). Pure: the clock
/// comes in as an argument.
///
/// What it believes is a hint. A term is counted from before the question that
/// began or renewed it, so that it ends here no later than in the database, as
/// long as both clocks run equally fast; whatever the clocks do, each
/// transaction of a coordinator checks the row itself.
///
/// A term that has ended here is never renewed: the next one is a new one, with
/// another owner, and begins only once all work of the last one has ended.
class coordinator_lease {
public:
  using clock = std::chrono::steady_clock;
  using time_point = clock::time_point;

  /// Throws std::invalid_argument when `validate` complains.
  explicit coordinator_lease(lease_timing timing);

  lease_state state() const noexcept {
    return state_;
  }

  /// Whether the term is believed to hold now.
  bool may_act(time_point now) const noexcept {
    return state_ == lease_state::active && now < held_until_;
  }

  /// When the term ends here unless it is renewed.
  time_point held_until() const noexcept {
    return held_until_;
  }

  /// What to ask now. Ends a term that is over. Every step but `wait` wants
  /// one of the answers below before the next call.
  lease_step next(time_point now);

  /// When `next` may have something to ask.
  time_point wake() const noexcept {
    return state_ == lease_state::active ? std::min(next_, held_until_) : next_;
  }

  // -- answers ----------------------------------------------------------------

  /// `look`: how long the row's term lasts; not above 0: it is free.
  void on_row(std::chrono::milliseconds left, time_point now);

  /// `take_over` and `renew`: the term holds, and was asked for at that time.
  void on_held(time_point asked);

  /// `take_over` and `renew`: it does not.
  void on_refused(time_point now);

  /// The database did not answer.
  void on_failed(time_point now);

  /// All work of the lost term has ended.
  void on_idle(time_point now);

  /// Gives the term up, as far as this node is concerned.
  void give_up() noexcept;

private:
  lease_timing timing_;
  lease_state state_ = lease_state::standby;

  /// The row's term was over when it was last looked at.
  bool free_ = false;
  time_point next_ = time_point::min();
  time_point held_until_ = time_point::min();
};

} // namespace millrace
