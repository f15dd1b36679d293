#include "nodes/node.hpp"

#include "actors/cluster/caf_runtime.hpp"
#include "actors/cluster/directory.hpp"
#include "actors/cluster/log.hpp"
#include "actors/cluster/supervisor.hpp"
#include "messages/registration.hpp"
#include "nodes/readiness_watch.hpp"
#include "nodes/reload.hpp"
#include "nodes/signals.hpp"
#include "nodes/tree.hpp"

#include <caf/init_global_meta_objects.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <unistd.h>

namespace millrace {

namespace {

constexpr int exit_ok = 0;
constexpr int exit_config = 2;
constexpr int exit_escalated = 70;

/// Between looks at databases that are being prepared.
constexpr std::chrono::milliseconds prepare_interval{50};

/// Between looks at the tree for `/readyz`, at least: a tree of thousands of
/// actors is looked at for a small part of the time.
constexpr std::chrono::milliseconds watch_interval{1'000};
constexpr int watch_share = 20;
constexpr std::chrono::milliseconds longest_watch_interval{5'000};

log::log_config to_log_config(const log_config& x) {
  log::log_config result;
  switch (x.level) {
    case log_level::trace:
    case log_level::debug:
      result.level = log::level::debug;
      break;
    case log_level::info:
      result.level = log::level::info;
      break;
    case log_level::warn:
      result.level = log::level::warning;
      break;
    case log_level::error:
      result.level = log::level::error;
      break;
  }
  result.format = x.format == log_format::json ? log::format::json
                                               : log::format::text;
  return result;
}

/// What the root says when it gives up.
class escalation {
public:
  void raise(const std::string& message) {
    std::lock_guard guard{mutex_};
    message_ = message;
    raised_ = true;
  }

  bool raised() const noexcept {
    return raised_;
  }

  std::string message() const {
    std::lock_guard guard{mutex_};
    return message_;
  }

private:
  mutable std::mutex mutex_;
  std::string message_;
  std::atomic<bool> raised_ = false;
};

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0)
    return "unnamed";
  return buffer.data();
}

/// How the other nodes of the static table are reached; nothing without any.
std::optional<network_config> to_network_config(const config& all) {
  if (all.cluster.nodes.size() < 2)
    return std::nullopt;
  network_config result;
  const auto& tls = all.cluster.tls;
  if (tls.enabled())
    result.tls = network_tls{tls.certificate, tls.key, tls.authority};
  return result;
}

/// Why this process cannot be a node of its cluster.
std::optional<std::string> unfit(const config& all, const placement& where,
                                 const std::optional<network_config>& network) {
  if (!where.knows_self())
    return to_string(all.cluster.nodes.front().at)
           + ": cluster.static: found no node '" + all.node.name
           + "', expected this node's name; set node.name or --name";
  return network ? validate(*network) : std::nullopt;
}

/// What belongs to a node that runs.
struct running_node {
  caf::actor_system& sys;
  const supervisor_actor& root;
  std::shared_ptr<readiness_board> board;
};

/// Adds what belongs to each database as it gets ready, and watches over all
/// of it, until a signal comes, the root gives up, or waiting cannot help.
int serve(tree_keeper& tree, const running_node& node, signal_watch& signals,
          const escalation& trouble) {
  std::optional<readiness_watch> watch;
  auto next_look = tree_keeper::clock::now();
  auto waiting = true;
  while (!signals.stop_requested() && !trouble.raised()) {
    if (!tree.advance())
      return exit_config;
    if (std::exchange(waiting, tree.waiting() > 0) && !waiting)
      log::info("node-ready", {});
    if (!watch && tree.has_planted())
      watch.emplace(node.sys, node.root, node.board);
    if (auto now = tree_keeper::clock::now(); watch && now >= next_look) {
      tree.look(signals.take_reload());
      auto begun = tree_keeper::clock::now();
      watch->look();
      auto took = tree_keeper::clock::now() - begun;
      next_look = now
                  + std::clamp<tree_keeper::clock::duration>(
                    watch_share * took, watch_interval, longest_watch_interval);
    }
    signals.wait(waiting ? prepare_interval : watch_interval);
  }
  return exit_ok;
}

} // namespace

int run_node(const config& given, const node_options& options) {
  auto all = given;
  if (all.node.name.empty())
    all.node.name = host_name();
  log::setup(to_log_config(all.node.log));
  signal_watch signals;
  auto where = std::make_shared<const placement>(all.cluster, all.node.name);
  auto network = to_network_config(all);
  if (auto wrong = unfit(all, *where, network)) {
    log::error("node-refused", {{"reason", *wrong}});
    return exit_config;
  }
  register_messages();
  caf::core::init_global_meta_objects();
  init_network_types();
  escalation trouble;
  auto code = exit_ok;
  caf_config settings;
  settings.threads = static_cast<std::size_t>(all.node.threads);
  settings.network = std::move(network);
  caf_runtime runtime{settings};
  auto board = std::make_shared<readiness_board>();
  auto root = runtime.system().spawn<supervisor>(
    root_config(all, options, board,
                [&trouble](const std::string& text) { trouble.raise(text); }));
  log::info("node-starting", {{"node", all.node.name},
                              {"version", options.version},
                              {"pid", static_cast<int64_t>(::getpid())}});
  {
    tree_keeper tree{runtime.system(), root, board, options};
    tree.begin(all, where);
    code = serve(tree, {runtime.system(), root, board}, signals, trouble);
    if (trouble.raised()) {
      log::error("node-escalated", {{"reason", trouble.message()}});
      code = exit_escalated;
    }
    log::info("node-stopping", {{"grace_ms", all.node.grace.count()}});
    // Before the tree's end, which waits for a migration's statement.
    signals.second_signal_ends_process();
  }
  auto stopped = runtime.stop(root, all.node.grace);
  clear_directory(runtime.system());
  root = nullptr;
  if (!stopped) {
    // Actors that hang in a call must not keep the process: what they were
    // doing is rolled back, or resolved by the next takeover.
    log::warn("node-abandons-actors", {{"exit_code", code}});
    std::fflush(nullptr);
    std::_Exit(code);
  }
  log::info("node-stopped", {{"exit_code", code}});
  return code;
}

} // namespace millrace
