#pragma once

// What `millrace lanes` and `millrace dlq` share: they act on PostgreSQL with
// the configuration of a node, which may run or not.

#include "actors/source/kafka_client.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/lane_admin.hpp"
#include "config/config.hpp"
#include "nodes/cli/console.hpp"

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// What every such command gets from the command line.
struct admin_arguments {
  std::string config;
  std::vector<std::string> pack_dirs;

  /// In place of where `config` says that the control database is.
  std::string database_url;

  /// For each answer of a server; a duration.
  std::string timeout = "5s";

  /// Only this database; empty: all, or the one that holds what is named.
  std::string database;

  /// Recorded with each change.
  std::string reason;

  /// Do not ask.
  bool yes = false;
};

/// Why a command ends, and with which code.
struct admin_failure {
  exit_code code = exit_code::failed;
  findings all;
};

template <class T>
using admin_result = std::expected<T, admin_failure>;

std::unexpected<admin_failure> admin_fail(exit_code code, std::string text);

/// What PostgreSQL said, with what mends it where we know.
std::unexpected<admin_failure> admin_fail(const store_error& x);

exit_code tell(const admin_failure& x, console& to);

/// A configuration and a connection to one of its databases.
struct admin_session {
  std::shared_ptr<const millrace::config> all;
  std::chrono::milliseconds patience;

  /// The database's name.
  std::string database;
  connection conn;
};

/// What a command knows before it connects.
struct admin_plan {
  std::shared_ptr<const config> all;
  std::chrono::milliseconds patience;

  /// What `--database` says, or nullptr.
  const postgresql_config* only = nullptr;
};

/// Reads the configuration; a usage error where an option is wrong.
admin_result<admin_plan> make_admin_plan(const admin_arguments& what);

/// Reads the configuration and connects to the database of a tenant, or to the
/// one that `--database` says. Timeouts are those of a node.
admin_result<admin_session> open_admin(const admin_arguments& what,
                                       std::string_view tenant = {});

/// Sessions of several databases.
struct admin_sessions {
  /// At least one, in the order of the configuration.
  std::vector<admin_session> open;

  /// Why the others are not there: all that is told is a part.
  std::optional<admin_failure> lacking;

  /// Whether names alone do not tell where something is.
  bool several = false;
};

/// The same for all databases, or for the one that `--database` says. A
/// failure where none of them answers.
admin_result<admin_sessions> open_admins(const admin_arguments& what);

/// The same for commands that change something: a failure unless all answer.
admin_result<admin_sessions> open_all_admins(const admin_arguments& what);

/// Says which databases are missing from what was told; `ok` when none is.
exit_code tell_lacking(const admin_sessions& x, console& to);

/// How commands reach a database.
session_config admin_session_config(const postgresql_config& database,
                                    std::chrono::milliseconds patience);

/// This user on this machine. `command` is `lanes resume`.
admin_note note_of(const admin_arguments& what, std::string command);

/// The same of a command that needs no reason: one that is not given is noted
/// as not said.
admin_note casual_note_of(const admin_arguments& what, std::string command);

/// A usage error unless a reason was given: one that says nothing will not
/// help whoever reads it.
admin_result<void> check_reason(const admin_arguments& what);

/// Shows `question` and reads the answer from standard input, unless `--yes`
/// was given. With `--json` nobody can be asked.
admin_result<void> confirm(const admin_arguments& what, console& to,
                           const std::string& question);

/// Asks Kafka about topics and logs; each question is asked once.
class log_survey {
public:
  log_survey(const config& all, std::chrono::milliseconds patience);

  /// The bounds of the partition's log. Nothing when Kafka does not answer,
  /// when there is no cluster, or when the topic is another one than `source`
  /// says.
  std::optional<kafka_watermarks> marks(const std::string& topic,
                                        const partition_id& source);

  /// Why `marks` answered with nothing; a sentence.
  const std::string& why_not() const noexcept {
    return why_not_;
  }

  /// Nobody answers: the servers, not the topic, are the reason.
  bool unreachable() const noexcept {
    return unreachable_;
  }

  /// Nothing when the brokers could not be asked, or know no such topic.
  std::optional<kafka_topic_info> topic(const std::string& name);

private:
  std::chrono::milliseconds patience_;
  std::optional<kafka_client> client_;
  std::vector<kafka_topic_info> topics_;
  std::string why_not_;
  bool unreachable_ = false;
};

} // namespace millrace::cli
