#pragma once

#include "actors/admin/readiness.hpp"
#include "messages/supervision.hpp"
#include "nodes/halts.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <memory>
#include <set>
#include <string>

namespace millrace {

/// Looks at the tree now and then and posts what is not well: an actor that is
/// halted, parked, waiting, or does not answer makes the node not ready, under
/// its own name and with its own reason. So does a lane whose row is halted,
/// whoever did that. What is only behind is told with a check that is well. How
/// many they are is told by metrics.
class readiness_watch {
public:
  readiness_watch(caf::actor_system& sys, supervisor_actor root,
                  std::shared_ptr<readiness_board> board);

  ~readiness_watch();

  void look();

private:
  void visit(const actor_report& x, const std::string& path,
             std::set<std::string>& posted);
  void count(const actor_report& tree);

  caf::scoped_actor self_;
  supervisor_actor root_;
  std::shared_ptr<readiness_board> board_;
  std::set<std::string> posted_;

  /// As the gauges have them.
  halt_tally counted_;
};

/// Whether an actor in this state does its work.
bool is_well(const std::string& state) noexcept;

} // namespace millrace
