#include "nodes/cli/lanes_session.hpp"

#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/prepare.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <iterator>
#include <utility>

#include <pwd.h>
#include <unistd.h>

namespace millrace::cli {

namespace {

std::string user_name() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found)
        == 0
      && found != nullptr)
    return entry.pw_name;
  return std::to_string(::geteuid());
}

std::string host_name() {
  std::array<char, 256> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0)
    return "unknown";
  return buffer.data();
}

} // namespace

std::unexpected<admin_failure> admin_fail(exit_code code, std::string text) {
  return std::unexpected{admin_failure{code, {make_error(std::move(text))}}};
}

std::unexpected<admin_failure> admin_fail(const store_error& x) {
  auto text = "PostgreSQL: " + x.message;
  if (!x.sqlstate.empty())
    text += " (" + x.sqlstate + ')';
  switch (x.code) {
    case store_errc::unavailable:
      return admin_fail(exit_code::unreachable, text);
    case store_errc::misconfigured:
      return admin_fail(exit_code::failed,
                        text
                          + "; is the control schema up to date? 'millrace "
                            "migrate up' makes it so");
    case store_errc::retry:
      return admin_fail(exit_code::failed,
                        text
                          + "; a transaction holds the row: try again, and "
                            "look into pg_stat_activity if it stays");
    case store_errc::refused:
    case store_errc::no_lane:
    case store_errc::no_partition:
    case store_errc::lane_inactive:
      // Our own words about the rows.
      return admin_fail(exit_code::failed, x.message);
    default:
      return admin_fail(exit_code::failed, text);
  }
}

exit_code tell(const admin_failure& x, console& to) {
  to.tell(x.all);
  return x.code;
}

session_config admin_session_config(const postgresql_config& database,
                                    std::chrono::milliseconds patience) {
  auto result = make_session_config(database);
  result.application_name = "millrace admin";
  result.connect_timeout = std::min(result.connect_timeout, patience);
  return result;
}

admin_result<admin_plan> make_admin_plan(const admin_arguments& what) {
  auto patience = parse_duration(what.timeout);
  if (!patience || patience->count() == 0)
    return admin_fail(exit_code::usage,
                      "--timeout: found " + in_quotes(what.timeout)
                        + ", expected a duration such as \"500ms\" or \"5s\"");
  if (what.config.empty())
    return admin_fail(exit_code::usage,
                      "expected --config FILE: it says where PostgreSQL is");
  auto all = load_checked(what.config, what.pack_dirs, {}, what.database_url);
  if (!all)
    return std::unexpected{admin_failure{exit_code::usage, all.error()}};
  admin_plan result{std::make_shared<const config>(std::move(*all)), *patience};
  if (what.database.empty())
    return result;
  result.only = find_database(*result.all, what.database);
  if (result.only)
    return result;
  std::vector<std::string> known;
  for (const auto* x : all_databases(*result.all))
    known.push_back(x->name);
  return admin_fail(exit_code::usage, "--database: found "
                                        + in_quotes(what.database)
                                        + ", expected " + one_of(known));
}

namespace {

admin_result<admin_session> open(const admin_plan& plan,
                                 const postgresql_config& database) {
  auto conn = connection::open(admin_session_config(database, plan.patience));
  if (conn)
    return admin_session{plan.all, plan.patience, database.name,
                         std::move(*conn)};
  const auto& e = conn.error();
  auto passing = e.code == store_errc::unavailable
                 || e.code == store_errc::retry
                 || e.code == store_errc::back_off;
  auto name = database.name == control_database
                ? std::string{"PostgreSQL"}
                : "database '" + database.name + '\'';
  return admin_fail(passing ? exit_code::unreachable : exit_code::failed,
                    name + ": " + e.message);
}

} // namespace

admin_result<admin_session> open_admin(const admin_arguments& what,
                                       std::string_view tenant) {
  auto plan = make_admin_plan(what);
  if (!plan)
    return std::unexpected{plan.error()};
  return open(*plan,
              plan->only ? *plan->only : database_of(*plan->all, tenant));
}

