#include "actors/decode/compile_rules.hpp"

#include <algorithm>
#include <format>
#include <set>

namespace millrace::detail {

namespace {

/// Names the hash that chooses lanes.
constexpr std::string_view hash_name = "xxh64-0";

/// The first part of an expression that reads the payload, or nullptr.
const expression* find_payload(const expression& x) {
  switch (x.kind) {
    case expression_kind::path:
    case expression_kind::payload:
    case expression_kind::raw:
    case expression_kind::readable:
      return &x;
    default:
      break;
  }
  for (const auto& argument : x.arguments)
    if (auto result = find_payload(argument))
      return result;
  return nullptr;
}

} // namespace

bool fits(expression_kind x, encoder_kind how) {
  if (how == encoder_kind::any)
    return true;
  auto is_text = how == encoder_kind::text || how == encoder_kind::bounded_text
                 || how == encoder_kind::padded_text;
  auto is_json = how == encoder_kind::json || how == encoder_kind::jsonb;
  switch (x) {
    case expression_kind::timestamp:
      return how == encoder_kind::timestamp || how == encoder_kind::timestamptz
             || how == encoder_kind::int8;
    case expression_kind::from_epoch:
    case expression_kind::utc:
      return how == encoder_kind::timestamp || how == encoder_kind::timestamptz
             || how == encoder_kind::date || how == encoder_kind::time
             || is_text || is_json;
    case expression_kind::partition:
    case expression_kind::offset:
    case expression_kind::index:
    case expression_kind::item_index:
    case expression_kind::to_epoch:
    case expression_kind::part:
    case expression_kind::scale:
      return how <= encoder_kind::numeric || is_text || is_json;
    case expression_kind::payload:
    case expression_kind::with:
      return is_text || is_json || how == encoder_kind::bytea;
    case expression_kind::raw:
      return how == encoder_kind::bytea;
    case expression_kind::readable:
      return how == encoder_kind::boolean || is_text || is_json;
    case expression_kind::path:
    case expression_kind::text:
    case expression_kind::number:
    case expression_kind::boolean:
    case expression_kind::null:
      // Known from the record, or by encoding the constant.
      return true;
    default:
      if (is_condition(x))
        return how == encoder_kind::boolean || is_text || is_json;
      return how != encoder_kind::array;
  }
}

std::string_view name_of(write_kind x) noexcept {
  switch (x) {
    case write_kind::append:
      return "append";
    case write_kind::upsert:
      return "upsert";
    case write_kind::update:
      return "update";
    case write_kind::remove:
      return "delete";
    case write_kind::soft_delete:
      return "soft_delete";
  }
  return "unknown";
}

bool takes_tombstones(const event_config& x) {
  return std::ranges::contains(x.writes, write_occasion::tombstone,
                               &write_config::on);
}

bool is_plain(const pipeline_config& x) {
  return x.events.size() == 1 && !x.events[0].every
         && x.events[0].when.text.empty() && x.event_type.text.empty();
}

void refuse_payload(const expression& x, const expression_text& text,
                    const std::string& path, std::string_view expected,
                    problem_list& problems) {
  if (auto reader = find_payload(x))
    problems.add(inside(text, reader->at), path,
                 std::format("found {}, expected {}", to_string(*reader),
                             expected));
}

const table_schema*
find_table(const write_config& write, const std::string& path,
           std::span<const table_schema> tables, problem_list& problems) {
  std::vector<std::string> known;
  for (const auto& table : tables) {
    if (table.name == write.table
        || table.schema + '.' + table.name == write.table)
      return &table;
    known.push_back(table.name);
  }
  problems.add(write.at, path + ".table",
               std::format("found \"{}\", expected a table that exists{}",
                           write.table, did_you_mean(write.table, known)));
  return nullptr;
}

const column_schema*
find_target(const table_schema& table, const column_config& column,
            const std::string& where, problem_list& problems) {
  auto target = find_column(table, column.name);
  if (!target) {
    std::vector<std::string> known;
    for (const auto& x : table.columns)
      known.push_back(x.name);
    problems.add(column.at, where,
                 std::format("found a column that {} does not have{}",
                             table.name, did_you_mean(column.name, known)));
    return nullptr;
  }
  if (target->generated) {
    problems.add(column.at, where,
                 "found a generated column, expected one that can be written");
    return nullptr;
  }
  if (!encoder_for(*target)) {
    problems.add(column.at, where,
                 std::format("found a column of type {}, which has no binary "
                             "encoder",
                             target->type));
    return nullptr;
  }
  return target;
}

void check_uncovered(const write_config& write, const std::string& path,
                     const table_schema& table, problem_list& problems) {
  if (write.kind != write_kind::append && write.kind != write_kind::upsert)
    return;
  for (const auto& x : table.columns)
    if (!x.nullable && !x.has_default && !x.generated
        && std::ranges::find(write.columns, x.name, &column_config::name)
             == write.columns.end())
      problems.add(write.at, path + ".columns",
                   std::format("found no value for {}, which is NOT NULL and "
                               "has no default",
                               x.name));
}

void check_unique(const write_config& write, const std::string& path,
                  const table_schema& table, problem_list& problems) {
  if (write.kind == write_kind::append || write.key.empty())
    return;
  std::set<std::string_view> wanted{write.key.begin(), write.key.end()};
  for (const auto& key : table.unique_keys)
    if (std::set<std::string_view>{key.begin(), key.end()} == wanted)
      return;
  problems.add(write.at, path + ".key",
               std::format("found a key without a unique index on exactly "
                           "these columns of {}",
                           table.name));
}

map_text::map_text(const pipeline_config& config) : config_{config} {
  text_.add(hash_name);
  text_.add(static_cast<uint32_t>(config.lanes));
  // Frozen, here and below: what there was before is spelled as it was.
  if (config.member_names == name_case::any_case)
    text_.add("any_case");
  if (config.unmatched == unmatched_policy::ignore)
    text_.add("ignore");
}

void map_text::add_type(const expression& x) {
  text_.add("event_type");
  add(x);
}

void map_text::add(const event_config& event) {
  if (is_plain(config_))
    return;
  text_.add(event.every ? "every" : "event");
  text_.add(event.name);
  for (const auto& type : event.types)
    text_.add(type);
}

void map_text::add_when(const expression& x) {
  text_.add("when");
  add(x);
}

void map_text::add_each(const std::vector<each_level>& x) {
  text_.add("each");
  text_.add(to_string(x));
}

void map_text::add(const expression& x) {
  text_.add(to_string(x));
  add_codes(x);
}

void map_text::add_codes(const expression& x) {
  if (x.kind == expression_kind::code)
    for (const auto& table : config_.codes)
      if (table.name == x.text)
        for (const auto& [name, value] : table.entries) {
          text_.add(name);
          text_.add(value);
        }
  for (const auto& argument : x.arguments)
    add_codes(argument);
}

void map_text::add(const write_config& write) {
  text_.add(write.table);
  text_.add(name_of(write.kind));
  if (write.on == write_occasion::tombstone)
    text_.add("tombstone");
  text_.add(static_cast<uint32_t>(write.key.size()));
  for (const auto& name : write.key)
    text_.add(name);
  text_.add(write.only_if_newer);
}

} // namespace millrace::detail
