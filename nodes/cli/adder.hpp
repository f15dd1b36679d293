#pragma once

// How the sources that describe commands to CLI11 add them.

#include "nodes/cli/commands.hpp"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

namespace millrace::cli {

/// Adds commands; what their options say lives as long as the commands.
class adder {
public:
  adder(CLI::App& root, commands& to) : root_{root}, to_{to} {
  }

  template <class Arguments>
  struct added {
    CLI::App* app;
    std::shared_ptr<Arguments> args;
  };

  /// A command with `--json`, run by `what(arguments, console)`.
  template <class Arguments, class Function>
  added<Arguments> add(CLI::App& parent, const std::string& name,
                       const std::string& description, Function what) {
    auto args = std::make_shared<Arguments>();
    auto json = std::make_shared<bool>(false);
    auto* app = parent.add_subcommand(name, description);
    app->add_flag("--json", *json, "Results and problems as JSON");
    to_.push_back(
      {app, json, [args, what](console& out) { return what(*args, out); }});
    return {app, args};
  }

  template <class Arguments, class Function>
  added<Arguments>
  add(const std::string& name, const std::string& description, Function what) {
    return add<Arguments>(root_, name, description, what);
  }

private:
  CLI::App& root_;
  commands& to_;
};

/// An option that may be given several times, with one value each time.
inline CLI::Option* add_each(CLI::App* app, const std::string& name,
                             std::vector<std::string>& to,
                             const std::string& description) {
  return app->add_option(name, to, description)->allow_extra_args(false);
}

inline void add_pack_dir(CLI::App* app, std::vector<std::string>& to) {
  add_each(app, "--pack-dir", to,
           "Look for packs here first (repeatable); then in the folders of "
           "MILLRACE_PACK_DIR, then in those of the installation")
    ->type_name("FOLDER");
}

/// `millrace lanes …`
void add_lanes(CLI::App& root, adder& all);

/// `millrace dlq …`
void add_dlq(CLI::App& root, adder& all);

/// `millrace waiting …`
void add_waiting(CLI::App& root, adder& all);

/// `millrace generate …`
void add_generate(CLI::App& root, adder& all);

/// `millrace migrate …`
void add_migrate(CLI::App& root, adder& all);

/// `millrace partitions …`
void add_partitions(CLI::App& root, adder& all);

/// `millrace db …`
void add_db(CLI::App& root, adder& all);

} // namespace millrace::cli
