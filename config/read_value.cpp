#include "config/reader.hpp"
#include "config/start.hpp"
#include "config/values.hpp"

#include <array>
#include <format>

namespace millrace {

namespace {

/// More are a mistake, and would cost time that grows with their square.
constexpr std::size_t max_list_items = 1'000;

/// A line for each partition of a few topics.
constexpr std::size_t max_start_offsets = 10'000;

constexpr std::size_t max_expression_bytes = 4'096;

bool refuse(reader& in, const site& at, const tree_node& from,
            std::string hint = {}) {
  // Whatever the option is, a password that strayed here is not shown.
  auto stray = from.kind == node_kind::text && has_password(from.text);
  in.add(from.at, at.path, stray ? "a URL with a password" : describe(from),
         expected_text(at.info), std::move(hint));
  return false;
}

/// Librdkafka and libpq settings that hold a password.
bool is_confidential(std::string_view name) {
  constexpr std::array<std::string_view, 9> names{
    "password",
    "sslpassword",
    "scram_client_key",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
  };
  return std::ranges::find(names, name) != names.end();
}

bool read_property(reader& in, const site& at, const std::string& name,
                   const tree_node& from, property_list& to);

/// `security.protocol = "SSL"` without quotes is a table in a table to TOML;
/// both spellings mean the same here.
bool read_properties(reader& in, const site& at, const std::string& prefix,
                     const tree_node& from, property_list& to) {
  bool ok = true;
  for (const auto& member : from.members) {
    auto name = prefix.empty() ? member.key : prefix + "." + member.key;
    if (member.value.kind == node_kind::table && !is_reference(member.value))
      ok = read_properties(in, at, name, member.value, to) && ok;
    else
      ok = read_property(in, at, name, member.value, to) && ok;
  }
  return ok;
}

bool read_property(reader& in, const site& at, const std::string& name,
                   const tree_node& from, property_list& to) {
  auto path = at.path + "." + name;
  in.note(path, from.at);
  if (is_reference(from)) {
    auto value = in.fetch(from, path);
    if (value)
      to.emplace_back(name, std::move(*value));
    return value.has_value();
  }
  if (is_confidential(name)) {
    in.add(from.at, path, "a literal value", std::string{secret_form});
    return false;
  }
  if (from.kind == node_kind::list) {
    in.add(from.at, path, describe(from), "a string, a number or a boolean");
    return false;
  }
  to.emplace_back(name, secret{from.text});
  return true;
}

bool read_expression(reader& in, const std::string& path, const tree_node& from,
                     expression_text& to) {
  if (from.text.size() > max_expression_bytes) {
    in.add(from.at, path, std::format("{} bytes", from.text.size()),
           std::format("an expression of at most {} bytes",
                       max_expression_bytes));
    return false;
  }
  if (from.kind != node_kind::text || from.text.empty()) {
    auto scalar = from.kind == node_kind::integer
                  || from.kind == node_kind::boolean;
    in.add(from.at, path, describe(from), "an expression in quotes",
           scalar ? std::format("write \"{}\"", from.text) : "");
    return false;
  }
  to = {from.text, from.text_at};
  return true;
}

bool read_code_table(reader& in, const std::string& path, const tree_node& from,
                     code_table_config& to) {
  constexpr auto expected = "a table of texts and their codes";
  to.at = from.at;
  if (from.kind != node_kind::table || from.members.empty()) {
    in.add(from.at, path, describe(from), expected);
    return false;
  }
  bool ok = true;
  for (const auto& [key, key_at, value] : from.members) {
    if (value.kind == node_kind::integer || value.kind == node_kind::text) {
      to.entries.emplace_back(key, value.text);
      continue;
    }
    in.add(value.at, path + "." + key, describe(value),
           "an integer or a string");
    ok = false;
  }
  return ok;
}

} // namespace

// -- values -------------------------------------------------------------------

bool read_value(reader& in, const site& at, const tree_node& from,
                std::string& to) {
  if (from.kind != node_kind::text)
    return refuse(in, at, from);
  const auto& choices = at.info.choices;
  if (!choices.empty()) {
    if (std::ranges::find(choices, from.text) == choices.end()) {
      auto near = closest(from.text, choices);
      return refuse(in, at, from,
                    near ? "did you mean " + in_quotes(*near) + "?" : "");
    }
  } else if (at.valid ? !at.valid(from.text) : from.text.empty()) {
    return refuse(in, at, from);
  }
  to = from.text;
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from, bool& to) {
  if (from.kind != node_kind::boolean)
    return refuse(in, at, from);
  to = from.boolean;
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                int64_t& to) {
  int64_t number = 0;
  if (at.info.type == option_type::size) {
    if (from.kind == node_kind::integer)
      return refuse(in, at, from,
                    std::format("write \"{0}B\" or \"{0}KiB\"", from.text));
    auto size = from.kind == node_kind::text ? parse_size(from.text)
                                             : std::nullopt;
    if (!size)
      return refuse(in, at, from);
    number = *size;
  } else if (from.kind == node_kind::integer) {
    number = from.integer;
  } else {
    return refuse(in, at, from);
  }
  if (number < at.info.least || number > at.info.most)
    return refuse(in, at, from);
  to = number;
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from, double& to) {
  auto whole = from.kind == node_kind::integer;
  auto number = whole ? static_cast<double>(from.integer) : from.number;
  // Not a number fails both comparisons.
  if ((!whole && from.kind != node_kind::number)
      || !(number >= 0 && number <= 1))
    return refuse(in, at, from);
  to = number;
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                std::chrono::milliseconds& to) {
  if (from.kind == node_kind::integer)
    return refuse(in, at, from,
                  std::format("write \"{0}ms\" or \"{0}s\"", from.text));
  auto time = from.kind == node_kind::text ? parse_duration(from.text)
                                           : std::nullopt;
  if (!time || time->count() < at.info.least || time->count() > at.info.most)
    return refuse(in, at, from);
  to = *time;
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from, secret& to) {
  auto url = at.info.type == option_type::url;
  if (!url || from.kind == node_kind::table) {
    auto value = in.fetch(from, at.path);
    // Where it came from is no excuse, but what it says is not shown.
    if (value && url && !at.valid(value->reveal())) {
      in.add(from.at, at.path, "a secret that is no such URL",
             expected_text(at.info));
      return false;
    }
    if (value)
      to = std::move(*value);
    return value.has_value();
  }
  if (from.kind != node_kind::text)
    return refuse(in, at, from);
  if (has_password(from.text)) {
    in.add(from.at, at.path, "a password in the URL", "a URL without password",
           "write password = { env = \"NAME\" } beside it");
    return false;
  }
  if (!at.valid(from.text)) {
    // What is malformed may hold a password where nobody looks for it.
    in.add(from.at, at.path, "another string", expected_text(at.info));
    return false;
  }
  to = secret{from.text};
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<std::string>& to) {
  if (from.kind != node_kind::list || from.items.empty())
    return refuse(in, at, from,
                  from.kind == node_kind::text
                    ? std::format("write [{}]", in_quotes(from.text))
                    : "");
  if (from.items.size() > max_list_items) {
    in.add(from.at, at.path, std::format("{} elements", from.items.size()),
           std::format("at most {}", max_list_items));
    return false;
  }
  bool ok = true;
  std::vector<std::string> result;
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const auto& item = from.items[i];
    auto path = std::format("{}[{}]", at.path, i);
    in.note(path, item.at);
    if (item.kind != node_kind::text || !at.valid(item.text)) {
      in.add(item.at, path, describe(item), at.info.form);
      ok = false;
    } else if (std::ranges::find(result, item.text) != result.end()) {
      in.add(item.at, path, describe(item) + " a second time",
             "each name once");
      ok = false;
    } else {
      result.push_back(item.text);
    }
  }
  if (ok)
    to = std::move(result);
  return ok;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                property_list& to) {
  if (from.kind != node_kind::table)
    return refuse(in, at, from);
  return read_properties(in, at, "", from, to);
}

