// Sets of migrations beside those of packs: reading and checking.

#include "config/load_parts.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <set>
#include <system_error>
#include <utility>

namespace millrace {

namespace {

/// The pipeline whose pack brings the set, or nullptr.
const pipeline_config* pipeline_with(const config& all,
                                     const std::string& set) {
  auto i = std::ranges::find_if(all.pipelines, [&](const auto& x) {
    return !x.pack.empty() && (x.pack == set || x.pack + "-hypertable" == set);
  });
  return i == all.pipelines.end() ? nullptr : &*i;
}

void check_set(reader& in, const config& all, const migrations_config& x,
               const std::string& path) {
  auto at = in.where(path, x.at);
  if (x.set == "control")
    in.add(at, path, in_quotes(x.set), "a set of tenants' tables",
           "the control schema is migrated by itself");
  else if (const auto* pipeline = pipeline_with(all, x.set))
    in.add(at, path, in_quotes(x.set),
           std::format("a set that no pack brings; pipeline.{} has it already",
                       pipeline->name));
}

} // namespace

void check_tenants(reader& in, const config& all,
                   const std::vector<std::string>& names,
                   const source_position& at, const std::string& path) {
  std::vector<std::string> known;
  for (const auto& x : all.tenants)
    known.push_back(x.name);
  for (const auto& name : names) {
    if (std::ranges::contains(known, name))
      continue;
    auto near = closest(name, known);
    in.add(in.where(path, at), path, in_quotes(name),
           "the name of a [[tenant]]",
           near ? std::format("did you mean {}?", in_quotes(*near)) : "");
  }
}

std::string resolve_folder(reader& in, const std::string& given,
                           const source_position& at, const std::string& path,
                           const std::string& to_do) {
  auto folder = std::filesystem::absolute(
                  std::filesystem::path{in.file()}.parent_path() / given)
                  .lexically_normal();
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    in.add(in.where(path, at), path, in_quotes(given), "a folder that is there",
           std::format("make {}, {}", folder.string(), to_do));
  return folder.string();
}

void read_migrations(reader& in, const tree_node& root, config& to) {
  if (!root.find("migrations"))
    return;
  auto tables = tables_in(in, root, "migrations", "migrations", "migrations");
  std::set<std::string> known;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto path = std::format("migrations[{}]", i);
    migrations_config x;
    x.at = tables[i]->at;
    read_section(in, schema::migrations(), *tables[i], path, x);
    check_required(in, schema::migrations(), x.at, path);
    check_set(in, to, x, path + ".set");
    if (!x.set.empty() && !known.insert(x.set).second)
      in.add(in.where(path + ".set", x.at), path + ".set",
             in_quotes(x.set) + " a second time", "each set once");
    check_tenants(in, to, x.tenants, x.at, path + ".tenants");
    if (!x.folder.empty())
      x.folder = resolve_folder(in, x.folder, x.at, path + ".folder",
                                "with the files of the set");
    to.migrations.push_back(std::move(x));
  }
}

} // namespace millrace
