#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <pqxx/pqxx>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

namespace millrace::test {

namespace {

using environment = std::map<std::string, std::string, std::less<>>;

struct outcome {
  int exit_code = -1;
  std::string output;
};

/// Runs deploy/dev-servers. Both streams are captured, since the text on
/// standard error is the reason of a failure.
outcome dev_servers(std::vector<std::string> words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw std::runtime_error{"cannot create a pipe"};
  words.insert(words.begin(), MILLRACE_DEV_SERVERS);
  std::vector<char*> argv;
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  pid_t child = -1;
  auto error = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(),
                             ::environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  outcome result;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
    result.output.append(buffer.data(), static_cast<std::size_t>(n));
  ::close(ends[0]);
  if (error != 0)
    throw std::runtime_error{"cannot run " MILLRACE_DEV_SERVERS};
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status))
    result.exit_code = WEXITSTATUS(status);
  return result;
}

std::string must(std::vector<std::string> words) {
  auto result = dev_servers(std::move(words));
  if (result.exit_code != 0)
    throw std::runtime_error{result.output};
  return result.output;
}

environment parse_lines(std::istream& lines, std::string_view prefix) {
  environment result;
  for (std::string line; std::getline(lines, line);) {
    auto equals = line.find('=');
    if (equals == std::string::npos || !line.starts_with(prefix))
      continue;
    result.emplace(line.substr(prefix.size(), equals - prefix.size()),
                   line.substr(equals + 1));
  }
  return result;
}

std::string_view name_of(server which) {
  switch (which) {
    case server::pg:
      return "pg";
    case server::kafka:
      return "kafka";
    case server::redis:
      return "redis";
  }
  return "";
}

std::string_view name_of(stop_mode how) {
  switch (how) {
    case stop_mode::fast:
      return "fast";
    case stop_mode::immediate:
      return "immediate";
    case stop_mode::kill:
      return "kill";
  }
  return "";
}

/// Empty when neither the environment nor the fixture's file has it.
std::string setting(const char* key) {
  if (const auto* value = std::getenv(key); value != nullptr)
    return value;
  std::ifstream file{MILLRACE_SERVERS_FILE};
  auto known = parse_lines(file, "");
  auto found = known.find(key);
  return found == known.end() ? std::string{} : found->second;
}

std::string needed(const char* key) {
  auto value = setting(key);
  if (value.empty())
    FAIL(key << " is not set; start servers with `deploy/dev-servers up` and "
                "`eval \"$(deploy/dev-servers env)\"`, or run the tests "
                "through ctest");
  return value;
}

/// The same server's URL with another database.
std::string with_database(const std::string& url, std::string_view name) {
  auto authority = url.find("://");
  if (authority == std::string::npos)
    throw std::runtime_error{"expected a URL: " + url};
  auto question = std::min(url.find('?', authority + 3), url.size());
  auto slash = std::min(url.find('/', authority + 3), question);
  return url.substr(0, slash) + "/" + std::string{name} + url.substr(question);
}

/// Each statement commits by itself, as CREATE DATABASE wants it.
pqxx::result run_sql(const std::string& url, const std::string& sql) {
  pqxx::connection link{url};
  pqxx::nontransaction work{link};
  return work.exec(sql);
}

} // namespace

// -- private servers ----------------------------------------------------------

private_servers::private_servers(std::initializer_list<server> which)
  : name_{unique_name("private")} {
  std::string only;
  for (auto each : which)
    only.append(only.empty() ? "" : ",").append(name_of(each));
  if (only.find("kafka") != std::string::npos)
    servers::real_kafka_bootstrap(); // skips the test where there is none
  must({"up", "--name", name_, "--only", only, "--kafka", "real", "--owner",
        std::to_string(::getpid())});
  std::istringstream lines{must({"env", "--name", name_})};
  auto known = parse_lines(lines, "export ");
  pg_url_ = known["MILLRACE_PG_URL"];
  kafka_bootstrap_ = known["MILLRACE_KAFKA"];
  redis_url_ = known["MILLRACE_REDIS"];
}

private_servers::private_servers(private_servers&& other) noexcept
  : name_{std::exchange(other.name_, {})},
    pg_url_{std::move(other.pg_url_)},
    kafka_bootstrap_{std::move(other.kafka_bootstrap_)},
    redis_url_{std::move(other.redis_url_)} {
}

private_servers::~private_servers() {
  try {
    if (!name_.empty())
      dev_servers({"down", "--name", name_});
  } catch (const std::exception&) {
    // The keeper sees the end of this process and cleans up then.
  }
}

void private_servers::stop(server which, stop_mode how) {
  must({"stop", std::string{name_of(which)}, "--name", name_, "--mode",
        std::string{name_of(how)}});
}

void private_servers::start(server which) {
  must({"start", std::string{name_of(which)}, "--name", name_});
}

void private_servers::restart(server which, stop_mode how) {
  must({"restart", std::string{name_of(which)}, "--name", name_, "--mode",
        std::string{name_of(how)}});
}

// -- shared servers -----------------------------------------------------------

std::string servers::pg_url() {
  return needed("MILLRACE_PG_URL");
}

std::string servers::kafka_bootstrap() {
  if (setting("MILLRACE_KAFKA").empty()
      && setting("MILLRACE_KAFKA_KIND") == "none")
    SKIP("no Kafka: " << setting("MILLRACE_KAFKA_WHY"));
  return needed("MILLRACE_KAFKA");
}

std::string servers::real_kafka_bootstrap() {
  if (setting("MILLRACE_KAFKA_KIND") == "embedded")
    SKIP("needs real Kafka, and only the embedded broker is here");
  return kafka_bootstrap();
}

std::string servers::redis_url() {
  return needed("MILLRACE_REDIS");
}

// -- names of one's own -------------------------------------------------------

std::string unique_name(std::string_view stem) {
  static const auto run = std::random_device{}();
  static std::atomic<unsigned> count{0};
  return std::string{stem} + "_" + std::to_string(::getpid()) + "_"
         + std::to_string(run) + "_" + std::to_string(++count);
}

scratch_database::scratch_database(std::string_view stem,
                                   std::optional<std::string> server_url)
  : server_url_{server_url ? *std::move(server_url) : servers::pg_url()},
    name_{unique_name(stem)},
    url_{with_database(server_url_, name_)} {
  run_sql(server_url_, "CREATE DATABASE " + name_);
}

scratch_database::~scratch_database() {
  try {
    run_sql(server_url_, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  } catch (const std::exception&) {
    // The server may be down on purpose, and the set ends with the tests.
  }
}

void scratch_database::execute(const std::string& sql) const {
  run_sql(url_, sql);
}

std::string scratch_database::value(const std::string& sql) const {
  auto result = run_sql(url_, sql);
  if (result.empty() || result.columns() == 0)
    return {};
  return result[0][0].c_str();
}

std::vector<std::vector<std::string>>
scratch_database::rows(const std::string& sql) const {
  auto result = run_sql(url_, sql);
  std::vector<std::vector<std::string>> table;
  for (const auto& row : result) {
    auto& line = table.emplace_back();
    for (const auto& field : row)
      line.emplace_back(field.c_str());
  }
  return table;
}

} // namespace millrace::test
