#pragma once

#include "actors/store/session_config.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace millrace {

class session_slots;

/// A connection on its way from one pool to another. Its end closes it, and
/// waits until the server has given it up.
class open_session {
public:
  open_session() = default;
  open_session(const open_session&) = delete;
  open_session& operator=(const open_session&) = delete;
  virtual ~open_session() = default;
};

/// The right to one session. Whoever has the connection keeps it, and gives it
/// back at its end, after the connection has been closed; or together with the
/// connection.
class session_slot {
public:
  session_slot(session_slot&& x) noexcept;
  session_slot& operator=(session_slot&& x) noexcept;
  ~session_slot();

  /// The connection that came along, if one did.
  std::unique_ptr<open_session> take_connection() noexcept {
    return std::move(came_along_);
  }

  /// Gives the slot back together with its connection, when the pool that is
  /// next in line makes connections of the same kind. Otherwise nothing has
  /// happened.
  bool pass_on(std::unique_ptr<open_session>& connection);

private:
  friend class session_slots;

  session_slot(std::shared_ptr<session_slots> of, uint64_t seat,
               std::unique_ptr<open_session> came_along);

  std::shared_ptr<session_slots> of_;
  uint64_t seat_;

  /// Its end comes before the slot is given back.
  std::unique_ptr<open_session> came_along_;
};

/// The sessions that the pools of a node may have to one database, all of them
/// together. For many threads; waits for nobody.
///
/// *Fair*: pools wait in line, not requests, so one with a long queue gets no
/// more than the others. A slot that is given back goes to the pool that waits
/// longest; among them those come first that have no session at all. It is
/// kept for that pool, which is told.
///
/// *No deadlock*: a pool gives back what it does not need while others wait
/// (`yield`), and work on a session never asks for another one. So with one
/// slot any number of pools take turns.
///
/// *Connections go along* (`session_slot::pass_on`) where the next pool would
/// make one of the same kind: to make one costs a server more than a flush.
class session_slots : public std::enable_shared_from_this<session_slots> {
public:
  /// Tells a pool to look again: from any thread, perhaps after the seat is
  /// gone.
  using nudge = std::function<void()>;

  /// A limit of 0 is none.
  explicit session_slots(uint32_t limit);

  uint32_t limit() const noexcept {
    return limit_;
  }

  /// Slots that sessions have, or that are kept for a pool.
  uint32_t held() const;

  /// Pools in line.
  uint32_t waiting() const;

  /// Whether the next one that asks gets a slot at once.
  bool has_turn() const;

  /// One pool's place.
  class seat {
  public:
    /// `kind` outlives the seat; without one no connection comes along.
    seat(std::shared_ptr<session_slots> of, nudge wake,
         const session_config* kind = nullptr);
    seat(const seat&) = delete;
    seat& operator=(const seat&) = delete;

    /// Leaves the line. Slots of sessions that still run stay with them.
    ~seat();

    /// A slot, or a place in line until one is kept for this pool.
    std::optional<session_slot> take();

    /// Leaves the line; what was kept goes to the next one. A connection that
    /// this one does not want is closed meanwhile.
    void stand_back();

    /// How many sessions could be ended at once. Pools that have some are
    /// nudged when another one comes to wait.
    void spare(uint32_t number);

    /// Whether to end a session now, so that a pool that waits can go on; then
    /// counts on its slot. An idle one makes way for everybody, a busy one
    /// (its pool has more work) only for pools that have fewer sessions.
    bool yield(bool idle);

    /// Whether this pool is in line.
    bool waits() const;

  private:
    std::shared_ptr<session_slots> of_;
    uint64_t id_;
  };

private:
  friend class session_slot;

  struct place {
    nudge wake;
    const session_config* kind = nullptr;

    /// Comes along with what is kept.
    std::unique_ptr<open_session> connection;

    /// With what is kept for it.
    uint32_t held = 0;
    uint32_t spare = 0;
    bool in_line = false;
    bool kept = false;
    bool gone = false;
  };

  using nudges = std::vector<nudge>;

  void give_back(uint64_t id);
  bool pass_on(uint64_t id, std::unique_ptr<open_session>& connection);

  // With the lock held. What is returned is to be called without it.
  nudges leave_line(uint64_t id);
  nudges hand_on();
  std::deque<uint64_t>::iterator next_in_line();
  nudge keep_for_next(std::unique_ptr<open_session> connection = {});
  std::optional<nudge> hand_over(place& from,
                                 std::unique_ptr<open_session>& connection);
  bool has_room() const noexcept;

  const uint32_t limit_;
  mutable std::mutex mutex_;
  std::map<uint64_t, place> places_;
  std::deque<uint64_t> line_;
  uint64_t next_id_ = 1;
  uint32_t held_ = 0;

  /// Slots that pools have promised to give back and sessions still have.
  uint32_t coming_ = 0;
};

} // namespace millrace
