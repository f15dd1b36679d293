#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::test {

/// Which server of a set.
enum class server { pg, kafka, redis };

/// How a server is stopped. fast: in order. immediate: as after a crash, but
/// nothing is left behind. kill: SIGKILL.
enum class stop_mode { fast, immediate, kill };

/// A set of servers of one test's own, for tests that break them. Its ports
/// stay the same over restarts. Ends with this object, or with the process,
/// however that ends. Every function throws std::runtime_error with what
/// deploy/dev-servers said when it did not succeed.
class private_servers {
public:
  explicit private_servers(std::initializer_list<server> which);
  ~private_servers();
  private_servers(private_servers&&) noexcept;
  private_servers& operator=(private_servers&&) = delete;

  /// A superuser's URL of the database `millrace`.
  const std::string& pg_url() const noexcept {
    return pg_url_;
  }

  /// host:port of the broker.
  const std::string& kafka_bootstrap() const noexcept {
    return kafka_bootstrap_;
  }

  /// redis://host:port
  const std::string& redis_url() const noexcept {
    return redis_url_;
  }

  /// Each returns when the server is gone, or answers again.
  void stop(server which, stop_mode how = stop_mode::fast);
  void start(server which);
  void restart(server which, stop_mode how = stop_mode::fast);

private:
  std::string name_;
  std::string pg_url_;
  std::string kafka_bootstrap_;
  std::string redis_url_;
};

/// The servers that all integration tests share. Addresses come from the
/// environment (MILLRACE_PG_URL, MILLRACE_KAFKA, MILLRACE_REDIS), or else from
/// the file that the ctest fixture leaves in the build directory. Where there
/// is neither, the calling test fails and says how to start servers; where
/// there can be no Kafka, it is skipped with the reason.
class servers {
public:
  /// A superuser's URL. Use a `scratch_database` rather than this one.
  static std::string pg_url();

  /// host:port of the broker, which may be the embedded one.
  static std::string kafka_bootstrap();

  /// host:port of a real Apache Kafka; skips the test where only the embedded
  /// broker is there (which has no transactions and no compaction).
  static std::string real_kafka_bootstrap();

  static std::string redis_url();

  static private_servers start_private(std::initializer_list<server> which) {
    return private_servers{which};
  }
};

/// `stem` made unique over processes, machines and runs, of [a-z0-9_] when the
/// stem is: fit for a topic, a schema, a database, or a Redis prefix.
std::string unique_name(std::string_view stem);

/// A database of one test's own, dropped with the object, whoever is still
/// connected. Throws std::runtime_error when PostgreSQL refuses.
class scratch_database {
public:
  /// In the shared server, or in the one that `server_url` names.
  explicit scratch_database(std::string_view stem = "test",
                            std::optional<std::string> server_url
                            = std::nullopt);
  ~scratch_database();
  scratch_database(const scratch_database&) = delete;
  scratch_database& operator=(const scratch_database&) = delete;

  const std::string& name() const noexcept {
    return name_;
  }

  const std::string& url() const noexcept {
    return url_;
  }

  /// Runs SQL over a connection of its own; several statements are one
  /// transaction. Throws with PostgreSQL's message.
  void execute(const std::string& sql) const;

  /// The first column of the first row; empty for NULL and for no row.
  std::string value(const std::string& sql) const;

  /// All rows as text; NULL is an empty string.
  std::vector<std::vector<std::string>> rows(const std::string& sql) const;

private:
  std::string server_url_;
  std::string name_;
  std::string url_;
};

} // namespace millrace::test
