#pragma once

// What supervisors, the actors below them and ADMIN say to each other.

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/is_error_code_enum.hpp>
#include <caf/result.hpp>
#include <caf/type_id.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

/// What an actor says about itself, and a supervisor about its children.
struct actor_report {
  /// The name its supervisor knows it by: unique among its siblings.
  std::string name;

  /// The actor's class, such as `millrace.lane-writer`.
  std::string kind;

  /// One word or two, bounded: `running`, `parked`, `no answer`, …
  std::string state;

  /// When it entered this state, in milliseconds since 1970.
  int64_t since_ms = 0;

  /// How often its supervisor started it again. Filled by the supervisor.
  int64_t restarts = 0;

  /// Messages or items that wait for it.
  int64_t queue = 0;

  std::vector<std::pair<std::string, int64_t>> counters;

  /// For a person: the last failure, or what it waits for. May be empty.
  std::string note;

  /// In the order of their start. Empty for everybody but supervisors.
  std::vector<actor_report> children;
};

template <class Inspector>
bool inspect(Inspector& f, actor_report& x) {
  return f.object(x).fields(
    f.field("name", x.name), f.field("kind", x.kind), f.field("state", x.state),
    f.field("since-ms", x.since_ms), f.field("restarts", x.restarts),
    f.field("queue", x.queue), f.field("counters", x.counters),
    f.field("note", x.note), f.field("children", x.children));
}

/// Tells a listener that a child has a new handle. Never leaves the node.
struct child_started {
  std::string name;
  caf::actor child;

  /// Zero for the first start.
  int64_t restarts = 0;
};

template <class Inspector>
bool inspect(Inspector& f, child_started& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("child", x.child),
                            f.field("restarts", x.restarts));
}

/// How to make and keep one child; actors/cluster/supervisor.hpp has it.
struct child_spec;

/// Holds code, so it never leaves the process.
using child_spec_ptr = std::shared_ptr<const child_spec>;

/// Why a supervisor ended or refused.
enum class supervision_errc : uint8_t {
  /// The children failed more often than the limit allows; the parent decides.
  restart_limit = 1,
  /// A child's factory threw or made nothing.
  factory_failed,
  /// A child with this name exists.
  name_taken,
  /// No child has this name.
  no_such_child,
  /// The supervisor is stopping and takes no orders.
  stopping,
  /// The child's description makes no sense.
  bad_spec,
};

inline std::string to_string(supervision_errc x) {
  switch (x) {
    case supervision_errc::restart_limit:
      return "restart-limit";
    case supervision_errc::factory_failed:
      return "factory-failed";
    case supervision_errc::name_taken:
      return "name-taken";
    case supervision_errc::no_such_child:
      return "no-such-child";
    case supervision_errc::stopping:
      return "stopping";
    case supervision_errc::bad_spec:
      return "bad-spec";
  }
  return "unknown";
}

template <class Inspector>
bool inspect(Inspector& f, supervision_errc& x) {
  auto get = [&x] { return static_cast<uint8_t>(x); };
  auto set = [&x](uint8_t raw) {
    x = static_cast<supervision_errc>(raw);
    return raw >= 1 && raw <= static_cast<uint8_t>(supervision_errc::bad_spec);
  };
  return f.apply(get, set);
}

} // namespace millrace

// Until the system's one block exists, these ids have a range of their own.
CAF_BEGIN_TYPE_ID_BLOCK(millrace_supervision, caf::first_custom_type_id + 100)

  CAF_ADD_ATOM(millrace_supervision, millrace, inspect_atom)
  CAF_ADD_ATOM(millrace_supervision, millrace, stop_atom)
  CAF_ADD_ATOM(millrace_supervision, millrace, add_child_atom)
  CAF_ADD_ATOM(millrace_supervision, millrace, remove_child_atom)
  CAF_ADD_ATOM(millrace_supervision, millrace, restart_child_atom)
  CAF_ADD_TYPE_ID(millrace_supervision, (millrace::actor_report))
  CAF_ADD_TYPE_ID(millrace_supervision, (millrace::child_started))
  CAF_ADD_TYPE_ID(millrace_supervision, (millrace::child_spec_ptr))
  CAF_ADD_TYPE_ID(millrace_supervision, (millrace::supervision_errc))

CAF_END_TYPE_ID_BLOCK(millrace_supervision)

CAF_ERROR_CODE_ENUM(millrace::supervision_errc)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(millrace::child_spec_ptr)

namespace millrace {

// -- actor interfaces ---------------------------------------------------------

/// What every actor can be asked. Add its line to each interface.
using inspectable_actor = caf::typed_actor<
  // Answers at once with the actor's own view of itself; a SUPERVISOR asks its
  // children first and waits for them, but not for long.
  caf::result<actor_report>(inspect_atom)>;

/// The SUPERVISOR interface.
using supervisor_actor = caf::typed_actor<
  // Answers with the tree below; who does not answer in time is in it, too.
  caf::result<actor_report>(inspect_atom),
  // Starts one more child after all others; answers once its first start was
  // tried, whatever came of it.
  caf::result<void>(add_child_atom, child_spec_ptr),
  // Stops and forgets the child; answers when it is gone.
  caf::result<void>(remove_child_atom, std::string),
  // Starts the child anew: at once if it waits or is parked, else after an
  // orderly stop. Forgets its failures. Answers when the start was tried.
  caf::result<void>(restart_child_atom, std::string),
  // Sends `child_started` for each running child now and for each start later.
  caf::result<void>(caf::subscribe_atom, caf::actor),
  // Stops the children, last one first, then itself; answers when they are
  // gone. An exit message does the same.
  caf::result<void>(stop_atom)>;

} // namespace millrace
