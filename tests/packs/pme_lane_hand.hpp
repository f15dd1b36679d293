#pragma once

#include "tests/packs/pme_lanes.hpp"

#include <array>

namespace millrace::test {

/// What a LANE WRITER and its consumers are to one lane, without actors: takes
/// the core's steps, one at a time, and feeds it.
class lane_hand {
public:
  lane_hand(lane_world& world, int number, const pass_options& options,
            pass_account& account);

  /// One step, if there is one to take.
  void go_on();

  /// Ends without a word, and is there again.
  void crash();

  /// A transaction is open.
  bool flushes() const noexcept {
    return run_ != nullptr;
  }

  /// All of the log is durable, and nothing waits.
  bool is_done() const noexcept {
    return rests_;
  }

  /// For whoever wonders why it does not get on.
  std::string state() const;

private:
  struct feed {
    /// Where the next batch begins.
    int64_t from = 0;

    /// What the lane has acknowledged.
    int64_t durable = 0;
    rewind number;
  };

  void begin();
  void feed_or_retry();
  bool is_fed() const;
  bool is_durable() const;
  void advance();
  bool step();
  void on_failed(const flush_result& result);
  void fetch();
  void read_waiting();
  void take_replies();
  void send();
  void send_again();
  batch_ptr make_batch(int of, int64_t from, int64_t to);
  int64_t end_of(int of) const;

  lane_world& world_;
  lane_id id_;
  const pass_options& options_;
  pass_account& account_;
  waiting_mapper mapper_;
  decoder decoder_;
  std::unique_ptr<connection> conn_;
  std::unique_ptr<lane_core> core_;
  std::unique_ptr<flush_run> run_;
  std::array<feed, lane_world::partitions> feeds_;

  /// It was asked and had nothing left to do.
  bool rests_ = false;
};

} // namespace millrace::test