admin_result<admin_sessions> open_admins(const admin_arguments& what) {
  auto plan = make_admin_plan(what);
  if (!plan)
    return std::unexpected{plan.error()};
  admin_sessions result;
  result.several = !plan->all->databases.empty();
  for (const auto* x : all_databases(*plan->all)) {
    if (plan->only && x != plan->only)
      continue;
    auto session = open(*plan, *x);
    if (session)
      result.open.push_back(std::move(*session));
    else if (!result.lacking)
      result.lacking = std::move(session.error());
    else
      std::ranges::move(session.error().all,
                        std::back_inserter(result.lacking->all));
  }
  if (result.open.empty())
    return std::unexpected{std::move(*result.lacking)};
  return result;
}

admin_result<admin_sessions> open_all_admins(const admin_arguments& what) {
  auto result = open_admins(what);
  if (result && result->lacking)
    return std::unexpected{std::move(*result->lacking)};
  return result;
}

exit_code tell_lacking(const admin_sessions& x, console& to) {
  return x.lacking ? tell(*x.lacking, to) : exit_code::ok;
}

admin_note note_of(const admin_arguments& what, std::string command) {
  return {user_name(), host_name(), std::move(command), what.reason};
}

admin_note casual_note_of(const admin_arguments& what, std::string command) {
  auto result = note_of(what, std::move(command));
  if (result.reason.empty())
    result.reason = "not said";
  return result;
}

admin_result<void> check_reason(const admin_arguments& what) {
  if (what.reason.find_first_not_of(' ') == std::string::npos)
    return admin_fail(exit_code::usage,
                      "expected --reason TEXT: it is kept with the change, in "
                      "millrace.admin_action");
  return {};
}

admin_result<void> confirm(const admin_arguments& what, console& to,
                           const std::string& question) {
  if (what.yes)
    return {};
  if (to.json())
    return admin_fail(exit_code::usage, "with --json nobody can be asked: give "
                                        "--yes as well");
  to.note(question + " [y/N]");
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes")
    return {};
  return admin_fail(exit_code::failed,
                    "nothing was changed; --yes answers the question");
}

// -- Kafka --------------------------------------------------------------------

log_survey::log_survey(const config& all, std::chrono::milliseconds patience)
  : patience_{patience} {
  if (all.kafka.embedded) {
    why_not_ = "the broker is embedded in the node";
    return;
  }
  auto client = kafka_client::open(librdkafka_properties(all.kafka));
  if (client)
    client_ = std::move(*client);
  else
    why_not_ = client.error().message;
}

std::optional<kafka_topic_info> log_survey::topic(const std::string& name) {
  auto known = std::ranges::find(topics_, name, &kafka_topic_info::name);
  if (known != topics_.end())
    return *known;
  if (!client_)
    return std::nullopt;
  auto info = client_->describe_topic(name, patience_);
  if (info)
    return topics_.emplace_back(std::move(*info));
  why_not_ = info.error().message;
  if (info.error().code == kafka_errc::unreachable
      || info.error().code == kafka_errc::timed_out) {
    // The next question would only take as long.
    unreachable_ = true;
    client_.reset();
  }
  return std::nullopt;
}

std::optional<kafka_watermarks> log_survey::marks(const std::string& name,
                                                  const partition_id& source) {
  auto info = topic(name);
  if (!info)
    return std::nullopt;
  if (info->id != source.topic) {
    why_not_ = "topic " + name
               + " is another one than the one that was read: 'millrace lanes "
                 "adopt-topic'";
    return std::nullopt;
  }
  auto result = client_ ? client_->watermarks({name, source.number}, patience_)
                        : std::unexpected{kafka_error{}};
  if (result)
    return *result;
  if (client_)
    why_not_ = result.error().message;
  return std::nullopt;
}

} // namespace millrace::cli
