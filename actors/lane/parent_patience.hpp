#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace millrace {

/// The SQLSTATE of rows whose parent is not there.
inline constexpr std::string_view lacks_parent = "23503";

/// Whether a flush that lacks a parent row (23503) is tried again as it is,
/// before the events that lack it are looked for one by one.
///
/// A parent that comes through another lane is often there a moment later, as
/// with all of a topic's past to be read; finding its children costs some
/// flushes for each of them (rule 19). But where parents do not come, waiting
/// only costs time. So what a lane has seen decides: patience that was in vain
/// gets shorter, and one that helped is full again. Pure.
class parent_patience {
public:
  using clock = std::chrono::steady_clock;

  /// Whether it is worth while to wait for parents at all.
  bool hopes(clock::time_point now) noexcept;

  /// One of them was waited for in vain while others were written.
  void disappointed(clock::time_point now) noexcept;

  /// Nothing of the flush can be written. How long to pause before it is tried
  /// again, or nothing: look for the events now.
  std::optional<std::chrono::milliseconds> refused(clock::time_point now);

  /// A flush was committed.
  void committed() noexcept;

private:
  /// Tries in vain of this flush.
  int tries_ = 0;

  /// Tries that a flush gets.
  int hope_ = most;

  /// When there is hope again.
  clock::time_point again_;

  /// 100, 200, 400 and 800 ms.
  static constexpr int most = 4;
};

} // namespace millrace
