#include "nodes/one_event.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

using namespace millrace;
using names = std::vector<std::string>;

namespace {

/// Two events with three writes, and a row of each.
struct fixture {
  fixture() {
    for (const auto& tables : {names{"orders", "fees"}, names{"orders"}}) {
      auto& event = pipeline.config.events.emplace_back();
      for (const auto& table : tables) {
        event.writes.emplace_back().table = table;
        data.blocks.emplace_back().row_ends.push_back(1);
      }
    }
  }

  /// Those that have rows.
  names left() const {
    names result;
    std::size_t i = 0;
    for (const auto& event : pipeline.config.events)
      for (const auto& write : event.writes)
        if (!data.blocks.at(i++).row_ends.empty())
          result.push_back(write.table);
    return result;
  }

  prepared_pipeline pipeline;
  batch data;
};

} // namespace

TEST_CASE_METHOD(fixture, "rows of tables that are left out go, wherever they "
                          "are written") {
  CHECK_FALSE(leave_out({}, pipeline, data));
  CHECK(left() == names{"orders", "fees", "orders"});
  CHECK_FALSE(leave_out({"fees", "unknown"}, pipeline, data));
  CHECK(left() == names{"orders", "orders"});
  CHECK(leave_out({"orders"}, pipeline, data));
  CHECK(left().empty());
}

TEST_CASE_METHOD(fixture, "an event without rows bears it") {
  data.blocks.clear();
  CHECK_FALSE(leave_out({"fees"}, pipeline, data));
  CHECK(data.blocks.empty());
}
