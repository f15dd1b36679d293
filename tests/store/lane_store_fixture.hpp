#pragma once

#include "tests/store/store_fixture.hpp"

namespace millrace::test {

/// A store with two lanes, and acts for the floor of a partition.
struct lane_store_fixture : store_fixture {
  const partition_id source{topic_id, partition{0}};

  void lanes_at(const char* first, const char* second) {
    for (auto [shard, at] : {std::pair{"0", first}, std::pair{"1", second}})
      db.execute("UPDATE millrace.lane SET next_off[1] = " + std::string{at}
                 + " WHERE shard = " + shard);
  }

  partition_view view() {
    return must(store().view({"p", source}));
  }

  floor_request full() {
    auto seen = view();
    floor_request result{"p", source, {}, false, {}};
    result.act.full = true;
    result.act.floor = seen.floor;
    result.act.token = seen.token;
    result.act.map_version = seen.map_version;
    return result;
  }

  floor_request touched(int64_t to, int64_t first_lane_end) {
    auto result = full();
    result.act.full = false;
    result.act.to = offset{to};
    result.act.touched = {{0, {"p", "demo", shard{0}}, offset{first_lane_end}}};
    return result;
  }
};

} // namespace millrace::test
