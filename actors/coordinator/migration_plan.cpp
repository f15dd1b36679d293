#include "actors/coordinator/migration_plan.hpp"

#include <algorithm>
#include <format>
#include <map>

namespace millrace {

namespace {

using problems = std::vector<std::string>;

template <class Range, class Key, class Projection>
auto find_in(const Range& all, const Key& key, Projection projection)
  -> decltype(&*all.begin()) {
  auto found = std::ranges::find(all, key, projection);
  return found == all.end() ? nullptr : &*found;
}

const interrupted_migration* interruption(const migration_history& history,
                                          int32_t version,
                                          const std::string& name) {
  auto found = std::ranges::find_if(history.interrupted, [&](const auto& x) {
    return x.version == version && (version > 0 || x.name == name);
  });
  return found == history.interrupted.end() ? nullptr : &*found;
}

void fill(migration_status& to, const applied_migration& row) {
  to.applied_at = row.applied_at;
  to.applied_by = row.applied_by;
  to.execution_time_ms = row.execution_time_ms;
  to.baseline = row.baseline;
}

migration_status status_of(const migration& file,
                           const applied_migration* row) {
  migration_status result;
  result.version = file.version;
  result.name = file.name;
  result.description = file.description;
  result.author = file.author;
  if (row == nullptr)
    return result;
  fill(result, *row);
  if (file.checksum == row->checksum)
    result.state = migration_state::applied;
  else
    result.state = file.repeatable() ? migration_state::pending
                                     : migration_state::edited;
  return result;
}

migration_status status_of(const applied_migration& row) {
  migration_status result;
  result.version = row.version;
  result.name = row.name;
  result.description = row.description;
  result.author = row.author;
  result.state = migration_state::unknown;
  fill(result, row);
  return result;
}

int32_t newest(const migration_history& history) {
  return history.versions.empty() ? 0 : history.versions.back().version;
}

/// What to run so that all versions up to `version` are applied.
void plan_up(const migration_set& set, const migration_history& history,
             int32_t version, std::vector<planned_migration>& to) {
  for (const auto& file : set.files)
    if (file.version <= version
        && !find_in(history.versions, file.version,
                    &applied_migration::version))
      to.push_back({file, migration_direction::up});
}

void plan_repeatables(const migration_set& set,
                      const migration_history& history,
                      std::vector<planned_migration>& to,
                      bool rows_again = false) {
  for (const auto& file : set.repeatables) {
    const auto* row = find_in(history.repeatables, file.name,
                              &applied_migration::name);
    if (row == nullptr || row->checksum != file.checksum
        || (rows_again && file.holds_rows()))
      to.push_back({file, migration_direction::up});
  }
}

/// The newest first, while `more(version)`.
template <class Predicate>
void plan_down(const migration_set& set, const migration_history& history,
               Predicate more, std::vector<planned_migration>& to,
               problems& wrong) {
  for (auto i = history.versions.rbegin();
       i != history.versions.rend() && more(i->version); ++i) {
    const auto* file = find_in(set.files, i->version, &migration::version);
    // Without a file it is a problem already.
    if (file == nullptr)
      continue;
    if (file->down.find_first_not_of(" \t\r\n") == std::string::npos)
      wrong.push_back(file_of(set.name, *file)
                      + " has nothing under \"-- millrace:down\": take back "
                        "what it made with a new file");
    else
      to.push_back({*file, migration_direction::down});
  }
}

/// A file that stands half-way has to be the next one, in its direction.
void check_interrupted(const migration_set& set,
                       const migration_history& history,
                       const std::vector<planned_migration>& plan,
                       problems& wrong) {
  for (const auto& x : history.interrupted) {
    auto first = !plan.empty() && plan.front().file.version == x.version
                 && plan.front().direction == x.direction;
    auto repeated = x.version == 0 && x.direction == migration_direction::up;
    if (first || repeated)
      continue;
    auto name = x.version > 0 ? std::format("{:03}_{}", x.version, x.name)
                              : x.name;
    wrong.push_back(std::format(
      "{}/{} stands half-way {}: end that first with 'millrace migrate {}'",
      set.name, name, to_string(x.direction), to_string(x.direction)));
  }
}

/// Why the way to a version is not the one that was asked for; empty: it is.
std::string against(const migrate_to& goal, int32_t newest) {
  if (goal.only == migration_direction::up && goal.version < newest)
    return std::format("version: {} is below {}, the newest that is applied: "
                       "up takes nothing back, 'millrace migrate to {}' does",
                       goal.version, newest, goal.version);
  if (goal.only == migration_direction::down && goal.version > newest)
    return std::format("version: {} is above {}, the newest that is applied: "
                       "down applies nothing, 'millrace migrate to {}' does",
                       goal.version, newest, goal.version);
  return {};
}

} // namespace

std::string to_string(migration_state x) {
  switch (x) {
    case migration_state::applied:
      return "applied";
    case migration_state::pending:
      return "pending";
    case migration_state::edited:
      return "edited";
    case migration_state::unknown:
      return "unknown";
    case migration_state::interrupted:
      return "interrupted";
  }
  return "unknown";
}

std::string to_string(migration_direction x) {
  return x == migration_direction::up ? "up" : "down";
}

std::vector<migration_status> compare(const migration_set& set,
                                      const migration_history& history) {
  std::map<int32_t, migration_status> versions;
  for (const auto& row : history.versions)
    versions.emplace(row.version, status_of(row));
  for (const auto& file : set.files)
    versions[file.version] = status_of(file,
                                       find_in(history.versions, file.version,
                                               &applied_migration::version));
  std::map<std::string, migration_status> repeatables;
  for (const auto& row : history.repeatables)
    repeatables.emplace(row.name, status_of(row));
  for (const auto& file : set.repeatables)
    repeatables[file.name] = status_of(
      file, find_in(history.repeatables, file.name, &applied_migration::name));
  std::vector<migration_status> result;
  for (auto& [key, x] : versions)
    result.push_back(std::move(x));
  for (auto& [key, x] : repeatables)
    result.push_back(std::move(x));
  for (auto& x : result)
    if (interruption(history, x.version, x.name) != nullptr)
      x.state = migration_state::interrupted;
  return result;
}

std::vector<std::string> find_problems(const migration_set& set,
                                       const migration_history& history) {
  auto result = set.problems;
  auto last = newest(history);
  for (const auto& row : history.versions) {
    const auto* file = find_in(set.files, row.version, &migration::version);
    if (file == nullptr)
      result.push_back(std::format(
        "version {} ({}) is applied, but there is no such file: this binary or "
        "folder is older than the database, use the newer one; or restore the "
        "file",
        row.version, row.name));
    else if (file->checksum != row.checksum)
      result.push_back(
        file_of(set.name, *file)
        + " was changed after it had been applied: restore the file as it "
          "was, and put the change into a new file with the next number");
  }
  for (const auto& file : set.files)
    if (file.version < last
        && !find_in(history.versions, file.version,
                    &applied_migration::version))
      result.push_back(std::format(
        "{} is not applied, though {} is: give a file that came late the next "
        "free number; if what it makes is there already, write that down with "
        "'millrace migrate baseline --version {}'",
        file_of(set.name, file), last, file.version));
  return result;
}

std::expected<std::vector<planned_migration>, std::vector<std::string>>
make_plan(const migration_set& set, const migration_history& history,
          const migration_goal& goal) {
  auto wrong = find_problems(set, history);
  std::vector<planned_migration> result;
  auto to_version = [&](int32_t version) {
    if (version < newest(history))
      plan_down(
        set, history, [&](int32_t x) { return x > version; }, result, wrong);
    else
      plan_up(set, history, version, result);
  };
  auto last = set.files.empty() ? 0 : set.files.back().version;
  if (const auto* down = std::get_if<migrate_down>(&goal)) {
    auto left = down->count;
    plan_down(set, history, [&](int32_t) { return left-- > 0; }, result, wrong);
  } else if (std::holds_alternative<migrate_redo>(goal)) {
    auto left = 1;
    plan_down(set, history, [&](int32_t) { return left-- > 0; }, result, wrong);
    if (!result.empty())
      result.push_back({result.front().file, migration_direction::up});
  } else if (const auto* to = std::get_if<migrate_to>(&goal)) {
    if (to->version < 0 || to->version > last)
      wrong.push_back(
        std::format("version: found {}, expected 0 to {}", to->version, last));
    if (auto other_way = against(*to, newest(history)); !other_way.empty())
      wrong.push_back(std::move(other_way));
    // Back to the newest is nowhere, whatever is lacking before it.
    if (to->only != migration_direction::down
        || to->version < newest(history)) {
      to_version(to->version);
      if (to->version == last)
        plan_repeatables(set, history, result);
    }
  } else {
    to_version(std::max(last, newest(history)));
    plan_repeatables(set, history, result,
                     std::holds_alternative<migrate_seed>(goal));
  }
  check_interrupted(set, history, result, wrong);
  if (!wrong.empty())
    return std::unexpected{std::move(wrong)};
  return result;
}

std::expected<std::vector<migration>, std::vector<std::string>>
plan_baseline(const migration_set& set, const migration_history& history,
              int32_t version) {
  auto wrong = set.problems;
  auto last = set.files.empty() ? 0 : set.files.back().version;
  if (version < 1 || version > last)
    wrong.push_back(
      std::format("--version: found {}, expected 1 to {}", version, last));
  for (const auto& x : history.interrupted)
    if (x.version > 0 && x.version <= version)
      wrong.push_back(std::format("{}/{:03}_{} stands half-way: end that first "
                                  "with 'millrace migrate {}'",
                                  set.name, x.version, x.name,
                                  to_string(x.direction)));
  if (!wrong.empty())
    return std::unexpected{std::move(wrong)};
  std::vector<migration> result;
  for (const auto& file : set.files)
    if (file.version <= version
        && !find_in(history.versions, file.version,
                    &applied_migration::version))
      result.push_back(file);
  return result;
}

} // namespace millrace
