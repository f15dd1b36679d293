#include "actors/store/session_slots.hpp"

#include <algorithm>
#include <utility>

namespace millrace {

namespace {

void call(const std::vector<session_slots::nudge>& all) {
  for (const auto& x : all)
    x();
}

} // namespace

// -- slots --------------------------------------------------------------------

session_slot::session_slot(std::shared_ptr<session_slots> of, uint64_t seat,
                           std::unique_ptr<open_session> came_along)
  : of_{std::move(of)},
    seat_{seat},
    came_along_{std::move(came_along)} {
}

session_slot::session_slot(session_slot&& x) noexcept
  : of_{std::move(x.of_)},
    seat_{x.seat_},
    came_along_{std::move(x.came_along_)} {
}

session_slot& session_slot::operator=(session_slot&& x) noexcept {
  auto old = std::move(*this);
  of_ = std::move(x.of_);
  seat_ = x.seat_;
  came_along_ = std::move(x.came_along_);
  return *this;
}

session_slot::~session_slot() {
  came_along_.reset();
  if (of_)
    of_->give_back(seat_);
}

bool session_slot::pass_on(std::unique_ptr<open_session>& connection) {
  if (!of_ || !of_->pass_on(seat_, connection))
    return false;
  of_.reset();
  return true;
}

// -- a pool's place -----------------------------------------------------------

session_slots::seat::seat(std::shared_ptr<session_slots> of, nudge wake,
                          const session_config* kind)
  : of_{std::move(of)} {
  std::lock_guard guard{of_->mutex_};
  id_ = of_->next_id_++;
  auto& mine = of_->places_[id_];
  mine.wake = std::move(wake);
  mine.kind = kind;
}

session_slots::seat::~seat() {
  stand_back();
  std::lock_guard guard{of_->mutex_};
  auto& mine = of_->places_.at(id_);
  mine.gone = true;
  mine.kind = nullptr;
  mine.spare = 0;
  if (mine.held == 0)
    of_->places_.erase(id_);
}

std::optional<session_slot> session_slots::seat::take() {
  std::unique_lock guard{of_->mutex_};
  auto& mine = of_->places_.at(id_);
  if (mine.kept) {
    mine.kept = false;
    return session_slot{of_, id_, std::move(mine.connection)};
  }
  if (mine.in_line)
    return std::nullopt;
  if (of_->line_.empty() && of_->has_room()) {
    ++of_->held_;
    ++mine.held;
    return session_slot{of_, id_, {}};
  }
  mine.in_line = true;
  of_->line_.push_back(id_);
  nudges told;
  for (const auto& [id, other] : of_->places_)
    if (id != id_ && other.spare > 0)
      told.push_back(other.wake);
  guard.unlock();
  call(told);
  return std::nullopt;
}

void session_slots::seat::stand_back() {
  std::unique_lock guard{of_->mutex_};
  auto& mine = of_->places_.at(id_);
  if (auto unwanted = std::move(mine.connection)) {
    if (auto told = of_->hand_over(mine, unwanted)) {
      mine.kept = false;
      guard.unlock();
      (*told)();
      return;
    }
    // Nobody else touches what is kept for this pool.
    guard.unlock();
    unwanted.reset();
    guard.lock();
  }
  auto told = of_->leave_line(id_);
  guard.unlock();
  call(told);
}

void session_slots::seat::spare(uint32_t number) {
  std::lock_guard guard{of_->mutex_};
  of_->places_.at(id_).spare = number;
}

bool session_slots::seat::yield(bool idle) {
  std::lock_guard guard{of_->mutex_};
  auto mine = of_->places_.at(id_).held;
  auto in_need = std::ranges::count_if(of_->line_, [&](uint64_t id) {
    return id != id_ && (idle || of_->places_.at(id).held < mine);
  });
  if (in_need <= static_cast<std::ptrdiff_t>(of_->coming_))
    return false;
  ++of_->coming_;
  return true;
}

bool session_slots::seat::waits() const {
  std::lock_guard guard{of_->mutex_};
  return of_->places_.at(id_).in_line;
}

// -- all of them --------------------------------------------------------------

session_slots::session_slots(uint32_t limit) : limit_{limit} {
}

uint32_t session_slots::held() const {
  std::lock_guard guard{mutex_};
  return held_;
}

uint32_t session_slots::waiting() const {
  std::lock_guard guard{mutex_};
  return static_cast<uint32_t>(line_.size());
}

bool session_slots::has_turn() const {
  std::lock_guard guard{mutex_};
  return line_.empty() && has_room();
}

void session_slots::give_back(uint64_t id) {
  std::unique_lock guard{mutex_};
  auto& from = places_.at(id);
  --from.held;
  --held_;
  // Another session may have ended than the one that was promised: then one
  // more makes way than has to.
  coming_ -= std::min(coming_, 1U);
  if (from.gone && from.held == 0)
    places_.erase(id);
  auto told = hand_on();
  guard.unlock();
  call(told);
}

session_slots::nudges session_slots::leave_line(uint64_t id) {
  auto& mine = places_.at(id);
  if (std::exchange(mine.in_line, false))
    std::erase(line_, id);
  if (!std::exchange(mine.kept, false))
    return {};
  --mine.held;
  --held_;
  return hand_on();
}

session_slots::nudges session_slots::hand_on() {
  nudges result;
  while (!line_.empty() && has_room()) {
    ++held_;
    result.push_back(keep_for_next());
  }
  return result;
}

/// Who has none at all comes first.
std::deque<uint64_t>::iterator session_slots::next_in_line() {
  auto next = std::ranges::find(line_, 0U, [this](uint64_t id) {
    return places_.at(id).held;
  });
  return next == line_.end() ? line_.begin() : next;
}

/// A slot that `held_` has counted already. Somebody must be in line.
session_slots::nudge
session_slots::keep_for_next(std::unique_ptr<open_session> connection) {
  auto next = next_in_line();
  auto& to = places_.at(*next);
  line_.erase(next);
  to.in_line = false;
  to.kept = true;
  to.connection = std::move(connection);
  ++to.held;
  return to.wake;
}

/// A slot with its connection, to the next pool if that wants one of this kind;
/// nothing when it does not.
std::optional<session_slots::nudge>
session_slots::hand_over(place& from,
                         std::unique_ptr<open_session>& connection) {
  if (line_.empty() || !from.kind)
    return std::nullopt;
  const auto* other = places_.at(*next_in_line()).kind;
  if (!other || *other != *from.kind)
    return std::nullopt;
  --from.held;
  return keep_for_next(std::move(connection));
}

bool session_slots::pass_on(uint64_t id,
                            std::unique_ptr<open_session>& connection) {
  std::unique_lock guard{mutex_};
  auto told = hand_over(places_.at(id), connection);
  if (!told)
    return false;
  coming_ -= std::min(coming_, 1U);
  guard.unlock();
  (*told)();
  return true;
}

bool session_slots::has_room() const noexcept {
  return limit_ == 0 || held_ < limit_;
}

} // namespace millrace
