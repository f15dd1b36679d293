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
    check_named_once(in, x.tables, known, inner + ".tables", x.at);
    if (!x.exchange_name.empty() && x.exchange.empty())
      in.add(in.where(inner + ".exchange_name", x.at), inner + ".exchange_name",
             "no `exchange`", "`exchange` beside it: whose name it is");
    result.push_back(std::move(x));
  }
  return result;
}

} // namespace millrace
