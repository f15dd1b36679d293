#include "actors/decode/binder.hpp"

#include "actors/decode/expression_words.hpp"
#include "actors/decode/json_scan.hpp"

#include <algorithm>
#include <format>
#include <numeric>

namespace millrace::detail {

void problem_list::add(source_position at, std::string path,
                       std::string message) {
  problems_.push_back({std::move(at), std::move(path), std::move(message)});
}

std::vector<compile_problem> problem_list::take() {
  return std::move(problems_);
}

binder::binder(const pipeline_config& config, program_data& data,
               problem_list& problems)
  : data_{data},
    problems_{problems},
    has_type_{!config.event_type.text.empty()} {
  data_.any_case = config.member_names == name_case::any_case;
  data_.nodes.emplace_back();
  for (const auto& from : config.codes) {
    auto& table = data_.tables.emplace_back();
    table.name = from.name;
    for (const auto& [name, text] : from.entries) {
      if (table.index.find(name) >= 0)
        continue;
      table.index.add(name, static_cast<int>(table.texts.size()));
      table.texts.push_back(text);
    }
    for (const auto& text : table.texts) {
      auto x = value::of_text(text);
      decimal_text ignored;
      if (parse_json_number(text, ignored))
        x.kind = value_kind::number;
      table.values.push_back(x);
    }
  }
}

std::optional<expression> binder::parse(const expression_text& text,
                                        const std::string& path,
                                        const item_scope& items) {
  auto x = parse_expression(text.text, items.names);
  if (!x) {
    problems_.add(inside(text, x.error().at), path, x.error().message);
    return std::nullopt;
  }
  auto good = check_tables(*x, text, path);
  good = check_logic(*x, text, path) && good;
  if (!check_type_fact(*x, text, path) || !good)
    return std::nullopt;
  return std::move(*x);
}

namespace {

/// Whether an expression may turn out to be true or false.
bool may_be_true(const expression& x) {
  switch (x.kind) {
    case expression_kind::path:
    case expression_kind::header:
    case expression_kind::boolean:
    case expression_kind::code:
    case expression_kind::readable:
      return true;
    case expression_kind::coalesce:
    case expression_kind::required:
    case expression_kind::fallback:
      return may_be_true(x.arguments.front());
    case expression_kind::if_else:
      return may_be_true(x.arguments[1]) && may_be_true(x.arguments[2]);
    default:
      return is_condition(x.kind);
  }
}

std::string no_condition(const expression& x) {
  return std::format("found {}, expected a condition, such as .state = 'A'",
                     to_string(x));
}

bool is_logic(expression_kind x) {
  return x == expression_kind::both || x == expression_kind::either
         || x == expression_kind::negation;
}

} // namespace

std::optional<expression> binder::parse_condition(const expression_text& text,
                                                  const std::string& path,
                                                  const item_scope& items) {
  auto x = parse(text, path, items);
  if (!x || may_be_true(*x))
    return x;
  problems_.add(inside(text, x->at), path, no_condition(*x));
  return std::nullopt;
}

bool binder::check_logic(const expression& x, const expression_text& text,
                         const std::string& path) {
  auto good = true;
  for (std::size_t i = 0; i < x.arguments.size(); ++i) {
    const auto& argument = x.arguments[i];
    auto must_be = is_logic(x.kind)
                   || (x.kind == expression_kind::if_else && i == 0);
    if (must_be && !may_be_true(argument)) {
      problems_.add(inside(text, argument.at), path, no_condition(argument));
      good = false;
    }
    good = check_logic(argument, text, path) && good;
  }
  return good;
}

bool binder::check_type_fact(const expression& x, const expression_text& text,
                             const std::string& path) {
  auto good = true;
  if (x.kind == expression_kind::type && !has_type_) {
    problems_.add(inside(text, x.at), path,
                  "found @type, expected event_type in the pipeline, which "
                  "says what it is");
    good = false;
  }
  for (const auto& argument : x.arguments)
    good = check_type_fact(argument, text, path) && good;
  return good;
}

std::optional<std::vector<each_level>>
binder::parse_loops(const expression_text& text, const std::string& path,
                    item_scope& items, std::vector<each_program>& to) {
  auto levels = parse_each(text.text);
  if (!levels) {
    problems_.add(inside(text, levels.error().at), path,
                  levels.error().message);
    return std::nullopt;
  }
  for (const auto& level : *levels) {
    auto& loop = to.emplace_back();
    for (const auto& array : level.arrays) {
      loop.slots.push_back(slot_of(array, items));
      loop.sources.push_back(to_string(array));
    }
    loop.node = static_cast<int>(data_.nodes.size());
    data_.nodes.emplace_back().name = level.name;
    items.names.push_back(level.name);
    items.nodes.push_back(loop.node);
  }
  return std::move(*levels);
}

bool binder::check_tables(const expression& x, const expression_text& text,
                          const std::string& path) {
  auto good = true;
  if (x.kind == expression_kind::code && table_of(x.text) < 0) {
    std::vector<std::string> known;
    for (const auto& table : data_.tables)
      known.push_back(table.name);
    problems_.add(inside(text, x.at), path,
                  std::format("found the code table \"{}\", expected one that "
                              "the pipeline has{}",
                              x.text, did_you_mean(x.text, known)));
    good = false;
  }
  for (const auto& argument : x.arguments)
    good = check_tables(argument, text, path) && good;
  return good;
}

int binder::bind(const expression& x, const item_scope& items) {
  step result;
  result.kind = x.kind;
  result.text = x.text;
  result.source = to_string(x);
  switch (x.kind) {
    case expression_kind::path:
      result.slot = slot_of(x, items);
      break;
    case expression_kind::code:
      result.table = table_of(x.text);
      break;
    case expression_kind::header:
    case expression_kind::first_header:
      data_.needs_headers = true;
      break;
    case expression_kind::item_index:
      result.detail = static_cast<int>(std::ranges::find(items.names, x.text)
                                       - items.names.begin());
      break;
    case expression_kind::from_epoch:
    case expression_kind::to_epoch:
      result.detail = digits_of_unit(x.arguments[1].text);
      break;
    case expression_kind::part:
      result.detail = number_of_part(x.arguments[0].text);
      break;
    case expression_kind::capture:
    case expression_kind::with:
      result.text = x.arguments[1].text;
      break;
    default:
      break;
  }
  result.constant = constant_value(x);
  for (const auto& argument : x.arguments)
    result.arguments.push_back(bind(argument, items));
  data_.steps.push_back(std::move(result));
  return static_cast<int>(data_.steps.size()) - 1;
}

std::string binder::folded(const std::string& name) const {
  auto result = name;
  if (data_.any_case)
    for (auto& c : result)
      c = to_lower(c);
  return result;
}

int binder::slot_of(const expression& path, const item_scope& items) {
  std::vector<std::size_t> parents;
  std::size_t node = 0;
  auto item = std::ranges::find(items.names, path.text);
  if (item != items.names.end())
    node = static_cast<std::size_t>(
      items.nodes[static_cast<std::size_t>(item - items.names.begin())]);
  for (const auto& given : path.path) {
    auto name = folded(given);
    parents.push_back(node);
    auto child = data_.nodes[node].children.find(name);
    if (child < 0) {
      child = static_cast<int>(data_.nodes.size());
      data_.nodes[node].children.add(name, child);
      data_.nodes.emplace_back().name = name;
    }
    node = static_cast<std::size_t>(child);
  }
  auto& slot = data_.nodes[node].slot;
  if (slot < 0) {
    slot = static_cast<int>(data_.slots++);
    // An element is read again from an array that was checked as a whole.
    auto in_array = item != items.names.end();
    data_.number_checked_later.push_back(in_array ? 1 : 0);
    for (auto parent : parents)
      data_.nodes[parent].slots_beneath.push_back(slot);
  }
  return slot;
}

int binder::table_of(std::string_view name) const {
  for (std::size_t i = 0; i < data_.tables.size(); ++i)
    if (data_.tables[i].name == name)
      return static_cast<int>(i);
  return -1;
}

value constant_value(const expression& x) {
  value result{.kind = value_kind::null};
  if (x.kind == expression_kind::text) {
    result.kind = value_kind::string;
    result.text = x.text;
  } else if (x.kind == expression_kind::number) {
    result.kind = value_kind::number;
    result.text = x.text;
  } else if (x.kind == expression_kind::boolean) {
    result.kind = value_kind::boolean;
    result.truth = x.text == "true";
  }
  return result;
}

source_position inside(const expression_text& text, uint32_t characters) {
  auto at = text.at;
  if (at.line == 0)
    return at;
  for (auto c : text.text) {
    // The bytes behind a character's first one count nothing.
    if ((c & 0xc0) == 0x80)
      continue;
    if (characters-- == 0)
      break;
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    } else {
      ++at.column;
    }
  }
  return at;
}

namespace {

std::size_t edit_distance(std::string_view x, std::string_view y) {
  std::vector<std::size_t> row(y.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= x.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= y.size(); ++j) {
      auto substitute = diagonal + (x[i - 1] != y[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

} // namespace

std::string did_you_mean(std::string_view name,
                         const std::vector<std::string>& known) {
  auto best = std::ranges::min_element(known, {}, [name](const auto& x) {
    return edit_distance(name, x);
  });
  if (best == known.end() || edit_distance(name, *best) > 1 + name.size() / 4)
    return {};
  return std::format(", did you mean \"{}\"?", *best);
}

} // namespace millrace::detail
