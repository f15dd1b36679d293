#include "nodes/cli/status_command.hpp"

#include "config/file.hpp"
#include "config/values.hpp"
#include "nodes/cli/admin_client.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/cli/status_page.hpp"

#include <algorithm>
#include <thread>

#include <unistd.h>

namespace millrace::cli {

namespace {

using milliseconds = std::chrono::milliseconds;

/// A port file holds a number and a line end.
constexpr std::size_t max_port_file_bytes = 64;

/// A sleep must not keep a request to stop waiting.
constexpr milliseconds longest_nap{50};

struct failure {
  exit_code code = exit_code::usage;
  findings all;
};

std::unexpected<failure> fail(exit_code code, std::string text) {
  return std::unexpected{failure{code, {make_error(std::move(text))}}};
}

std::expected<admin_address, failure>
address_by_port_file(const std::string& file) {
  auto text = read_regular_file(file, max_port_file_bytes);
  // Without the file there is no node that has opened its port.
  if (!text)
    return fail(exit_code::unreachable,
                "--port-file " + file + ": found " + text.error()
                  + ", expected the file that the node writes");
  auto digits = text->substr(0, text->find_last_not_of(" \r\n") + 1);
  auto address = parse_admin_address(digits);
  if (!address)
    return fail(exit_code::usage,
                "--port-file " + file + ": " + address.error());
  return *address;
}

std::expected<admin_address, failure>
address_by_config(const status_arguments& what) {
  auto all = load_checked(what.config, what.pack_dirs);
  if (!all)
    return std::unexpected{failure{exit_code::usage, all.error()}};
  const auto& admin = all->node.admin;
  if (admin.port == 0)
    return fail(exit_code::usage,
                what.config
                  + ": node.admin.port is 0, so that any port may be "
                    "it: give --admin or --port-file");
  return admin_address{admin.listen, admin.port};
}

std::expected<admin_address, failure> address_of(const status_arguments& what) {
  auto given = !what.admin.empty() + !what.config.empty()
               + !what.port_file.empty();
  if (given > 1)
    return fail(exit_code::usage, "expected one of --admin, --config and "
                                  "--port-file");
  if (!what.port_file.empty())
    return address_by_port_file(what.port_file);
  if (!what.config.empty())
    return address_by_config(what);
  if (what.admin.empty())
    return admin_address{};
  auto result = parse_admin_address(what.admin);
  if (!result)
    return fail(exit_code::usage, "--admin: " + result.error());
  return *result;
}

exit_code look(const admin_address& where, milliseconds patience, console& to,
               std::string_view before) {
  auto readyz = ask_admin(where, "/readyz?verbose", patience);
  if (!readyz)
    return to.fail(exit_code::unreachable, readyz.error());
  auto page = ask_admin(where, "/v1/status", patience);
  if (!page)
    return to.fail(exit_code::unreachable, page.error());
  auto ready = readyz->status == 200;
  auto checks = parse_checks(readyz->body);
  auto text = to.json()
                ? status_json_text(to_string(where), page->body, checks, ready)
                : status_text(page->body, checks, ready);
  if (!text || page->status != 200)
    return to.fail(exit_code::unreachable,
                   to_string(where)
                     + " answers, but not as a node does: is "
                       "this the admin port?");
  to.out(before);
  to.out(*text);
  return ready ? exit_code::ok : exit_code::failed;
}

exit_code watch(const admin_address& where, milliseconds patience,
                milliseconds interval, console& to) {
  using clock = std::chrono::steady_clock;
  // Home and clear, where somebody watches.
  std::string_view before
    = !to.json() && ::isatty(STDOUT_FILENO) == 1 ? "\x1b[H\x1b[2J" : "";
  signal_stop signals;
  auto stop = signals.token();
  auto result = exit_code::ok;
  while (!stop.stop_requested()) {
    auto next = clock::now() + interval;
    result = look(where, patience, to, before);
    if (!to.flush())
      break;
    while (!stop.stop_requested() && clock::now() < next)
      std::this_thread::sleep_for(
        std::min<clock::duration>(longest_nap, next - clock::now()));
  }
  return result;
}

} // namespace

exit_code run_status(const status_arguments& what, console& to) {
  auto where = address_of(what);
  if (!where) {
    to.tell(where.error().all);
    return where.error().code;
  }
  auto patience = parse_duration(what.timeout);
  if (!patience || patience->count() == 0)
    return to.fail(exit_code::usage,
                   "--timeout: found " + in_quotes(what.timeout)
                     + ", expected a duration such as \"500ms\" or \"5s\"");
  if (what.watch.empty())
    return look(*where, *patience, to, "");
  auto interval = parse_duration(what.watch);
  if (!interval || interval->count() == 0)
    return to.fail(exit_code::usage,
                   "--watch: found " + in_quotes(what.watch)
                     + ", expected a duration such as \"2s\"");
  return watch(*where, *patience, *interval, to);
}

} // namespace millrace::cli
