#include "actors/cluster/caf_runtime.hpp"

#include <caf/actor_registry.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace millrace {

namespace {

/// After so many messages an actor goes behind the others.
constexpr std::size_t messages_per_turn = 3;

} // namespace

std::optional<std::string> validate(const caf_config& config) {
  constexpr std::size_t most_threads = 1'024;
  if (config.threads > most_threads)
    return "threads must not exceed 1024";
  if (config.network)
    return validate(*config.network);
  return std::nullopt;
}

caf_runtime::caf_runtime(const caf_config& config)
  : system_{fill(raw_, config)} {
  if (config.network && config.network->tls && !network_authenticates(system_))
    throw std::runtime_error{"caf: TLS is configured and does not work"};
}

caf::actor_system_config& caf_runtime::fill(caf::actor_system_config& raw,
                                            const caf_config& config) {
  if (auto complaint = validate(config))
    throw std::invalid_argument{"caf: " + *complaint};
  auto threads = config.threads;
  if (threads == 0)
    threads = std::max<std::size_t>(2, std::thread::hardware_concurrency());
  raw.set("caf.scheduler.max-threads", threads);
  // Threads without work wait. Those of the other policy look into each
  // other's queues every 50 us instead: an eighth of a busy node's processor
  // time, and some of an idle one's.
  raw.set("caf.scheduler.policy", "sharing");
  // Without a bound, a PARTITION CONSUMER that reminds itself of more records
  // would keep its thread until the log ends, and nobody would write them.
  raw.set("caf.scheduler.max-throughput", messages_per_turn);
  raw.set("caf.metrics-filters.actors.includes", config.measured_actors);
  if (config.network)
    load_network(raw, *config.network);
  return raw;
}

bool caf_runtime::wait(const supervisor_actor& root,
                       std::chrono::milliseconds patience) {
  caf::scoped_actor self{system_, true};
  self->monitor(root);
  auto down = false;
  self->receive([&](const caf::down_msg&) { down = true; },
                caf::after(patience) >> [] {});
  return down;
}

bool caf_runtime::stop(const supervisor_actor& root,
                       std::chrono::milliseconds grace) {
  using clock = std::chrono::steady_clock;
  auto deadline = clock::now() + grace;
  {
    caf::scoped_actor self{system_, true};
    self->send_exit(root, caf::exit_reason::user_shutdown);
  }
  if (!wait(root, grace))
    return false;
  // The registry can only wait without a limit of time.
  constexpr auto step = std::chrono::milliseconds{5};
  while (system_.registry().running() > 0) {
    if (clock::now() >= deadline)
      return false;
    std::this_thread::sleep_for(step);
  }
  return true;
}

} // namespace millrace
