#include "config/options.hpp"

#include "config/schema.hpp"
#include "config/values.hpp"

#include <format>

namespace millrace {

namespace {

/// Compares a key path with a pattern: `*` stands for any name, `[]` for any
/// index or none.
bool matches(std::string_view pattern, std::string_view path) {
  while (!pattern.empty() && !path.empty()) {
    auto want = pattern.substr(0, pattern.find('.'));
    auto have = path.substr(0, path.find('.'));
    auto list = want.ends_with("[]");
    auto want_name = list ? want.substr(0, want.size() - 2) : want;
    auto have_name = list ? have.substr(0, have.find('[')) : have;
    if (want_name != "*" && want_name != have_name)
      return false;
    pattern.remove_prefix(std::min(want.size() + 1, pattern.size()));
    path.remove_prefix(std::min(have.size() + 1, path.size()));
  }
  return pattern.empty() && path.empty();
}

std::string default_text(const option& x) {
  if (!x.default_note.empty())
    return x.default_note;
  if (!x.default_value.empty())
    return std::format("`{}`", x.default_value);
  return x.required ? "**required**" : "";
}

/// A cell of a Markdown table.
std::string cell(std::string text) {
  for (std::size_t i = 0; (i = text.find('|', i)) != text.npos; i += 2)
    text.insert(i, 1, '\\');
  return text;
}

/// How a user writes the section: `[node.admin]`, `[[tenant]]`.
std::string heading(std::string path) {
  std::string names;
  auto list = path.ends_with("[]");
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '*')
      names += "NAME";
    else if (path[i] != '[' && path[i] != ']')
      names += path[i];
  }
  return list ? std::format("[[{}]]", names) : std::format("[{}]", names);
}

constexpr std::string_view introduction = R"(# Configuration

<!-- Generated from the options that the program declares; do not edit. -->

Millrace reads one TOML file. `millrace validate FILE` checks it without
starting anything; a node refuses to start with a file that has a problem. All
problems are shown at once, each with its place:

```
millrace.toml:12:9: node.admin.port: found 70000, expected an integer from 0 to 65535
```

The smallest file that works, for the bundled pack `ticks`:

```toml
[postgresql]
url = "postgresql://millrace@127.0.0.1:5432/market"
password = { env = "MARKET_PASSWORD" }

[kafka]
bootstrap = "127.0.0.1:9092"

[[tenant]]
name = "demo"

[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
```

More are in `config/examples/`; `full.toml` there shows every option.

* **Durations** are strings with a unit: `"250ms"`, `"5s"`, `"2m"`, `"1h"`.
* **Sizes** are strings with a unit: `"512B"`, `"64KB"` (1000), `"1MiB"`
  (1024²), up to `GB` and `GiB`. Bare numbers are refused.
* **Secrets** never stand in the file. Write `{ env = "NAME" }` for a variable
  of the environment or `{ file = "PATH" }` for a file (its last line break is
  cut; relative paths start from the folder of the configuration). They are
  never printed.
* **Expressions** say where a value comes from: `.name.inner` is a path into
  the payload; `@key`, `@timestamp`, `@topic`, `@partition`, `@offset`,
  `@payload` and `header('name')` are facts of the record; `'text'`, `42`,
  `true` and `null` are constants; `code(TABLE, …)`, `coalesce(…)`,
  `required(…)`, `lower(…)` and so on are functions.
* A file is at most 1 MiB of UTF-8 text.
)";

} // namespace

std::string to_string(option_type x) {
  switch (x) {
    case option_type::text:
      return "string";
    case option_type::boolean:
      return "boolean";
    case option_type::integer:
      return "integer";
    case option_type::ratio:
      return "number";
    case option_type::duration:
      return "duration";
    case option_type::size:
      return "size";
    case option_type::choice:
      return "choice";
    case option_type::secret:
      return "secret";
    case option_type::url:
      return "URL or secret";
    case option_type::text_list:
      return "list of strings";
    case option_type::expression:
      return "expression";
    case option_type::properties:
      return "table of settings";
    case option_type::columns:
      return "table of expressions";
    case option_type::codes:
      return "tables of codes";
  }
  return "unknown";
}

