// The end of a restore: another incarnation, put in place.

#include "actors/coordinator/migrator.hpp"
#include "actors/store/incarnation.hpp"
#include "config/values.hpp"
#include "nodes/cli/restore_run.hpp"

#include <random>
#include <utility>

namespace millrace::cli {

/// Of the database in place, which nodes may remember; 0 where there is none,
/// or none with maps.
admin_result<int64_t>
restore_run::replaced_version(site& x, const std::string& pipeline) {
  auto there = x.server.exists();
  if (!there)
    return std::unexpected{there.error()};
  if (!*there)
    return 0;
  auto unknown = [&x](admin_failure why) {
    why.all.push_back(make_error(
      "the maps of " + in_quotes(x.server.database())
      + " cannot be read, and the restored one must not have a version of them "
        "that nodes remember: mend what keeps them from being read, or rename "
        "the database, which then counts as gone"));
    return std::unexpected{std::move(why)};
  };
  auto conn = x.server.enter();
  if (!conn)
    return unknown(std::move(conn.error()));
  auto maps = read_maps(*conn);
  conn->close_and_wait(leaving_patience);
  if (!maps && says_no_maps(maps.error().sqlstate))
    return 0;
  if (!maps)
    return unknown(admin_fail(maps.error()).error());
  for (const auto& p : *maps)
    if (p.pipeline == pipeline)
      return p.map_version;
  return 0;
}

admin_result<void> restore_run::begin_incarnation(site& x) {
  step("incarnation", x);
  auto conn = x.server.enter_new();
  if (!conn)
    return std::unexpected{conn.error()};
  // The database may be older than this program.
  auto files = load_embedded_migrations("control");
  if (!files)
    return admin_fail(exit_code::internal, files.error());
  if (auto done = migrator{*conn}.up(*files, {"millrace", std::nullopt}); !done)
    return admin_fail(exit_code::failed, done.error());
  auto facts = read_facts(*conn);
  if (!facts)
    return admin_fail(facts.error());
  // Once more, as Kafka has gone on since the restore began.
  auto known = outcome_.lost.size();
  if (auto done = check_logs(x, *facts); !done)
    return done;
  std::vector<log_loss> mine{outcome_.lost.begin()
                               + static_cast<std::ptrdiff_t>(known),
                             outcome_.lost.end()};
  incarnation next;
  next.id = set_;
  next.backup = backup_.manifest.name;
  next.checksum = backup_.checksum;
  next.taken = x.kept->facts.at;
  next.lost = ranges_of(mine);
  std::random_device random;
  for (const auto& p : facts->pipelines) {
    auto replaced = replaced_version(x, p.pipeline);
    if (!replaced)
      return std::unexpected{replaced.error()};
    next.map_versions[p.pipeline] = next_map_version(p.map_version, *replaced,
                                                     random());
  }
  auto done = write_incarnation(*conn, next, note_of(what_, "db restore"));
  conn->close_and_wait(leaving_patience);
  if (!done)
    return admin_fail(done.error());
  return {};
}

admin_result<void> restore_run::swap(site& x) {
  step("swap", x);
  auto old = x.server.swap(mark(restore_role::restored, x), swap_patience_);
  if (!old)
    return std::unexpected{old.error()};
  x.step = restore_step::done;
  x.since.clear();
  auto result = result_of(x);
  result.old = std::move(*old);
  outcome_.databases.push_back(std::move(result));
  return {};
}

} // namespace millrace::cli
