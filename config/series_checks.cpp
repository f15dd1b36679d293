// Tables that grow with time: reading and checking what is said of them.

#include "config/load_parts.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <set>
#include <utility>

namespace millrace {

std::vector<series_config> read_series(reader& in, const tree_node& from,
                                       const std::string& path) {
  std::vector<series_config> result;
  if (!from.find("series"))
    return result;
  auto header = path + ".series";
  auto all = tables_in(in, from, "series", header, header);
  std::set<std::string> known;
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto inner = std::format("{}[{}]", header, i);
    series_config x;
    x.at = all[i]->at;
    fill_defaults(in, schema::series(), x);
    read_section(in, schema::series(), *all[i], inner, x);
    check_required(in, schema::series(), x.at, inner);
    for (const auto& table : x.tables)
      if (!known.insert(table).second)
        in.add(in.where(inner + ".tables", x.at), inner + ".tables",
               in_quotes(table) + " a second time", "each table once");
    if (!x.exchange_name.empty() && x.exchange.empty())
      in.add(in.where(inner + ".exchange_name", x.at), inner + ".exchange_name",
             "no `exchange`", "`exchange` beside it: whose name it is");
    result.push_back(std::move(x));
  }
  return result;
}

void override_series(std::vector<series_config>& pack,
                     std::vector<series_config> own) {
  for (const auto& mine : own)
    for (auto& x : pack)
      std::erase_if(x.tables, [&mine](const std::string& table) {
        return std::ranges::contains(mine.tables, table);
      });
  std::erase_if(pack, [](const auto& x) { return x.tables.empty(); });
  std::ranges::move(own, std::back_inserter(pack));
}

} // namespace millrace
