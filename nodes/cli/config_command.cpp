#include "nodes/cli/config_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/options.hpp"
#include "config/values.hpp"
#include "nodes/cli/examples.hpp"

#include <algorithm>

namespace millrace::cli {

namespace {

void write_option(json_writer& out, const option& x) {
  out.begin_object();
  out.key("path").string(x.path);
  out.key("type").string(to_string(x.type));
  out.key("required").boolean(x.required);
  out.key("expected").string(expected_text(x));
  if (!x.default_value.empty())
    out.key("default").string(x.default_value);
  if (!x.default_note.empty())
    out.key("default_note").string(x.default_note);
  if (!unit(x).empty())
    out.key("unit").string(unit(x));
  if (auto bounds = range(x); !bounds.empty())
    out.key("range").string(bounds);
  out.key("description").string(x.description);
  out.end_object();
}

void tell_text(console& to, std::string_view name, const std::string& text) {
  if (!to.json()) {
    to.out(text.ends_with('\n') ? text : text + '\n');
    return;
  }
  json_writer out;
  out.begin_object();
  out.key(name).string(text);
  out.end_object();
  to.out(out.str() + '\n');
}

} // namespace

exit_code run_config_docs(const config_arguments&, console& to) {
  tell_text(to, "markdown", options_markdown());
  return exit_code::ok;
}

exit_code run_config_example(const config_arguments& what, console& to) {
  auto name = what.which.empty() ? std::string{examples().front().name}
                                 : what.which;
  auto found = std::ranges::find(examples(), name, &example::name);
  if (found == examples().end()) {
    std::vector<std::string> names;
    for (const auto& x : examples())
      names.emplace_back(x.name);
    return to.fail(exit_code::usage,
                   "found " + in_quotes(name) + ", expected " + one_of(names));
  }
  tell_text(to, "toml", std::string{found->text});
  return exit_code::ok;
}

exit_code run_config_options(const config_arguments& what, console& to) {
  std::vector<std::string> paths;
  for (const auto& x : options())
    paths.push_back(x.path);
  auto chosen = std::ranges::find(options(), what.which, &option::path);
  if (to.json() && (what.which.empty() || chosen != options().end())) {
    json_writer out;
    out.begin_array();
    for (const auto& x : options())
      if (what.which.empty() || x.path == what.which)
        write_option(out, x);
    out.end_array();
    to.out(out.str() + '\n');
    return exit_code::ok;
  }
  if (what.which.empty()) {
    std::vector<std::vector<std::string>> rows{{"OPTION", "DEFAULT"}};
    for (const auto& x : options())
      rows.push_back({x.path, x.required                ? "(required)"
                              : x.default_value.empty() ? x.default_note
                                                        : x.default_value});
    to.out(table_text(rows));
    return exit_code::ok;
  }
  auto text = describe_option(what.which);
  if (!text) {
    auto near = closest(what.which, paths);
    return to.fail(exit_code::usage,
                   "there is no option " + in_quotes(what.which)
                     + (near ? "; did you mean " + in_quotes(*near) + '?'
                             : std::string{}));
  }
  tell_text(to, "text", *text);
  return exit_code::ok;
}

} // namespace millrace::cli
