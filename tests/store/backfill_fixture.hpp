#pragma once

// A pipeline, its backfill, and what both ask of the database.

#include "actors/store/lane_admin.hpp"
#include "actors/store/map_change.hpp"
#include "tests/store/store_fixture.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {

/// The pipeline `orders` writes `orders`, from offset 100 on in two partitions;
/// it is to write `fees` too, which `past` backfills.
struct backfill_fixture : store_fixture {
  using names = std::vector<std::string>;

  static inline const partition_id source{topic_id, partition{0}};

  backfill_fixture() {
    must(boot("orders", {"orders"}));
  }

  store_result<boot_result>
  boot(const std::string& pipeline, const names& tables,
       std::optional<boot_backfill> backfill = {}, int64_t start = 100) {
    auto x = boot_of(2);
    x.pipeline = pipeline;
    x.map_fingerprint = 1;
    x.lanes = 1;
    x.tables = tables;
    x.backfill = std::move(backfill);
    for (auto& p : x.topics[0].partitions)
      p.start = offset{start};
    return store().boot(x);
  }

  store_result<boot_result> boot_past(bool order_matters = false,
                                      int64_t start = 0) {
    return boot("past", {"fees"}, boot_backfill{"orders", order_matters},
                start);
  }

  partition_view view(const std::string& pipeline) {
    return must(store().view({pipeline, source}));
  }

  /// As if all below were durable.
  void floor_at(const std::string& pipeline, int64_t to) {
    db.execute("UPDATE millrace.partition_floor SET floor = "
               + std::to_string(to) + " WHERE pipeline = '" + pipeline
               + "' AND partition = 0");
  }

  store_result<map_switch>
  change(const names& tables,
         std::vector<map_backfill> backfills = {{"past", true}}) {
    new_map to{"orders", 2,
               1,        {{"demo", rows_of}},
               tables,   std::move(backfills)};
    auto before = must(maps.stored("orders"));
    auto id = must(maps.plan(to, before->version, 60s));
    auto done = maps.switch_over(id, to, remap);
    if (!done)
      must(maps.abort(id, "a test"));
    return done;
  }

  std::string why_not(const auto& x) {
    return x ? "done" : x.error().message;
  }

  map_changes maps{*conn, {"me", "here", "lanes change", "why"}};

  /// Nothing moves.
  waiting_remap remap = [](const waiting_event&, const lane_id& from) {
    return remapped_event{from, {}, {}};
  };
};

} // namespace millrace::test