bool read_value(reader& in, const site& at, const tree_node& from,
                expression_text& to) {
  return read_expression(in, at.path, from, to);
}

bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<column_config>& to) {
  if (from.kind != node_kind::table || from.members.empty())
    return refuse(in, at, from);
  bool ok = true;
  for (const auto& [key, key_at, value] : from.members) {
    auto path = at.path + "." + key;
    column_config column{key, {}, value.at};
    if (!at.valid(key)) {
      in.add(key_at, path, in_quotes(key), at.info.form);
      ok = false;
    }
    ok = read_expression(in, path, value, column.value) && ok;
    to.push_back(std::move(column));
  }
  return ok;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<code_table_config>& to) {
  if (from.kind != node_kind::table)
    return refuse(in, at, from);
  bool ok = true;
  for (const auto& [key, key_at, value] : from.members) {
    auto path = at.path + "." + key;
    code_table_config table{key, {}, {}};
    if (!at.valid(key)) {
      in.add(key_at, path, in_quotes(key), at.info.form);
      ok = false;
    }
    ok = read_code_table(in, path, value, table) && ok;
    to.push_back(std::move(table));
  }
  return ok;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                start_config& to) {
  if (from.kind == node_kind::other)
    return refuse(in, at, from, std::format("write \"{}\"", from.text));
  auto start = from.kind == node_kind::text ? parse_start(from.text)
                                            : std::nullopt;
  if (!start) {
    auto near = closest(from.text, {"earliest", "latest"});
    return refuse(in, at, from,
                  near ? "did you mean " + in_quotes(*near) + "?" : "");
  }
  to = std::move(*start);
  return true;
}

bool read_value(reader& in, const site& at, const tree_node& from,
                std::vector<start_offset>& to) {
  if (from.kind != node_kind::list || from.items.empty())
    return refuse(in, at, from,
                  from.kind == node_kind::text
                    ? std::format("write [{}]", in_quotes(from.text))
                    : "");
  if (from.items.size() > max_start_offsets) {
    in.add(from.at, at.path, std::format("{} elements", from.items.size()),
           std::format("at most {}", max_start_offsets));
    return false;
  }
  bool ok = true;
  std::vector<start_offset> result;
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const auto& item = from.items[i];
    auto path = std::format("{}[{}]", at.path, i);
    in.note(path, item.at);
    auto start = item.kind == node_kind::text ? parse_start_offset(item.text)
                                              : std::nullopt;
    if (start)
      result.push_back(std::move(*start));
    else
      in.add(item.at, path, describe(item), at.info.form);
    ok = ok && start;
  }
  if (ok)
    to = std::move(result);
  return ok;
}

} // namespace millrace
