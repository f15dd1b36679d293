#pragma once

#include "tests/lane/samples.hpp"

#include <catch2/catch_test_macros.hpp>

namespace millrace::test {

/// A core that has taken over a lane which stands at 10 in partition 0 and at
/// 0 in partition 1.
struct owned {
  lane_row row = sample_row({10, 0}, {0, 0});
  lane_core core{sample_lane, {.flush_bytes = 1'200, .queue_bytes = 4'000}};

  owned() {
    // The takeover happens at a first batch; this one says nothing new.
    give({.from = 0, .to = 5, .rows = {1}});
    REQUIRE(core.next_step() == lane_step::take_over);
    core.took_over(row);
    REQUIRE(said() == texts{"ack 5"});
  }

  void give(const batch_spec& x) {
    core.receive(make_sample(x), slot{x.partition});
  }

  texts said() {
    return to_texts(core.take_replies());
  }

  /// Runs the next flush to its commit and checks that there is one.
  void commit() {
    REQUIRE(core.next_step() == lane_step::flush);
    apply();
    core.committed();
  }

  /// What PostgreSQL does with a flush.
  void apply() {
    const auto& c = core.flight().claim;
    row.next_seq.value += c.seqs;
    for (const auto& x : c.ranges)
      row.next_off[static_cast<std::size_t>(x.at.value)] = x.range.to;
  }

  void reload() {
    REQUIRE(core.next_step() == lane_step::load);
    core.loaded(row);
  }
};

} // namespace millrace::test
