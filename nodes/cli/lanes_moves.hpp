#pragma once

// A change of a pipeline's map in which tenants go from one database to
// another (protocol.md, rule 25).

#include "nodes/cli/map_changing.hpp"
#include "nodes/cli/tenant_sites.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace millrace::cli {

/// A database whose map is to change.
struct wanted_change {
  admin_session& session;
  map_difference what;
};

/// Where the pipeline's tenants are that are not in the control database, as a
/// switch of that one has to note; nothing for the others.
std::optional<std::map<std::string, std::string>>
homes_for(const admin_session& session, const pipeline_config& pipeline);

/// Makes the changes of all databases that give or receive tenants.
///
/// Those that receive are fenced first, those that give switch at their
/// barriers, then those that receive begin there. What fails before the first
/// one has switched is taken back; after that the command has to be run again,
/// and completes what it finds half made.
class moving {
public:
  using teller = std::function<void(const wanted_change&, const map_switch&)>;

  /// These outlive it.
  moving(std::vector<wanted_change>& changes, admin_sessions& sessions,
         const std::vector<tenant_step>& steps, const lanes_arguments& what,
         std::chrono::milliseconds patience, console& to, teller show);

  admin_result<void> run();

private:
  /// One database of the change.
  struct part {
    admin_session* session = nullptr;

    /// Unset: nothing is to be done there any more, or not yet.
    wanted_change* change = nullptr;
    std::optional<map_fence> fence;

    /// Where it switched, of one that gives.
    std::optional<partition_marks> switched;
  };

  admin_result<void> recall();
  admin_result<void> check_backfills();
  admin_result<void> fence_receivers();
  admin_result<void> fence(part& x, const std::string& database);
  admin_result<void> give_all();
  admin_result<void> give(part& x, const std::string& database);
  admin_result<void>
  await_hand_over(part& x, const std::vector<partition_marks>& receivers);
  admin_result<void> take_all();
  admin_result<void> take(part& x, const std::string& database);
  admin_result<void> note_homes();
  void take_back(const std::string& why);
  bool is_decided() const;
  std::set<std::string> givers() const;
  std::set<std::string> receivers() const;
  admin_result<map_switch> switch_at_barrier(part& x,
                                             const switch_moves& moves);
  tenant_moves moves_of(part& x) const;

  std::vector<wanted_change>& changes_;
  admin_sessions& sessions_;
  const std::vector<tenant_step>& steps_;
  const lanes_arguments& what_;
  std::chrono::milliseconds patience_;
  console& to_;
  teller show_;
  uuid set_;
  std::map<std::string, part> parts_;
};

} // namespace millrace::cli
