#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace millrace {

/// Limits of a credit pool; 0 means none.
struct credit_limits {
  /// On their way at the same time.
  std::size_t bytes = 0;

  int64_t bytes_per_second = 0;
  int64_t rows_per_second = 0;
};

/// Credit that the partitions of a node share: of a tenant, or of all of them
/// (protocol.md, rule 7). For many threads; allocates nothing and waits for
/// nobody.
///
/// Who finds room takes what it needs, even where that is more than the rest:
/// a pool is overdrawn by at most one batch for each thread that looked at the
/// same time. A rate is a bucket of tokens that holds those of one second; an
/// overdrawn one has none until the debt is paid, so that the rate holds in
/// the long run whatever the size of a batch.
class credit_pool {
public:
  using clock = std::chrono::steady_clock;

  /// What is taken here counts in `above` as well.
  credit_pool(credit_limits limits, clock::time_point now,
              std::shared_ptr<credit_pool> above = nullptr);

  /// Whether fewer bytes are on their way than may be.
  bool has_room() const noexcept;

  /// Whether tokens are left.
  bool has_tokens() const noexcept;

  void take(std::size_t bytes, std::size_t rows) noexcept;

  /// The bytes have arrived, or are given up. Not more than were taken.
  void give(std::size_t bytes) noexcept;

  /// Adds the tokens of the time since the last call; to be called often.
  void refill(clock::time_point now) noexcept;

  std::size_t used() const noexcept {
    return used_.load(std::memory_order_relaxed);
  }

  const credit_limits& limits() const noexcept {
    return limits_;
  }

private:
  static void add_tokens(std::atomic<int64_t>& to, int64_t rate,
                         clock::duration passed) noexcept;

  credit_limits limits_;
  std::shared_ptr<credit_pool> above_;
  std::atomic<std::size_t> used_ = 0;
  std::atomic<int64_t> byte_tokens_;
  std::atomic<int64_t> row_tokens_;

  /// Until when tokens were added.
  std::atomic<clock::rep> refilled_;
};

/// What one holder has taken of a pool; gives it back at its end, whatever
/// that is. Without a pool it only counts. For one thread at a time.
class credit_share {
public:
  explicit credit_share(std::shared_ptr<credit_pool> pool = nullptr);

  ~credit_share();

  credit_share(credit_share&& x) noexcept;

  credit_share& operator=(credit_share&& x) noexcept;

  /// Whoever holds nothing may always take one batch, or those that stand
  /// still could keep the others from going on. Not beyond a rate.
  bool may_take() const noexcept {
    return !pool_ || (pool_->has_tokens() && (held_ == 0 || pool_->has_room()));
  }

  void take(std::size_t bytes, std::size_t rows) noexcept;

  /// Gives back what is beyond `bytes`.
  void keep(std::size_t bytes) noexcept;

  std::size_t held() const noexcept {
    return held_;
  }

private:
  std::shared_ptr<credit_pool> pool_;
  std::size_t held_ = 0;
};

} // namespace millrace
