// Tables whose partitions are made ahead of time: reading and checking.

#include "config/load_parts.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <set>
#include <stdexcept>
#include <utility>

namespace millrace {

namespace {

using std::chrono::hours;

constexpr int64_t max_ahead = 1'000;

/// The shortest that a period is.
std::chrono::milliseconds length_of(partition_every x) {
  switch (x) {
    case partition_every::hour:
      return hours{1};
    case partition_every::day:
      break;
    case partition_every::week:
      return hours{7 * 24};
    case partition_every::month:
      return hours{28 * 24};
  }
  return hours{24};
}

bool is_zone(const std::string& x) {
  if (x == "UTC")
    return true;
  try {
    return std::chrono::locate_zone(x) != nullptr;
  } catch (const std::runtime_error&) {
    return false;
  }
}

/// Whether the template gives each period, and each table, a name of its own.
bool names_all(const partition_config& x) {
  auto has = [&x](std::string_view word) { return x.name.contains(word); };
  auto day = x.every != partition_every::month;
  return has("{table}") && has("{YYYY}") && has("{MM}") && (!day || has("{DD}"))
         && (x.every != partition_every::hour || has("{HH}"));
}

void check(reader& in, const partition_config& x, const std::string& path) {
  auto complain = [&](const std::string& key, std::string found,
                      std::string expected, std::string hint = {}) {
    auto full = path + '.' + key;
    in.add(in.where(full, x.at), full, std::move(found), std::move(expected),
           std::move(hint));
  };
  if (!is_zone(x.timezone))
    complain("timezone", in_quotes(x.timezone),
             "the name of a time zone that this machine knows",
             "such as Europe/Berlin");
  else if (x.every == partition_every::hour && x.timezone != "UTC")
    complain("timezone", in_quotes(x.timezone), "\"UTC\" for hours");
  if (x.ahead / length_of(x.every) > max_ahead)
    complain("ahead", format_duration(x.ahead),
             std::format("at most {} partitions ahead", max_ahead));
  if (x.late == late_rows::reject && x.keep.count() == 0)
    complain("late", "\"reject\" without `keep`",
             "`keep` beside it: only what is older is rejected");
  if (!x.archive.empty() && x.keep.count() == 0)
    complain("archive", in_quotes(x.archive) + " without `keep`",
             "`keep` beside it: only what is older is archived");
  if (!x.name.empty() && (!names_all(x) || !is_identifier(x.name)))
    complain("name", in_quotes(x.name),
             "a text with {table} and what tells the periods apart: {YYYY}, "
             "{MM}, {DD}, {HH}");
}

/// One table of either list, without what it says of other ones.
partition_config read_one(reader& in, const section<partition_config>& what,
                          const tree_node& from, const std::string& path) {
  partition_config x;
  x.at = from.at;
  fill_defaults(in, what, x);
  read_section(in, what, from, path, x);
  check_required(in, what, x.at, path);
  check(in, x, path);
  if (!x.archive.empty())
    x.archive = resolve_folder(in, x.archive, x.at, path + ".archive",
                               "writable for this program");
  return x;
}

void add_second(reader& in, const source_position& at, const std::string& path,
                const std::string& table) {
  in.add(in.where(path, at), path, in_quotes(table) + " a second time",
         "each table once");
}

} // namespace

std::vector<partition_config> read_partitions(reader& in, const tree_node& from,
                                              const std::string& path) {
  std::vector<partition_config> result;
  if (!from.find("partition"))
    return result;
  auto header = path + ".partition";
  auto tables = tables_in(in, from, "partition", header, header);
  std::set<std::string> known;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto inner = std::format("{}[{}]", header, i);
    auto x = read_one(in, schema::partition(), *tables[i], inner);
    check_named_once(in, x.tables, known, inner + ".tables", x.at);
    result.push_back(std::move(x));
  }
  return result;
}

void read_own_partitions(reader& in, const tree_node& root, config& to) {
  if (!root.find("partition"))
    return;
  auto tables = tables_in(in, root, "partition", "partition", "partition");
  // Two may speak of a table, for different tenants.
  std::set<std::pair<std::string, std::string>> known;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto inner = std::format("partition[{}]", i);
    auto x = read_one(in, schema::own_partition(), *tables[i], inner);
    check_tenants(in, to, x.tenants, x.at, inner + ".tenants");
    for (const auto& table : x.tables) {
      auto twice = false;
      for (const auto& tenant : to.tenants)
        if (x.tenants.empty() || std::ranges::contains(x.tenants, tenant.name))
          twice = !known.insert({tenant.name, table}).second || twice;
      if (twice)
        add_second(in, x.at, inner + ".tables", table);
    }
    to.partitions.push_back(std::move(x));
  }
}

void check_named_once(reader& in, const std::vector<std::string>& tables,
                      std::set<std::string>& known, const std::string& path,
                      const source_position& at) {
  for (const auto& table : tables)
    if (!known.insert(table).second)
      add_second(in, at, path, table);
}

} // namespace millrace
