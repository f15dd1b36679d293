#include "nodes/cli/restore_run.hpp"

#include "actors/coordinator/migrator.hpp"
#include "actors/store/program_environment.hpp"
#include "config/values.hpp"
#include "nodes/cli/program_work.hpp"
#include "nodes/cli/restore_logs.hpp"
#include "nodes/coordinator_settings.hpp"

#include <algorithm>
#include <format>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

namespace millrace::cli {

namespace {

/// How many findings of a kind are told.
constexpr std::size_t most_told = 20;

std::unexpected<admin_failure> fail_with(const std::string& head,
                                         const std::vector<std::string>& all) {
  admin_failure result;
  for (std::size_t i = 0; i < std::min(all.size(), most_told); ++i)
    result.all.push_back(make_error(head + all[i]));
  if (all.size() > most_told)
    result.all.push_back(
      make_error(std::format("and {} more", all.size() - most_told)));
  return std::unexpected{std::move(result)};
}

/// As a parameter of a connection string.
std::string quote_parameter(const std::string& text) {
  std::string result = "'";
  for (auto c : text) {
    if (c == '\'' || c == '\\')
      result += '\\';
    result += c;
  }
  return result + '\'';
}

int32_t newest_control_migration() {
  auto files = load_embedded_migrations("control");
  int32_t result = 0;
  if (files)
    for (const auto& x : files->files)
      result = std::max(result, x.version);
  return result;
}

} // namespace

restore_run::restore_run(const db_restore_arguments& what, const config& all,
                         std::chrono::milliseconds patience, console& to,
                         const std::stop_token& stop)
  : what_{what},
    all_{all},
    patience_{patience},
    to_{to},
    stop_{stop},
    at_{rfc3339(std::chrono::system_clock::now())} {
}

admin_result<restore_outcome> restore_run::run() {
  auto patience = parse_duration(what_.patience);
  if (!patience)
    return admin_fail(exit_code::usage, "--patience: found "
                                          + in_quotes(what_.patience)
                                          + ", expected a duration");
  swap_patience_ = *patience;
  auto backup = open_backup(what_.folder, what_.name);
  if (!backup)
    return admin_fail(exit_code::failed, backup.error());
  backup_ = std::move(*backup);
  auto done = open_sites();
  if (done)
    done = plan();
  if (done && complete_) {
    for (const auto& x : sites_)
      outcome_.databases.push_back(result_of(x));
    return std::move(outcome_);
  }
  if (done)
    done = go();
  if (done)
    return std::move(outcome_);
  std::ranges::move(how_it_stands(), std::back_inserter(done.error().all));
  return std::unexpected{std::move(done.error())};
}

admin_result<void> restore_run::go() {
  admin_result<void> done;
  for (auto& x : sites_)
    if (done && x.step != restore_step::done)
      done = check_site(x);
  if (done)
    done = ask_user();
  for (auto& x : sites_)
    if (done && x.step == restore_step::fill)
      done = fill(x);
  outcome_.lost.clear();
  for (auto& x : sites_)
    if (done && x.step != restore_step::done)
      done = begin_incarnation(x);
  if (done && stop_.stop_requested())
    done = admin_fail(exit_code::failed, "interrupted; nothing was replaced");
  for (auto& x : sites_)
    if (done && x.step != restore_step::done)
      done = swap(x);
  return done;
}

/// What a command that fails leaves, and how to go on.
findings restore_run::how_it_stands() const {
  std::string copies;
  for (const auto& x : sites_)
    if (x.step == restore_step::keep)
      copies += (copies.empty() ? "" : ", ") + x.server.copy();
  if (copies.empty())
    return {};
  auto swapped = std::ranges::any_of(sites_, [](const site& x) {
    return x.step == restore_step::done;
  });
  auto stands = swapped
                  ? std::string{"some databases are in place, others are not"}
                  : std::string{"no database in place was changed"};
  return {
    make_warning(stands + "; what is verified stays as " + copies
                 + ": the same command goes on with it"
                 + (swapped ? std::string{} : ", and --drop-old drops it"))};
}

restore_mark restore_run::mark(restore_role role, const site& x) const {
  return {role,
          set_,
          backup_.manifest.name,
          backup_.checksum,
          at_,
          x.server.database()};
}

restored_database restore_run::result_of(const site& x) const {
  const auto& facts = x.kept->facts;
  return {x.kept->name,
          x.server.database(),
          {},
          std::transform_reduce(facts.tables.begin(), facts.tables.end(),
                                int64_t{0}, std::plus<>{},
                                [](const kept_table& t) { return t.rows; }),
          std::ssize(facts.lanes),
          x.since};
}

void restore_run::step(std::string_view name, const site& x) const {
  what_.on_step(std::format("{} {}", name, x.kept->name));
  if (!to_.json())
    to_.note(std::format("database {}: {}", x.kept->name, name));
}

// -- what there is ------------------------------------------------------------

admin_result<void> restore_run::open_sites() {
  auto wanted = [this](const std::string& name) {
    return what_.database.empty() || what_.database == name;
  };
  for (const auto* x : all_databases(all_))
    if (wanted(x->name)
        && !std::ranges::contains(backup_.manifest.databases, x->name,
                                  &backup_database::name))
      return admin_fail(exit_code::failed,
                        "the backup has no database '" + x->name
                          + "', which the configuration names");
  for (const auto& x : backup_.manifest.databases) {
    if (!wanted(x.name)) {
      if (auto same = check_others(x); !same)
        return same;
      continue;
    }
    const auto* database = find_database(all_, x.name);
    if (!database)
      return admin_fail(exit_code::failed,
                        "the backup has a database '" + x.name
                          + "', which the configuration does not name");
    auto server = restore_server::open(*database, what_.maintenance, patience_);
    if (!server)
      return std::unexpected{server.error()};
    if (auto locked = server->lock(); !locked)
      return locked;
    sites_.push_back({&x, std::move(*server)});
  }
  return {};
}

/// A database that stays as it is must have the map that it had: else tenants
/// may have gone from one to the other since.
admin_result<void> restore_run::check_others(const backup_database& x) {
  const auto* database = find_database(all_, x.name);
  if (!database)
    return {};
  auto conn = connection::open(task_session(*database));
  if (!conn)
    return admin_fail(conn.error());
  auto now = read_maps(*conn);
  if (!now)
    return admin_fail(now.error());
  for (const auto& p : *now) {
    auto kept = std::ranges::find(x.facts.pipelines, p.pipeline,
                                  &kept_pipeline::pipeline);
    if (kept == x.facts.pipelines.end()
        || kept->map_fingerprint != p.map_fingerprint || kept->lanes != p.lanes)
      return admin_fail(exit_code::failed,
                        "the map of pipeline " + p.pipeline + " in database '"
                          + x.name
                          + "' is another one than in the backup: restore all "
                            "databases, without --database");
  }
  if (x.name != control_database || what_.accept_loss)
    return {};
  auto replayed = unrouted_replays(*conn, x.facts.at);
  if (!replayed)
    return admin_fail(replayed.error());
  if (*replayed > 0)
    return admin_fail(
      exit_code::failed,
      std::format("{} dead letters of `_unrouted` were replayed since the "
                  "backup: what went into this database is nowhere else. "
                  "Restore all databases, or give --accept-loss",
                  *replayed));
  return {};
}

admin_result<void> restore_run::plan() {
  std::vector<restore_state> states;
  for (auto& x : sites_) {
    auto state = x.server.look();
    if (!state)
      return std::unexpected{state.error()};
    if (state->live)
      x.since = state->live->at;
    states.push_back(std::move(*state));
  }
  auto made = plan_restore(states, backup_.checksum, uuid::random(),
                           what_.again);
  if (!made)
    return admin_fail(exit_code::failed, made.error());
  for (std::size_t i = 0; i < sites_.size(); ++i)
    sites_[i].step = made->steps[i];
  set_ = made->set;
  resumed_ = made->resumed;
  complete_ = made->complete;
  outcome_.incarnation = set_;
  return {};
}

/// All that can be wrong before anything is made.
admin_result<void> restore_run::check_site(site& x) {
  step("check", x);
  if (auto problem = version_problem(*x.kept, newest_control_migration(),
                                     x.server.version()))
    return admin_fail(exit_code::failed,
                      "database '" + x.kept->name + "': " + *problem);
  auto written = parse_program_version("(PostgreSQL) " + x.kept->pg_dump);
  auto program = find_server_program("pg_restore", what_.pg_bin,
                                     written ? written->major
                                             : x.server.version() / 10'000);
  if (!program)
    return admin_fail(exit_code::failed, program.error());
  program_ = std::move(*program);
  auto roles = x.server.missing_roles(x.kept->facts.properties);
  if (!roles)
    return std::unexpected{roles.error()};
  if (!roles->empty())
    return fail_with("the server lacks a role that the backup needs; create "
                     "it first: ",
                     *roles);
  if (x.step == restore_step::fill) {
    auto wrong = damages(backup_, *x.kept, stop_);
    if (!wrong.empty())
      return fail_with({}, wrong);
  }
  return check_logs(x, x.kept->facts);
}

admin_result<void> restore_run::check_logs(const site& x,
                                           const database_facts& facts) {
  auto losses = ask_losses(all_, facts, patience_);
  if (!losses)
    return std::unexpected{losses.error()};
  if (losses->empty())
    return {};
  if (!what_.accept_loss)
    return admin_fail(
      exit_code::failed,
      "Kafka does not have all that database '" + x.kept->name + "' lacks:\n"
        + losses_text(*losses)
        + "--accept-loss goes on without these records, and writes down which "
          "they are");
  std::ranges::move(*losses, std::back_inserter(outcome_.lost));
  return {};
}

admin_result<void> restore_run::ask_user() {
  std::string names;
  for (const auto& x : sites_)
    if (x.step != restore_step::done)
      names += (names.empty() ? "" : ", ") + x.server.database();
  auto question = std::format(
    "{} will be replaced by the backup {} of {}; what came after it is read "
    "from Kafka again. {}{}Go on?",
    names, backup_.manifest.name, backup_.manifest.began,
    resumed_ ? "This goes on with a restore that was begun. " : "",
    outcome_.lost.empty()
      ? std::string{}
      : std::format("{} lanes lack records that Kafka does not have any more. ",
                    outcome_.lost.size()));
  return confirm(what_, to_, question);
}

// -- the new one --------------------------------------------------------------

admin_result<void> restore_run::fill(site& x) {
  step("make", x);
  const auto& properties = x.kept->facts.properties;
  if (auto made = x.server.make_new(properties, mark(restore_role::filling, x));
      !made)
    return made;
  auto conn = x.server.enter_new();
  if (!conn)
    return std::unexpected{conn.error()};
  step("fill", x);
  auto done = load(x, *conn);
  if (done) {
    step("verify", x);
    done = verify(x, *conn);
  }
  conn->close_and_wait(leaving_patience);
  if (done)
    done = x.server.complete_new(properties, mark(restore_role::verified, x));
  if (done)
    x.step = restore_step::keep;
  else
    x.server.drop_new();
  return done;
}

admin_result<void> restore_run::load(site& x, connection& conn) {
  // Its catalogue refers to itself, and its triggers must not fire.
  auto hypertables = std::ranges::contains(x.kept->facts.properties.extensions,
                                           "timescaledb");
  if (hypertables)
    if (auto done = conn.run("CREATE EXTENSION IF NOT EXISTS timescaledb;"
                             "SELECT timescaledb_pre_restore()");
        !done)
      return admin_fail(done.error());
  program_work work;
  work.title = "database " + x.kept->name;
  auto name = conn.query("SELECT current_database()");
  if (!name)
    return admin_fail(name.error());
  work.command
    = {program_.path,
       "--dbname=dbname=" + quote_parameter(name->rows[0][0].value_or("")),
       "--format=directory",
       "--jobs=" + std::to_string(hypertables ? 1 : what_.jobs),
       "--exit-on-error",
       "--no-password",
       "--verbose",
       (backup_.path / x.kept->name).string()};
  work.environment = program_environment(conn);
  work.table_line = "processing data for table";
  work.tables = x.kept->facts.tables.size();
  if (auto done = run_work(work, to_, stop_); !done)
    return done;
  if (hypertables)
    if (auto done = conn.run("SELECT timescaledb_post_restore()"); !done)
      return admin_fail(done.error());
  // A dump has no statistics, and the first flushes must not plan without.
  if (auto done = conn.run("ANALYZE"); !done)
    return admin_fail(done.error());
  return {};
}

admin_result<void> restore_run::verify(site& x, connection& conn) {
  auto facts = read_facts(conn);
  if (!facts)
    return admin_fail(facts.error());
  if (auto counted = count_rows(conn, facts->tables); !counted)
    return admin_fail(counted.error());
  auto wrong = differences(x.kept->facts, *facts);
  if (wrong.empty())
    return {};
  return fail_with("what was restored is not what was kept: ", wrong);
}

} // namespace millrace::cli
