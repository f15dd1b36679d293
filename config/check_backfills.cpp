// Pipelines that make up for what others have not written.

#include "config/backfills.hpp"
#include "config/checks.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <string>
#include <vector>

namespace millrace {

void check_backfill(reader& in, const config& all, const pipeline_config& x,
                    const std::string& path) {
  if (x.backfills.empty()) {
    if (!x.tables.empty())
      in.add(in.where(path + ".tables", x.at), path + ".tables",
             "tables beside no backfills",
             "backfills too, or a pipeline with these writes alone");
    return;
  }
  auto item = path + ".backfills";
  auto at = in.where(item, x.at);
  auto other = std::ranges::find(all.pipelines, x.backfills,
                                 &pipeline_config::name);
  if (other == all.pipelines.end() || x.backfills == x.name) {
    std::vector<std::string> names;
    for (const auto& pipeline : all.pipelines)
      if (pipeline.name != x.name)
        names.push_back(pipeline.name);
    auto near = closest(x.backfills, names);
    in.add(at, item, in_quotes(x.backfills),
           "the name of another pipeline of this file",
           near ? "did you mean " + in_quotes(*near) + "?" : "");
    return;
  }
  if (!other->backfills.empty())
    in.add(at, item, in_quotes(x.backfills) + ", a backfill itself",
           "a pipeline that is none");
  if (other->topics != x.topics)
    in.add(in.where(path + ".topics", x.at), path + ".topics",
           "other topics than pipeline." + other->name + " has",
           "the same list, as that pipeline's records are made up for");
  if (x.start.from == start_position::latest)
    in.add(in.where(path + ".start", x.at), path + ".start",
           in_quotes(to_string(x.start)),
           "a place in the past, as the backfill ends where the records of now "
           "begin");
  check_same(in, x, *other, path);
  auto has_all = [&] {
    auto mine = own_tables(x);
    auto theirs = written_tables(*other);
    auto n = std::ranges::count_if(mine, [&](const std::string& name) {
      return std::ranges::binary_search(theirs, name);
    });
    return n == 0 || static_cast<std::size_t>(n) == mine.size();
  };
  if (!has_all())
    in.add(at, item,
           std::format("tables of which pipeline.{} writes some", other->name),
           "that it writes all of them or none: the backfill ends where it "
           "begins to");
}

} // namespace millrace
