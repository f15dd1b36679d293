#include "actors/store/backfill_rules.hpp"

#include <algorithm>

namespace millrace {

namespace {

std::string clash(const backfill_wish& x, const std::string& what,
                  const std::string& mend) {
  return "pipeline " + x.pipeline + " cannot backfill " + x.of + ": " + what
         + "; " + mend;
}

} // namespace

std::expected<std::optional<std::string>, std::string>
end_of_backfill(const backfill_wish& x, std::span<const written_span> spans,
                std::span<const tenant_arrival> arrivals) {
  // What was written before this program noted it is not known.
  if (spans.empty())
    return std::unexpected{
      clash(x, "it is not known which tables that one has written",
            "give it a table that is new to it by 'millrace lanes change'")};
  std::optional<std::string> change;
  int64_t since = 0;
  std::vector<std::string> written;
  for (const auto& table : x.tables) {
    std::vector<const written_span*> of_table;
    for (const auto& span : spans)
      if (span.table == table)
        of_table.push_back(&span);
    if (of_table.empty())
      continue;
    written.push_back(table);
    const auto& first = *of_table.front();
    if (of_table.size() > 1 || first.ended)
      return std::unexpected{
        clash(x, "that one has written " + table + " before, and stopped",
              "rows would be there twice: write a new table instead")};
    if (!first.change)
      return std::unexpected{
        clash(x, "that one has written " + table + " since it began",
              "there is nothing to make up for")};
    if (change && change != first.change)
      return std::unexpected{clash(x,
                                   "that one began to write " + listed(x.tables)
                                     + " with different maps",
                                   "give each of them a backfill of its own")};
    change = first.change;
    since = first.since;
  }
  if (written.empty())
    return std::nullopt;
  if (written.size() < x.tables.size())
    return std::unexpected{
      clash(x,
            "that one writes " + listed(written) + " and not all of "
              + listed(x.tables),
            "give those that it writes a backfill of their own")};
  if (x.order_matters)
    return std::unexpected{
      clash(x,
            "that one writes " + listed(written)
              + " already, and an older event would replace a newer row",
            "take these writes out of " + x.of
              + " again, make a new table, and begin the backfill before they "
                "come back; or upsert with only_if_newer")};
  // The other database may have begun to write them elsewhere, so some records
  // would have rows in both, or in neither.
  std::vector<std::string> late;
  for (const auto& tenant : arrivals)
    if (tenant.version > since && !std::ranges::contains(late, tenant.tenant))
      late.push_back(tenant.tenant);
  if (!late.empty())
    return std::unexpected{
      clash(x,
            "tenant " + listed(late)
              + " came from another database after that one had begun to write "
              + listed(written) + " here, and its rows of before are there",
            "take these writes out of " + x.of
              + " again, make a new table, and begin the backfill before they "
                "come back")};
  return change;
}

hand_over judge_hand_over(std::span<const std::string> tables,
                          std::span<const std::string> map_tables) {
  auto n = std::ranges::count_if(tables, [&](const std::string& x) {
    return std::ranges::contains(map_tables, x);
  });
  if (n == 0)
    return hand_over::stays;
  return static_cast<std::size_t>(n) == tables.size() ? hand_over::ends
                                                      : hand_over::in_part;
}

std::string listed(std::span<const std::string> names) {
  std::string result;
  for (std::size_t i = 0; i < names.size(); ++i)
    result += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return result;
}

} // namespace millrace
