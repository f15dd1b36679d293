#pragma once

#include <cstddef>

namespace millrace::test {

/// How often things happened: a world in which they do not says nothing.
struct simulation_counts {
  std::size_t rejoined = 0;
  std::size_t switched = 0;
  std::size_t reshaped = 0;
  std::size_t failovers = 0;
  std::size_t parts = 0;
  std::size_t dead_letters = 0;
  std::size_t nacks = 0;
  std::size_t dropped = 0;

  /// Batches.
  std::size_t sent = 0;

  /// Lanes that go back to an earlier offset, for a nack or a view.
  std::size_t rewinds = 0;

  /// Flushes of what comes before events without parents.
  std::size_t before_orphans = 0;

  // Waiting events.
  std::size_t put_aside = 0;
  std::size_t released = 0;

  /// Seconds until they were released.
  std::size_t waited = 0;

  /// Dead letters.
  std::size_t replayed = 0;

  /// Backfills whose end became known.
  std::size_t ended = 0;

  /// Transactions of the other pipeline behind it.
  std::size_t beyond = 0;

  /// Its rows whose parent only the other one has made.
  std::size_t adopted = 0;

  simulation_counts& operator+=(const simulation_counts& x);
};

} // namespace millrace::test
