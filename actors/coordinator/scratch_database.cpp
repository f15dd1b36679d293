#include "actors/coordinator/scratch_database.hpp"

#include "actors/coordinator/server_statement.hpp"
#include "actors/store/catalog.hpp"
#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <utility>

namespace millrace {

scratch_outcome
in_scratch_database(connection& conn, const database_opener& open,
                    const std::function<void(connection&)>& body) {
  auto found = conn.query("SELECT 'millrace_rehearsal_' || replace("
                          "gen_random_uuid()::text, '-', '')");
  if (!found)
    return {text_of_error(found.error()), {}};
  std::string name{text_of(found->rows.at(0)[0])};
  auto made = conn.run("CREATE DATABASE " + quote_identifier(name)
                       + " TEMPLATE template0");
  if (!made)
    return {text_of_error(made.error()), {}};
  scratch_outcome result;
  {
    auto stage = open(name);
    if (stage)
      body(*stage);
    else
      result.not_made = text_of_error(stage.error());
  }
  auto dropped
    = conn.run("DROP DATABASE " + quote_identifier(name) + " WITH (FORCE)");
  if (!dropped)
    result.left = "the database " + name
                  + " is left: " + text_of_error(dropped.error());
  return result;
}

std::expected<applied_sets, std::string>
read_applied_sets(connection& real, const migration_set& set,
                  const migration_target& target, const set_finder& find) {
  applied_sets result;
  auto add = [&](const migration_set& files) -> std::optional<std::string> {
    auto history = history_tables{real, target.schema}.read(files.name);
    if (!history)
      return text_of_error(history.error());
    auto done = files;
    std::erase_if(done.files, [&](const migration& x) {
      return !std::ranges::contains(history->versions, x.version,
                                    &applied_migration::version);
    });
    std::erase_if(done.repeatables, [&](const migration& x) {
      return !std::ranges::contains(history->repeatables, x.name,
                                    &applied_migration::name);
    });
    result.files.push_back({std::move(done), target});
    return {};
  };
  // Tenants need the control schema; for it itself, `set` has the files.
  if (set.name != "control") {
    auto control = load_embedded_migrations("control");
    if (!control)
      return std::unexpected{control.error()};
    result.files.push_back({std::move(*control), {"millrace", std::nullopt}});
  }
  // In the order in which they came: one may build upon another.
  auto table = quote_identifier(target.schema, "schema_migrations");
  auto there = has_relation(real, table);
  if (!there)
    return std::unexpected{text_of_error(there.error())};
  std::vector<std::string> names;
  if (*there) {
    auto found = real.query("SELECT pack FROM " + table
                            + " GROUP BY pack ORDER BY min(applied_at), pack");
    if (!found)
      return std::unexpected{text_of_error(found.error())};
    for (const auto& row : found->rows)
      names.emplace_back(text_of(row[0]));
  }
  if (!std::ranges::contains(names, set.name))
    names.push_back(set.name);
  for (auto& name : names) {
    auto files = name == set.name
                   ? std::expected<migration_set, std::string>{set}
                   : find(name);
    if (!files)
      result.unknown.push_back(std::move(name));
    else if (auto wrong = add(*files))
      return std::unexpected{std::move(*wrong)};
  }
  return result;
}

namespace {

std::string reach_of(std::string_view set, const migration& file,
                     const std::string& script) {
  auto all = split_sql(script);
  if (!all)
    return {};
  for (const auto& x : *all)
    if (auto act = server_act_of(x); !act.empty())
      return std::format("{} changes what the whole server shares ({})",
                         file_of(set, file), act);
  return {};
}

} // namespace

std::string reaches_out(const std::vector<applied_files>& all) {
  for (const auto& x : all)
    for (const auto* files : {&x.set.files, &x.set.repeatables})
      for (const auto& file : *files)
        if (auto reach = reach_of(x.set.name, file, file.up); !reach.empty())
          return reach;
  return {};
}

std::string reaches_out(std::string_view set,
                        const std::vector<planned_migration>& plan) {
  for (const auto& x : plan) {
    auto up = x.direction == migration_direction::up;
    auto reach = reach_of(set, x.file, up ? x.file.up : x.file.down);
    if (!reach.empty())
      return reach;
  }
  return {};
}

std::expected<void, std::string>
catch_up(connection& stage, const std::vector<applied_files>& all) {
  migrator worker{stage};
  for (const auto& x : all)
    if (auto ran = worker.up(x.set, x.target); !ran)
      return std::unexpected{ran.error()};
  return {};
}

} // namespace millrace
