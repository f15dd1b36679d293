#pragma once

// What the events of the simulated log write, and what has become of each.

#include "messages/batch.hpp"
#include "messages/flush.hpp"
#include "messages/waiting.hpp"
#include "tests/lane/simulation_choices.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::test {

using sim_time = std::chrono::steady_clock::time_point;

/// What an event does to a row: also the number of the block in its batch.
enum class sim_deed : std::size_t {
  /// A row without a key.
  append,
  upsert,
  /// Waits for its row.
  update,
  /// Does not mind when its row is not there.
  erase,
  /// A row without a key that refers to a parent.
  child,
  /// Makes a parent, in a table of its own.
  parent,
  /// Made whatever becomes of the event's other writes.
  note,
};

inline constexpr std::size_t sim_deeds = 7;
inline constexpr std::size_t sim_keys = 6;
inline constexpr std::size_t sim_parents = 3;
inline constexpr std::size_t max_partitions = 3;
inline constexpr std::size_t max_events = 24;

/// Waiting events that a lane has room for, where it has little.
inline constexpr std::size_t little_room = 3;

struct sim_write {
  sim_deed what = sim_deed::append;
  std::size_t key = 0;
};

/// A record of the simulated log.
struct sim_event {
  offset at;

  /// Decides about the lane; 0: no lane wants it. A row's key decides about
  /// the route of the events that write it.
  std::size_t route = 0;

  /// The database refuses its rows.
  bool poison = false;
  std::vector<sim_write> writes = {};

  bool writes_note() const;

  /// Of rows that are found by a key, in the order of the log.
  bool is_ordered() const;
};

/// The next event of a log; `mixed`: it may write rows that others need.
sim_event draw_event(choices& draws, offset at, bool mixed);

/// By block.
const write_traits& sim_traits();

/// What a decoder makes of the event.
void add_rows(batch& to, const sim_event& e, bool with_note = true);

enum class sim_fate : uint8_t { none, written, waiting, dead };

/// An event by its partition and its place in the log.
struct sim_place {
  std::size_t p = 0;
  std::size_t index = 0;

  friend bool operator==(const sim_place&, const sim_place&) = default;
};

/// A row of `waiting`.
struct sim_waiting {
  std::size_t lane = 0;
  seq number;
  sim_place of;
  offset at;
  sim_time since;
  std::shared_ptr<const std::vector<touched_row>> touches;
};

/// A row of `dead_letter`.
struct sim_letter {
  std::size_t lane = 0;
  seq number;
  sim_place of;

  /// The row that is always made was made.
  bool noted = false;

  friend bool operator==(const sim_letter&, const sim_letter&) = default;
};

/// One event of a flush, and what the flush makes of it.
struct sim_effect {
  std::size_t source = 0;
  sim_place of;
  const sim_event* event = nullptr;
  sim_fate what = sim_fate::written;

  /// That the flush has of it.
  std::size_t rows = 0;

  /// The flush has its row that is always made.
  bool noted = false;

  /// Set when it is put aside, or becomes a dead letter.
  const waiting_letter* aside = nullptr;
  const reject* letter = nullptr;
};

/// The rows of the tables that are found by a key.
struct sim_rows {
  std::array<bool, sim_keys> keyed{};
  std::array<bool, sim_parents> parents{};

  /// Parents first: their table comes before that of their children.
  void add_parents(const std::vector<sim_effect>& xs);

  /// False when it lacks a row.
  bool write(const sim_write& x);
};

/// The rows, those that wait and the dead letters: a part of what is durable.
struct sim_tables {
  sim_rows rows;

  /// How far in the log each row was written, by key and partition: by what
  /// makes it where it is missing, and by others. One more than the offset.
  struct reached {
    offset made;
    offset changed;
  };
  std::array<std::array<reached, max_partitions>, sim_keys> order{};

  /// By place: what became of the event, and whether its row that is always
  /// made was made.
  std::array<std::array<sim_fate, max_events>, max_partitions> fates{};
  std::array<std::array<bool, max_events>, max_partitions> noted{};

  /// Of each lane in ascending order of their numbers.
  std::vector<sim_waiting> waiting;
  std::vector<sim_letter> letters;

  /// Whether this write keeps the order of its row, which takes it in.
  bool follows(const sim_write& x, std::size_t p, offset at);
};

} // namespace millrace::test