std::string_view unit(const option& x) {
  switch (x.type) {
    case option_type::duration:
      return "milliseconds";
    case option_type::size:
      return "bytes";
    default:
      return "";
  }
}

std::string range(const option& x) {
  switch (x.type) {
    case option_type::integer:
      return std::format("from {} to {}", x.least, x.most);
    case option_type::ratio:
      return "from 0 to 1";
    case option_type::duration:
      return std::format("from {} to {}",
                         format_duration(std::chrono::milliseconds{x.least}),
                         format_duration(std::chrono::milliseconds{x.most}));
    case option_type::size:
      return std::format("from {} to {}", format_size(x.least),
                         format_size(x.most));
    case option_type::choice:
      return one_of(x.choices);
    default:
      return "";
  }
}

std::string expected_text(const option& x) {
  switch (x.type) {
    case option_type::text:
      return x.form;
    case option_type::boolean:
      return "true or false";
    case option_type::integer:
      return "an integer " + range(x);
    case option_type::ratio:
      return "a number " + range(x);
    case option_type::duration:
      return std::format("a duration such as {}, {}",
                         x.default_value.empty() ? "\"1h\"" : x.default_value,
                         range(x));
    case option_type::size:
      return std::format("a size such as {}, {}",
                         x.default_value.empty() ? "\"64MiB\""
                                                 : x.default_value,
                         range(x));
    case option_type::choice:
      return range(x);
    case option_type::secret:
      return "{ env = \"NAME\" } or { file = \"PATH\" }";
    case option_type::url:
      return x.form;
    case option_type::text_list:
      return "a list of strings, each " + x.form;
    case option_type::expression:
      return "an expression in quotes";
    case option_type::properties:
      return "a table of settings";
    case option_type::columns:
      return "a table of columns and expressions";
    case option_type::codes:
      return "a table of code tables";
  }
  return "a value";
}

std::span<const option> options() {
  static const std::vector<option> result = [] {
    std::vector<option> list;
    for (const auto* section : schema::all())
      list.insert(list.end(), section->options.begin(), section->options.end());
    return list;
  }();
  return result;
}

std::optional<std::string> describe_option(std::string_view path) {
  for (const auto& x : options()) {
    if (!matches(x.path, path))
      continue;
    auto result = std::format("{}: {}\n", x.path, to_string(x.type));
    if (!x.form.empty())
      result += std::format("  form: {}\n", x.form);
    if (auto bounds = range(x); !bounds.empty())
      result += std::format("  range: {}\n", bounds);
    if (!x.default_note.empty())
      result += std::format("  default: {}\n", x.default_note);
    else if (!x.default_value.empty())
      result += std::format("  default: {}\n", x.default_value);
    if (x.required)
      result += "  required\n";
    return result + std::format("  {}\n", x.description);
  }
  return std::nullopt;
}

std::string options_markdown() {
  std::string result{introduction};
  for (const auto* section : schema::all()) {
    result += std::format("\n## `{}`\n\n{}\n\n"
                          "| key | type | default | range | meaning |\n"
                          "| --- | --- | --- | --- | --- |\n",
                          heading(section->path), section->description);
    for (const auto& x : section->options) {
      auto bounds = range(x).empty() ? x.form : range(x);
      result += std::format("| `{}` | {} | {} | {} | {}{} |\n", key_of(x),
                            to_string(x.type), cell(default_text(x)),
                            cell(bounds), cell(x.description),
                            x.overrides_pack && key_of(x) != "pack"
                              ? " May stand beside `pack`."
                              : "");
    }
  }
  return result;
}

} // namespace millrace
