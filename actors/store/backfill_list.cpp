#include "actors/store/backfill_list.hpp"

#include "actors/store/sql_steps.hpp"

#include <algorithm>

namespace millrace {

bool backfill_status::done() const {
  return ends && !given_up
         && std::ranges::all_of(partitions, &backfill_partition::complete);
}

int64_t backfill_status::behind() const {
  int64_t result = 0;
  for (const auto& x : partitions)
    result += x.behind();
  return result;
}

store_result<std::vector<backfill_status>> list_backfills(connection& conn) {
  return run_steps([&]() -> store_result<std::vector<backfill_status>> {
    std::vector<backfill_status> result;
    for (
      const auto& row :
      ask(conn,
          "SELECT b.pipeline, b.of_pipeline, array_to_string(b.tables, "
          "E'\\n'), b.change IS NOT NULL OR b.given_up IS NOT NULL, b.holds, "
          "p.topic_name, p.partition, p.begin, p.floor, p.until, p.lacks_from, "
          "p.lacks_to, p.waiting, b.given_up IS NOT NULL FROM "
          "millrace.backfill b LEFT JOIN (SELECT pipeline, topic_name, "
          "partition, begin, floor, until, lacks_from, lacks_to, waiting, slot "
          "FROM millrace.backfill_progress WHERE NOT retired UNION ALL SELECT "
          "pipeline, topic_name, partition, NULL, NULL, until, NULL, NULL, 0, "
          "NULL FROM millrace.backfill_unfound) p ON p.pipeline = b.pipeline "
          "ORDER BY b.pipeline COLLATE \"C\", p.slot, p.topic_name COLLATE "
          "\"C\", p.partition",
          {})) {
      std::string name{text_of(row[0])};
      if (result.empty() || result.back().pipeline != name)
        result.push_back({name,
                          std::string{text_of(row[1])},
                          lines_of(text_of(row[2])),
                          bool_of(row[3]),
                          bool_of(row[4]),
                          bool_of(row[13]),
                          {}});
      if (!row[6])
        continue;
      auto& x = result.back().partitions.emplace_back();
      x.topic = row[5].value_or("");
      x.number = partition{int32_of(row[6])};
      if (row[8]) {
        x.begin = offset{int_of(row[7])};
        x.floor = offset{int_of(row[8])};
      }
      x.until = offset{int_of(row[9])};
      if (row[11])
        x.lacks = offset_range{offset{int_of(row[10])},
                               offset{int_of(row[11])}};
      x.waiting = int_of(row[12]);
    }
    return result;
  });
}

std::optional<std::string>
tenants_stay(std::span<const backfill_status> all, const std::string& pipeline,
             std::span<const std::string> configured) {
  constexpr auto why = ": a tenant that changes its database meanwhile would "
                       "have some rows twice, or lack them; ";
  for (const auto& x : all) {
    auto name = "pipeline " + x.pipeline;
    if (x.pipeline == pipeline)
      return name
             + " is a backfill, whose tenants stay where they are: take it "
               "out of the configuration once 'millrace lanes backfills' "
               "says that it is done";
    if (x.of == pipeline && x.open())
      return name + " backfills " + pipeline + " and is not done" + why
             + "wait until 'millrace lanes backfills' says so, or give it up "
               "('millrace lanes backfills --give-up "
             + x.pipeline + "')";
  }
  for (const auto& name : configured)
    if (std::ranges::contains(all, name, &backfill_status::pipeline))
      return "pipeline " + name + " backfills " + pipeline
             + ", and the tenants of a backfill stay where they are: it is "
               "done, so take it out of the configuration";
    else
      return "pipeline " + name + " backfills " + pipeline
             + " and has not begun here" + why
             + "let a node run it first, or take it out of the configuration";
  return std::nullopt;
}

} // namespace millrace
