// Tables whose partitions are made ahead of time: reading and checking.

#include "config/load_parts.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <format>
#include <set>
#include <stdexcept>
#include <system_error>

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

/// Makes the folder one that does not depend on where the process runs.
void resolve(reader& in, partition_config& x, const std::string& path) {
  if (x.archive.empty())
    return;
  auto folder = std::filesystem::absolute(
                  std::filesystem::path{in.file()}.parent_path() / x.archive)
                  .lexically_normal();
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    auto full = path + ".archive";
    in.add(in.where(full, x.at), full, in_quotes(x.archive),
           "a folder that is there",
           "make " + folder.string() + ", writable for this program");
  }
  x.archive = folder.string();
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
    partition_config x;
    x.at = tables[i]->at;
    fill_defaults(in, schema::partition(), x);
    read_section(in, schema::partition(), *tables[i], inner, x);
    check_required(in, schema::partition(), x.at, inner);
    check(in, x, inner);
    resolve(in, x, inner);
    check_named_once(in, x.tables, known, inner + ".tables", x.at);
    result.push_back(std::move(x));
  }
  return result;
}

void check_named_once(reader& in, const std::vector<std::string>& tables,
                      std::set<std::string>& known, const std::string& path,
                      const source_position& at) {
  for (const auto& table : tables)
    if (!known.insert(table).second)
      in.add(in.where(path, at), path, in_quotes(table) + " a second time",
             "each table once");
}

} // namespace millrace
