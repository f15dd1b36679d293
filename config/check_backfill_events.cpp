// What a backfill and its pipeline must have in common (rule 25): what a record
// is, whose it is, and what is written for it. Each difference by itself.

#include "config/backfills.hpp"
#include "config/checks.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

namespace {

/// A key and its value as a problem shows it; with texts of equal meaning the
/// same.
using shown_key = std::pair<std::string, std::string>;
using shown_keys = std::vector<shown_key>;

std::string shown(const std::string& x) {
  return x.empty() ? "nothing" : in_quotes(x);
}

std::string shown(const std::vector<std::string>& xs) {
  std::string result;
  for (const auto& x : xs)
    result += (result.empty() ? "" : ", ") + in_quotes(x);
  return '[' + result + ']';
}

std::string shown(bool x) {
  return x ? "true" : "false";
}

/// What the pipeline's `event_type` yields for it, sorted; one empty text where
/// there is none.
std::vector<std::string> types_of(const pipeline_config& x,
                                  const event_config& event) {
  if (x.event_type.text.empty())
    return {""};
  auto result = event.types;
  if (result.empty())
    result.push_back(event.name);
  std::ranges::sort(result);
  return result;
}

shown_keys keys_of(const pipeline_config& x) {
  return {{"format", shown(x.format)},
          {"tenant", shown(x.tenant.text)},
          {"event_type", shown(x.event_type.text)},
          {"member_names", shown(to_string(x.member_names))}};
}

shown_keys keys_of(const pipeline_config& x, const event_config& event,
                   bool typed) {
  return {{"types", typed ? shown(types_of(x, event)) : ""},
          {"when", shown(event.when.text)},
          {"every", shown(event.every)},
          {"route", shown(event.route.text)}};
}

shown_keys keys_of(const write_config& x) {
  return {{"kind", shown(to_string(x.kind))},
          {"on", shown(to_string(x.on))},
          {"key", shown(x.key)},
          {"only_if_newer", shown(x.only_if_newer)},
          {"on_missing", shown(to_string(missing_policy_of(x)))},
          {"always", shown(x.always)},
          {"when", shown(x.when.text)},
          {"each", shown(x.each.text)}};
}

std::map<std::string, std::string> columns_of(const write_config& x) {
  std::map<std::string, std::string> result;
  for (const auto& column : x.columns)
    result.emplace(column.name, column.value.text);
  return result;
}

bool same_rows(const write_config& x, const write_config& y) {
  return keys_of(x) == keys_of(y) && columns_of(x) == columns_of(y);
}

/// Where a column stands, else its write.
source_position place_of(const write_config& x, const std::string& column) {
  auto i = std::ranges::find(x.columns, column, &column_config::name);
  return i == x.columns.end() ? x.at : i->at;
}

/// A write and its index among those of its event.
struct placed_write {
  const write_config* what;
  std::size_t index;
};

std::vector<placed_write> writes_into(const event_config* x,
                                      const std::string& table) {
  std::vector<placed_write> result;
  for (std::size_t i = 0; x && i < x->writes.size(); ++i)
    if (x->writes[i].table == table)
      result.push_back({&x->writes[i], i});
  return result;
}

/// Takes out what is the same on both sides.
void drop_equals(std::vector<placed_write>& mine,
                 std::vector<placed_write>& theirs) {
  std::erase_if(mine, [&theirs](const placed_write& x) {
    auto same = std::ranges::find_if(theirs, [&x](const placed_write& y) {
      return same_rows(*x.what, *y.what);
    });
    if (same == theirs.end())
      return false;
    theirs.erase(same);
    return true;
  });
}

/// Which events may take a record before the event of that index does.
std::vector<std::string> taken_before(const pipeline_config& x,
                                      std::size_t index) {
  std::vector<std::string> result;
  const auto& mine = x.events[index];
  if (mine.every)
    return result;
  auto types = types_of(x, mine);
  for (std::size_t i = 0; i < index; ++i) {
    const auto& other = x.events[i];
    auto meets = std::ranges::any_of(types_of(x, other), [&](const auto& type) {
      return std::ranges::contains(types, type);
    });
    if (!other.every && meets)
      result.push_back(other.name);
  }
  return result;
}

std::string order_text(const std::vector<std::string>& before) {
  return before.empty() ? "behind no event that could take its records"
                        : "behind " + shown(before);
}

class comparing {
public:
  comparing(reader& in, const pipeline_config& x, const pipeline_config& other,
            const std::string& path)
    : in_{in},
      x_{x},
      other_{other},
      path_{path},
      other_path_{"pipeline." + other.name} {
  }

  void run() {
    compare(keys_of(x_), keys_of(other_), path_, x_.at, other_path_, other_.at);
    // Of one database both would bring the same tables, in two forms.
    if (!x_.pack.empty() && !other_.pack.empty())
      compare({{"partitioning", shown(to_string(x_.partitioning))}},
              {{"partitioning", shown(to_string(other_.partitioning))}}, path_,
              x_.at, other_path_, other_.at);
    compare_codes();
    compare_events();
    auto theirs = written_tables(other_);
    for (const auto& table : own_tables(x_))
      if (std::ranges::binary_search(theirs, table))
        compare_writes(table);
  }

private:
  /// "…, as pipeline.orders has it at FILE:1:2".
  std::string as_there(const std::string& what,
                       const source_position& there) const {
    return std::format("{}, as {} has it at {}", what, other_path_,
                       to_string(there));
  }

