#include "actors/coordinator/partition_plan.hpp"

#include "actors/store/sql_text.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace millrace {

namespace {

constexpr std::size_t max_name_bytes = 63;

/// Periods further away are none that rows come from.
constexpr auto beginning = partition_time::min();
constexpr auto end = partition_time::max();

/// What of time has a partition.
class covered_time {
public:
  explicit covered_time(const std::vector<known_partition>& all) {
    for (const auto& x : all)
      if (!x.is_default)
        add({x.from.value_or(beginning), x.to.value_or(end)});
  }

  /// What of the period is open, in order.
  std::vector<partition_period> gaps(const partition_period& x) const {
    std::vector<partition_period> result;
    auto at = x.from;
    auto i = ranges_.upper_bound(x.from);
    if (i != ranges_.begin())
      at = std::max(at, std::prev(i)->second);
    for (; i != ranges_.end() && i->first < x.to; ++i) {
      if (i->first > at)
        result.push_back({at, i->first});
      at = std::max(at, i->second);
    }
    if (at < x.to)
      result.push_back({at, x.to});
    return result;
  }

  void add(const partition_period& x) {
    ranges_.emplace(x.from, x.to);
  }

private:
  std::map<partition_time, partition_time> ranges_;
};

/// Names that the table's partitions do not have yet.
class free_names {
public:
  explicit free_names(const std::vector<known_partition>& all) {
    for (const auto& x : all)
      taken_.insert(x.name);
  }

  std::string take(const std::string& wanted) {
    auto result = wanted;
    for (auto i = 2; !taken_.insert(result).second; ++i)
      result = wanted + '_' + std::to_string(i);
    return result;
  }

private:
  std::set<std::string> taken_;
};

/// The zone that periods are counted in.
std::string_view zone_of(const partition_policy& policy, partition_key_type x) {
  return counting_zone(x, policy.rules.timezone);
}

partition_time now_of(const partition_policy& policy, partition_key_type x,
                      partition_time now) {
  return key_now(x, policy.rules.timezone, now);
}

/// The key's value as SQL.
std::string bound(partition_key_type type, partition_time x) {
  auto text = key_text(type, x);
  return type == partition_key_type::milliseconds ? text : '\'' + text + '\'';
}

std::string typed_bound(partition_key_type type, partition_time x) {
  return bound(type, x) + "::" + to_string(type);
}

std::string key_range(const known_table& table, const partition_period& x) {
  auto key = quote_identifier(table.key);
  return key + " >= " + typed_bound(table.type, x.from) + " AND " + key + " < "
         + typed_bound(table.type, x.to);
}

const known_partition* default_of(const known_table& table) {
  auto i = std::ranges::find_if(table.partitions, &known_partition::is_default);
  return i == table.partitions.end() ? nullptr : &*i;
}

/// The planner's notes while it works.
struct planning {
  const partition_policy& policy;
  const known_table& table;
  partition_calendar calendar;
  covered_time covered;
  free_names names;
  partition_plan result;

  void want(const partition_period& x) {
    for (const auto& gap : covered.gaps(x)) {
      if (result.make.size() >= max_new_partitions)
        return;
      auto name = names.take(calendar.name(pattern(), policy.table, x));
      if (name.size() > max_name_bytes) {
        result.problems.push_back("partition " + name
                                  + " would have a name of more than 63 bytes; "
                                    "give a shorter `name`");
        return;
      }
      covered.add(gap);
      result.make.push_back({std::move(name), gap});
    }
  }

  std::string_view pattern() const {
    return policy.rules.name.empty()
             ? default_partition_name(policy.rules.every)
             : std::string_view{policy.rules.name};
  }
};

} // namespace

std::string to_string(const partition_policy& x) {
  return x.schema + '.' + x.table;
}

std::optional<partition_key_type> parse_key_type(std::string_view x) {
  if (x == "timestamp with time zone")
    return partition_key_type::timestamptz;
  if (x == "timestamp without time zone")
    return partition_key_type::timestamp;
  if (x == "date")
    return partition_key_type::date;
  if (x == "bigint")
    return partition_key_type::milliseconds;
  return std::nullopt;
}

std::string_view counting_zone(partition_key_type x, std::string_view zone) {
  auto zoned = x == partition_key_type::timestamptz
               || x == partition_key_type::milliseconds;
  return zoned ? zone : std::string_view{};
}

