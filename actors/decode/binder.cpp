#include "actors/decode/binder.hpp"

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
    problems_{problems} {
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
                                        const std::string& path) {
  auto x = parse_expression(text.text);
  if (!x) {
    problems_.add(inside(text, x.error().at), path, x.error().message);
    return std::nullopt;
  }
  if (!check_tables(*x, text, path))
    return std::nullopt;
  return std::move(*x);
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

int binder::bind(const expression& x) {
  step result;
  result.kind = x.kind;
  result.text = x.text;
  result.source = to_string(x);
  if (x.kind == expression_kind::path)
    result.slot = slot_of(x.path);
  else if (x.kind == expression_kind::code)
    result.table = table_of(x.text);
  else if (x.kind == expression_kind::header)
    data_.needs_headers = true;
  result.constant = constant_value(x);
  for (const auto& argument : x.arguments)
    result.arguments.push_back(bind(argument));
  data_.steps.push_back(std::move(result));
  return static_cast<int>(data_.steps.size()) - 1;
}

int binder::slot_of(const std::vector<std::string>& path) {
  std::vector<std::size_t> parents;
  std::size_t node = 0;
  for (const auto& name : path) {
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
    data_.number_checked_later.push_back(0);
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
  if (at.line > 0)
    at.column += characters;
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