  void compare(const shown_keys& mine, const shown_keys& theirs,
               const std::string& path, const source_position& at,
               const std::string& their_path, const source_position& their_at) {
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const auto& [key, text] = mine[i];
      if (text == theirs[i].second)
        continue;
      auto item = path + '.' + key;
      auto there = in_.where(their_path + '.' + key, their_at);
      in_.add(in_.where(item, at), item, text,
              as_there(theirs[i].second, there));
    }
  }

  void compare_codes() {
    for (const auto& table : x_.codes) {
      auto other = std::ranges::find(other_.codes, table.name,
                                     &code_table_config::name);
      if (other == other_.codes.end())
        continue;
      auto mine = table.entries;
      auto theirs = other->entries;
      std::ranges::sort(mine);
      std::ranges::sort(theirs);
      if (mine != theirs)
        in_.add(table.at, path_ + ".codes." + table.name, "other codes",
                as_there("the same", other->at));
    }
  }

  std::string event_path(std::size_t i) const {
    return std::format("{}.event[{}]", path_, i);
  }

  /// Those that write a table of its own, and those before them that may take
  /// their records.
  std::vector<bool> events_that_count() const {
    std::vector<bool> result(x_.events.size());
    auto tables = own_tables(x_);
    for (std::size_t i = 0; i < x_.events.size(); ++i) {
      if (std::ranges::none_of(
            x_.events[i].writes, [&tables](const write_config& write) {
              return std::ranges::contains(tables, write.table);
            }))
        continue;
      auto before = taken_before(x_, i);
      for (std::size_t j = 0; j <= i; ++j)
        if (j == i || std::ranges::contains(before, x_.events[j].name))
          result[j] = true;
    }
    return result;
  }

  void compare_events() {
    auto counts = events_that_count();
    // Else that is what is wrong, and not each event.
    auto one_way = x_.event_type.text.empty() == other_.event_type.text.empty();
    for (std::size_t i = 0; i < x_.events.size(); ++i) {
      const auto& mine = x_.events[i];
      const auto* there = find_event(other_, mine.name);
      if (!counts[i] || !there)
        continue;
      auto n = static_cast<std::size_t>(there - other_.events.data());
      compare(keys_of(x_, mine, one_way), keys_of(other_, *there, one_way),
              event_path(i), mine.at,
              std::format("{}.event[{}]", other_path_, n), there->at);
      auto before = taken_before(x_, i);
      auto before_there = taken_before(other_, n);
      if (one_way && before != before_there)
        in_.add(mine.at, event_path(i),
                in_quotes(mine.name) + ' ' + order_text(before),
                as_there("it " + order_text(before_there), there->at),
                "the first event that fits takes a record; `tables` takes "
                "writes out of a copy");
    }
  }

  const event_config* find_event(const pipeline_config& in,
                                 const std::string& name) const {
    auto i = std::ranges::find(in.events, name, &event_config::name);
    return i == in.events.end() ? nullptr : &*i;
  }

  void compare_writes(const std::string& table) {
    for (std::size_t i = 0; i < x_.events.size(); ++i) {
      const auto& event = x_.events[i];
      compare_writes(table, writes_into(&event, table),
                     writes_into(find_event(other_, event.name), table),
                     event_path(i), event.at);
    }
    for (const auto& event : other_.events)
      if (!find_event(x_, event.name))
        compare_writes(table, {}, writes_into(&event, table), path_ + ".event",
                       x_.at);
  }

  void compare_writes(const std::string& table, std::vector<placed_write> mine,
                      std::vector<placed_write> theirs, const std::string& path,
                      const source_position& at) {
    drop_equals(mine, theirs);
    auto both = std::min(mine.size(), theirs.size());
    for (std::size_t i = 0; i < both; ++i)
      compare_write(mine[i], *theirs[i].what, path);
    for (std::size_t i = both; i < mine.size(); ++i)
      in_.add(mine[i].what->at,
              std::format("{}.write[{}]", path, mine[i].index),
              "a write into table " + in_quotes(table),
              "none, as the event has none in " + other_path_);
    for (std::size_t i = both; i < theirs.size(); ++i)
      in_.add(at, path, "no write into table " + in_quotes(table),
              as_there("one", theirs[i].what->at));
  }

  void compare_write(const placed_write& mine, const write_config& theirs,
                     const std::string& event) {
    auto path = std::format("{}.write[{}]", event, mine.index);
    compare(keys_of(*mine.what), keys_of(theirs), path, mine.what->at, "",
            theirs.at);
    auto columns = columns_of(*mine.what);
    auto wanted = columns_of(theirs);
    for (const auto& [name, text] : columns)
      if (auto i = wanted.find(name); i == wanted.end())
        in_.add(place_of(*mine.what, name), path + ".columns." + name,
                in_quotes(text),
                std::format("none, as the write of {} at {} has none",
                            other_path_, to_string(theirs.at)));
      else if (i->second != text)
        in_.add(place_of(*mine.what, name), path + ".columns." + name,
                in_quotes(text),
                as_there(in_quotes(i->second), place_of(theirs, name)));
    for (const auto& [name, text] : wanted)
      if (!columns.contains(name))
        in_.add(mine.what->at, path + ".columns." + name, "nothing",
                as_there(in_quotes(text), place_of(theirs, name)));
  }

  reader& in_;
  const pipeline_config& x_;
  const pipeline_config& other_;
  const std::string& path_;
  std::string other_path_;
};

} // namespace

void check_same(reader& in, const pipeline_config& x,
                const pipeline_config& other, const std::string& path) {
  comparing{in, x, other, path}.run();
}

} // namespace millrace
