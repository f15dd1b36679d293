#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace millrace {

/// How one lane of a partition does, at one moment.
struct lane_load {
  /// The main reading feeds it.
  bool attached = false;

  /// It has no credit, and what is collected for it has reached its limit: the
  /// main reading cannot go on with it.
  bool blocked = false;

  /// Nothing of it is on its way.
  bool idle = false;

  /// When it began to wait for the ack that is due.
  std::chrono::steady_clock::time_point waits_since;
  std::chrono::steady_clock::time_point acked_at;

  /// Bytes cut for it of late, the older the less.
  double recent = 0;
};

/// Decides which lanes a partition is read on without (rule 7).
///
/// Reading a second time is dearer than waiting, so a backlog alone must not
/// detach anybody: PostgreSQL is slower than Kafka then, all lanes run out of
/// credit now and then, and each has something on its way. Nor must a database
/// that is away: nobody is acknowledged then. A blocked lane is detached when
///
///  * it had no ack for `detach_after`, while another lane that is not blocked
///    was acknowledged after that wait began, and has either nothing more on
///    its way or kept being acknowledged for half of that time; or
///  * it *holds* the partition for longer than `detach_after`: lanes that have
///    two fifths or more of the recent bytes have nothing on their way while
///    it is blocked. The time adds up over several blocks and leaks away at a
///    quarter of its speed: who holds its partition for less than a fifth of
///    the time stays.
///
/// The second asks who starves and not whose share is small: with many equal
/// lanes every share is small, and in a backlog nobody starves.
class hold_watch {
public:
  using clock = std::chrono::steady_clock;

  hold_watch(std::size_t lanes, std::chrono::milliseconds detach_after);

  /// Forgets what was.
  void reset();

  /// To be called every few hundred milliseconds, with all lanes. Returns
  /// those that are to be detached now.
  std::vector<std::size_t> judge(std::span<const lane_load> lanes,
                                 clock::time_point now);

private:
  bool is_stuck(std::span<const lane_load> lanes, std::size_t i,
                clock::time_point now) const;

  std::chrono::milliseconds detach_after_;
  std::vector<clock::duration> held_;
  clock::time_point last_;
};

} // namespace millrace
