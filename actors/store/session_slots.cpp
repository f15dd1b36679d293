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

session_slot::session_slot(std::shared_ptr<session_slots> of, uint64_t seat)
  : of_{std::move(of)},
    seat_{seat} {
}

session_slot::session_slot(session_slot&& x) noexcept
  : of_{std::move(x.of_)},
    seat_{x.seat_} {
}

session_slot& session_slot::operator=(session_slot&& x) noexcept {
  auto old = std::move(*this);
  of_ = std::move(x.of_);
  seat_ = x.seat_;
  return *this;
}

session_slot::~session_slot() {
  if (of_)
    of_->give_back(seat_);
}

// -- a pool's place -----------------------------------------------------------

session_slots::seat::seat(std::shared_ptr<session_slots> of, nudge wake)
  : of_{std::move(of)} {
  std::lock_guard guard{of_->mutex_};
  id_ = of_->next_id_++;
  of_->places_[id_].wake = std::move(wake);
}

session_slots::seat::~seat() {
  std::unique_lock guard{of_->mutex_};
  auto told = of_->leave_line(id_);
  auto& mine = of_->places_.at(id_);
  mine.gone = true;
  mine.spare = 0;
  if (mine.held == 0)
    of_->places_.erase(id_);
  guard.unlock();
  call(told);
}

std::optional<session_slot> session_slots::seat::take() {
  std::unique_lock guard{of_->mutex_};
  auto& mine = of_->places_.at(id_);
  if (mine.kept) {
    mine.kept = false;
    return session_slot{of_, id_};
  }
  if (mine.in_line)
    return std::nullopt;
  if (of_->line_.empty() && of_->has_room()) {
    ++of_->held_;
    ++mine.held;
    return session_slot{of_, id_};
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
    auto next = std::ranges::find(line_, 0U, [this](uint64_t id) {
      return places_.at(id).held;
    });
    if (next == line_.end())
      next = line_.begin();
    auto& to = places_.at(*next);
    line_.erase(next);
    to.in_line = false;
    to.kept = true;
    ++to.held;
    ++held_;
    result.push_back(to.wake);
  }
  return result;
}

bool session_slots::has_room() const noexcept {
  return limit_ == 0 || held_ < limit_;
}

} // namespace millrace