partition_time key_now(partition_key_type x, std::string_view zone,
                       partition_time now) {
  return counting_zone(x, zone).empty()
           ? partition_calendar::on_the_wall(now, zone)
           : now;
}

std::string key_text(partition_key_type type, partition_time x) {
  switch (type) {
    case partition_key_type::timestamptz:
      return wall_text(x) + "+00";
    case partition_key_type::timestamp:
      break;
    case partition_key_type::date:
      return wall_text(x).substr(0, 10);
    case partition_key_type::milliseconds:
      return std::to_string(x.time_since_epoch().count());
  }
  return wall_text(x);
}

std::string to_string(partition_key_type x) {
  switch (x) {
    case partition_key_type::timestamptz:
      break;
    case partition_key_type::timestamp:
      return "timestamp";
    case partition_key_type::date:
      return "date";
    case partition_key_type::milliseconds:
      return "bigint";
  }
  return "timestamptz";
}

std::vector<old_partition> partitions_before(const known_table& table,
                                             partition_time limit,
                                             bool held_ones) {
  std::vector<const known_partition*> found;
  for (const auto& x : table.partitions)
    if (!x.is_default && x.to && *x.to <= limit && (held_ones || !x.held))
      found.push_back(&x);
  std::ranges::sort(found, {}, &known_partition::to);
  std::vector<old_partition> result;
  for (const auto* x : found)
    result.push_back({x->schema, x->name});
  return result;
}

partition_plan plan_partitions(const partition_policy& policy,
                               const known_table& table, partition_time now) {
  const auto& rules = policy.rules;
  planning work{policy,
                table,
                {rules.every, zone_of(policy, table.type)},
                covered_time{table.partitions},
                free_names{table.partitions},
                {}};
  auto& result = work.result;
  if ((table.type == partition_key_type::milliseconds)
      != (rules.key == partition_key::milliseconds)) {
    result.problems.push_back("the key " + table.key + " is of type "
                              + to_string(table.type)
                              + ", and `key` says something else");
    return result;
  }
  if (table.is_hypertable()) {
    auto kept_from = now_of(policy, table.type, now) - rules.keep;
    if (rules.keep.count() > 0)
      result.drop = partitions_before(table, kept_from, false);
    if (!rules.archive.empty() && !result.drop.empty()) {
      result.drop.clear();
      result.problems.emplace_back("chunks of a hypertable cannot be archived; "
                                   "they stay until `archive` is gone");
    }
    return std::move(result);
  }
  if (table.type == partition_key_type::date
      && rules.every == partition_every::hour) {
    result.problems.push_back("a key of type date has no hours");
    return result;
  }
  now = now_of(policy, table.type, now);
  auto kept_from = rules.keep.count() > 0 ? now - rules.keep : beginning;
  if (rules.late == late_rows::catch_all && !default_of(table))
    result.make_default = work.names.take(policy.table + "_default");
  auto current = work.calendar.around(now);
  for (auto x = current; x.from <= now + rules.ahead;
       x = work.calendar.around(x.to)) {
    work.want(x);
    if (result.make.size() >= max_new_partitions)
      break;
  }
  if (policy.only_ahead)
    return std::move(result);
  // Rows that come late, or by a clock that is behind.
  auto before
    = work.calendar.around(current.from - std::chrono::milliseconds{1});
  if (before.to > kept_from)
    work.want(before);
  for (auto x : table.strays)
    if (auto period = work.calendar.around(x); period.to > kept_from)
      work.want(period);
  result.drop = partitions_before(table, kept_from, false);
  return std::move(result);
}

std::vector<old_partition>
plan_archive(const partition_policy& policy, const known_table& table,
             partition_time now, std::chrono::milliseconds older_than) {
  return partitions_before(table, now_of(policy, table.type, now) - older_than,
                           true);
}

