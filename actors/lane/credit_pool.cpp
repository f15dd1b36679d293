#include "actors/lane/credit_pool.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace millrace {

namespace {

constexpr auto order = std::memory_order_relaxed;

/// More does not fit into a bucket.
constexpr std::chrono::seconds longest_refill{1};

/// Less than this is left for the next call, and tokens are counted in
/// thousandths: what many short times would round away stays small.
constexpr std::chrono::milliseconds shortest_refill{10};
constexpr int64_t parts = 1'000;

} // namespace

credit_pool::credit_pool(credit_limits limits, clock::time_point now,
                         std::shared_ptr<credit_pool> above)
  : limits_{limits},
    above_{std::move(above)},
    byte_tokens_{limits.bytes_per_second * parts},
    row_tokens_{limits.rows_per_second * parts},
    refilled_{now.time_since_epoch().count()} {
}

bool credit_pool::has_room() const noexcept {
  return (limits_.bytes == 0 || used_.load(order) < limits_.bytes)
         && (!above_ || above_->has_room());
}

bool credit_pool::has_tokens() const noexcept {
  return (limits_.bytes_per_second == 0 || byte_tokens_.load(order) > 0)
         && (limits_.rows_per_second == 0 || row_tokens_.load(order) > 0)
         && (!above_ || above_->has_tokens());
}

void credit_pool::take(std::size_t bytes, std::size_t rows) noexcept {
  used_.fetch_add(bytes, order);
  if (limits_.bytes_per_second > 0)
    byte_tokens_.fetch_sub(static_cast<int64_t>(bytes) * parts, order);
  if (limits_.rows_per_second > 0)
    row_tokens_.fetch_sub(static_cast<int64_t>(rows) * parts, order);
  if (above_)
    above_->take(bytes, rows);
}

void credit_pool::give(std::size_t bytes) noexcept {
  [[maybe_unused]] auto before = used_.fetch_sub(bytes, order);
  assert(before >= bytes);
  if (above_)
    above_->give(bytes);
}

void credit_pool::refill(clock::time_point now) noexcept {
  if (above_)
    above_->refill(now);
  auto ticks = now.time_since_epoch().count();
  auto last = refilled_.load(order);
  // One of several that come at once adds the tokens of a time.
  if (clock::duration{ticks - last} < shortest_refill
      || !refilled_.compare_exchange_strong(last, ticks, order))
    return;
  auto passed = std::min<clock::duration>(clock::duration{ticks - last},
                                          longest_refill);
  add_tokens(byte_tokens_, limits_.bytes_per_second * parts, passed);
  add_tokens(row_tokens_, limits_.rows_per_second * parts, passed);
}

void credit_pool::add_tokens(std::atomic<int64_t>& to, int64_t rate,
                             clock::duration passed) noexcept {
  if (rate == 0)
    return;
  auto share = std::chrono::duration<double>{passed}.count();
  auto more = static_cast<int64_t>(static_cast<double>(rate) * share);
  auto before = to.load(order);
  while (
    !to.compare_exchange_weak(before, std::min(before + more, rate), order))
    continue;
}

credit_share::credit_share(std::shared_ptr<credit_pool> pool)
  : pool_{std::move(pool)} {
}

credit_share::~credit_share() {
  keep(0);
}

credit_share::credit_share(credit_share&& x) noexcept
  : pool_{std::move(x.pool_)},
    held_{std::exchange(x.held_, 0)} {
}

credit_share& credit_share::operator=(credit_share&& x) noexcept {
  std::swap(pool_, x.pool_);
  std::swap(held_, x.held_);
  return *this;
}

void credit_share::take(std::size_t bytes, std::size_t rows) noexcept {
  held_ += bytes;
  if (pool_)
    pool_->take(bytes, rows);
}

void credit_share::keep(std::size_t bytes) noexcept {
  if (bytes >= held_)
    return;
  if (pool_)
    pool_->give(held_ - bytes);
  held_ = bytes;
}

} // namespace millrace
