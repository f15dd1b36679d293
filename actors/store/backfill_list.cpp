#include "actors/store/backfill_list.hpp"

#include "actors/store/sql_steps.hpp"

#include <algorithm>

namespace millrace {

bool backfill_status::done() const {
  return ends && std::ranges::all_of(partitions, [](const auto& x) {
           return x.behind() == 0 && x.waiting == 0;
         });
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
    for (const auto& row : ask(
           conn,
           "SELECT b.pipeline, b.of_pipeline, array_to_string(b.tables, "
           "E'\\n'), b.change IS NOT NULL, b.holds, p.topic_name, "
           "p.partition, p.begin, p.floor, p.until, p.lacks_from, p.lacks_to, "
           "p.waiting FROM millrace.backfill b LEFT JOIN "
           "millrace.backfill_progress p ON p.pipeline = b.pipeline AND NOT "
           "p.retired ORDER BY b.pipeline COLLATE \"C\", p.slot",
           {})) {
      std::string name{text_of(row[0])};
      if (result.empty() || result.back().pipeline != name)
        result.push_back({name,
                          std::string{text_of(row[1])},
                          lines_of(text_of(row[2])),
                          bool_of(row[3]),
                          bool_of(row[4]),
                          {}});
      if (!row[5])
        continue;
      auto& x = result.back().partitions.emplace_back();
      x.topic = text_of(row[5]);
      x.number = partition{int32_of(row[6])};
      x.begin = offset{int_of(row[7])};
      x.floor = offset{int_of(row[8])};
      x.until = offset{int_of(row[9])};
      if (row[11])
        x.lacks = offset_range{offset{int_of(row[10])},
                               offset{int_of(row[11])}};
      x.waiting = int_of(row[12]);
    }
    return result;
  });
}

} // namespace millrace
