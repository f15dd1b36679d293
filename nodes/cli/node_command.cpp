#include "nodes/cli/node_command.hpp"

#include "nodes/cli/config_files.hpp"
#include "nodes/cli/version.hpp"

namespace millrace::cli {

exit_code run_node_command(const node_arguments& what,
                           const node_runner& runner, console& to) {
  auto all = load_checked(what.config, what.pack_dirs, what.name);
  if (!all) {
    to.tell(all.error());
    return exit_code::usage;
  }
  if (!runner)
    return to.fail(exit_code::internal, "this build cannot run nodes");
  auto load_again = [what]() -> std::expected<config, std::string> {
    auto next = load_checked(what.config, what.pack_dirs, what.name);
    if (next)
      return std::move(*next);
    std::string text;
    for (const auto& x : next.error())
      text += (text.empty() ? "" : "; ") + x.text;
    return std::unexpected{std::move(text)};
  };
  auto code = runner(*all,
                     {what.port_file, std::string{version()}, load_again});
  // The node answers with codes of the same table.
  return static_cast<exit_code>(code);
}

} // namespace millrace::cli
