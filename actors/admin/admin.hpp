#pragma once

#include "actors/admin/http_server.hpp"
#include "actors/admin/readiness.hpp"
#include "actors/cluster/json_writer.hpp"
#include "actors/cluster/vitals.hpp"
#include "messages/supervision.hpp"

#include <caf/actor_addr.hpp>
#include <caf/result.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace millrace {

/// The ADMIN interface.
using admin_actor = caf::typed_actor<
  // Answers at once.
  caf::result<actor_report>(inspect_atom),
  // Answers with the port that the server listens on.
  caf::result<uint16_t>(caf::get_atom)>;

/// Values of ADMIN that come from the configuration.
struct admin_config {
  http_config http = {};

  /// The node's name and the program's version, as the pages show them.
  std::string node = {};
  std::string version = {};

  /// Gets the port as decimal digits and a line end, by rename, so that a
  /// reader never sees half of it. Empty: no file.
  std::string port_file = {};

  /// For the tree. Longer than the root's own patience with its children.
  std::chrono::milliseconds inspect_timeout{2'000};

  /// `/livez` fails once the actor system has not run ADMIN for this long.
  std::chrono::milliseconds stuck_after{30'000};
};

/// Names the first value that makes no sense, or returns nothing.
std::optional<std::string> validate(const admin_config& config);

/// What ADMIN asks when a page is asked for.
struct admin_wiring {
  /// The top of the tree. By address: ADMIN lives below it.
  caf::actor_addr root;

  /// Not null.
  std::shared_ptr<readiness_board> board;

  /// Adds members to `/v1/status`; called from HTTP threads. May be empty.
  std::function<void(json_writer&)> status_extra = nullptr;
};

/// Owns the HTTP server that operators, scrapers and `millrace status` read:
///
///   /livez /ping                the process runs and its actors are served
///   /readyz /ready /health      200 when every check is well, else 503;
///                               ?verbose names them all
///   /metrics                    Prometheus text
///   /version                    JSON
///   /v1/actors                  the tree as JSON, ?format=text for people
///   /v1/status                  JSON: pipelines, topics, tenants, lanes
///
/// Ends when the server cannot listen, with a text that says what to mend; its
/// supervisor tries again. Spawn it detached: its end waits for requests that
/// still run, for `inspect_timeout` at most.
class admin_state {
public:
  static inline const char* name = "millrace.admin";

  /// Throws std::invalid_argument when `validate` complains.
  admin_state(admin_actor::pointer self, admin_config config,
              admin_wiring wiring);

  /// Stops the server.
  ~admin_state();

  admin_actor::behavior_type make_behavior();

private:
  struct core;

  void add_pages();
  void tick();

  admin_actor::pointer self_;
  vitals vitals_{name};

  /// What the pages need, shared with the server's threads.
  std::shared_ptr<core> core_;
  std::unique_ptr<http_server> server_;
};

/// The spawnable type: `self->spawn<admin, caf::detached>(config, wiring)`.
using admin = admin_actor::stateful_impl<admin_state>;

/// Makes one below `parent`. Here, so that only this file pays for the
/// templates behind it.
caf::actor spawn_admin(caf::local_actor* parent, admin_config config,
                       admin_wiring wiring);

} // namespace millrace