partition_reach reach_of(const partition_policy& policy,
                         const known_table& table, partition_time now) {
  partition_reach result;
  result.by_itself = table.is_hypertable();
  if (result.by_itself)
    return result;
  partition_calendar calendar{policy.rules.every, zone_of(policy, table.type)};
  now = now_of(policy, table.type, now);
  auto last = now + policy.rules.ahead;
  auto gaps = covered_time{table.partitions}.gaps({now, end});
  if (!gaps.empty())
    result.until = gaps.front().from;
  auto has = [&](const partition_period& x) {
    return (!result.until || x.to <= *result.until)
           && result.ahead < max_counted_periods;
  };
  auto counts = has(calendar.around(now));
  for (auto x = calendar.around(calendar.around(now).to);;
       x = calendar.around(x.to)) {
    counts = counts && has(x);
    result.ahead += counts;
    result.wanted += x.from <= last;
    if (!counts && x.from > last)
      return result;
  }
}

// -- statements ---------------------------------------------------------------

std::vector<std::string> make_statements(const partition_policy& policy,
                                         const known_table& table,
                                         const new_partition& what) {
  auto parent = quote_identifier(policy.schema, policy.table);
  auto child = quote_identifier(policy.schema, what.name);
  std::vector<std::string> result{
    "CREATE TABLE " + child + " (LIKE " + parent
      + " INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS "
        "INCLUDING STORAGE INCLUDING COMPRESSION)",
    // Spares ATTACH a look at the rows.
    "ALTER TABLE " + child + " ADD CONSTRAINT millrace_bound CHECK ("
      + quote_identifier(table.key) + " IS NOT NULL AND "
      + key_range(table, what.range) + ')'};
  if (const auto* rest = default_of(table)) {
    auto from = quote_identifier(rest->schema, rest->name);
    std::string columns;
    for (const auto& x : table.columns)
      columns += (columns.empty() ? "" : ", ") + quote_identifier(x);
    result.push_back("LOCK TABLE " + from + " IN ACCESS EXCLUSIVE MODE");
    // To its readers the row stays what and where it is.
    auto each_trigger = [&](const char* verb) {
      for (const auto& x : table.strays_triggers)
        result.push_back("ALTER TABLE " + from + verb + quote_identifier(x));
    };
    each_trigger(" DISABLE TRIGGER ");
    result.push_back("WITH moved AS (DELETE FROM " + from + " WHERE "
                     + key_range(table, what.range) + " RETURNING " + columns
                     + ") INSERT INTO " + child + " (" + columns + ") SELECT "
                     + columns + " FROM moved");
    each_trigger(" ENABLE TRIGGER ");
  }
  result.push_back("ALTER TABLE " + parent + " ATTACH PARTITION " + child
                   + " FOR VALUES FROM (" + bound(table.type, what.range.from)
                   + ") TO (" + bound(table.type, what.range.to) + ')');
  result.push_back("ALTER TABLE " + child + " DROP CONSTRAINT millrace_bound");
  return result;
}

std::vector<std::string> default_statements(const partition_policy& policy,
                                            const std::string& name) {
  auto parent = quote_identifier(policy.schema, policy.table);
  auto child = quote_identifier(policy.schema, name);
  return {"CREATE TABLE " + child + " (LIKE " + parent
            + " INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS "
              "INCLUDING STORAGE INCLUDING COMPRESSION)",
          "ALTER TABLE " + parent + " ATTACH PARTITION " + child + " DEFAULT"};
}

std::string detach_statement(const partition_policy& policy,
                             const old_partition& what,
                             const std::string& how) {
  return "ALTER TABLE " + quote_identifier(policy.schema, policy.table)
         + " DETACH PARTITION " + quote_identifier(what.schema, what.name)
         + (how.empty() ? "" : " " + how);
}

std::string drop_statement(const old_partition& what) {
  return "DROP TABLE " + quote_identifier(what.schema, what.name);
}

std::string drop_chunks_statement(const partition_policy& policy,
                                  const known_table& table,
                                  const old_partition& what) {
  auto chunk = std::ranges::find_if(table.partitions, [&](const auto& x) {
    return x.schema == what.schema && x.name == what.name;
  });
  return "SELECT " + quote_identifier(table.timescaledb) + ".drop_chunks("
         + quote_literal(quote_identifier(policy.schema, policy.table))
         + "::regclass, older_than => "
         + typed_bound(table.type, chunk->to.value()) + ')';
}

std::string forget_statement(const old_partition& what) {
  return "DELETE FROM millrace.partition_removal WHERE schema_name = "
         + quote_literal(what.schema)
         + " AND partition_name = " + quote_literal(what.name);
}

} // namespace millrace
