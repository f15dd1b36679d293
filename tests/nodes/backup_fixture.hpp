#pragma once

// Backups of the pipeline `notes`, and what restores leave on the server.

#include "messages/sha256.hpp"
#include "nodes/cli/db_restore.hpp"
#include "tests/nodes/lanes_fixture.hpp"

#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::test {

/// Drops what restores have made beside a database.
inline void drop_others(const scratch_database& db) {
  scratch_database other{"drop"};
  for (const auto& row :
       other.rows("SELECT format('DROP DATABASE %I WITH (FORCE)', datname) "
                  "FROM pg_database WHERE datname LIKE '"
                  + db.name() + "\\_%'"))
    other.execute(row[0]);
}

inline std::string content(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Changes a manifest and its checksum.
inline void forge(const std::string& backup, const std::string& what,
                  const std::string& by) {
  auto text = content(backup + "/manifest.json");
  auto at = text.find(what);
  REQUIRE(at != text.npos);
  text.replace(at, what.size(), by);
  std::ofstream{backup + "/manifest.json"} << text;
  std::ofstream{backup + "/manifest.sha256"} << sha256_hex(text)
                                             << "  manifest.json\n";
}

/// Runs `work` in a process of its own that is killed when it is told of the
/// step; false when it ended, or was not told.
inline bool killed_at(
  std::string_view step, const process::variables& environment,
  const std::function<int(std::function<void(std::string_view)>)>& work) {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const auto& [name, value] : environment)
      ::setenv(name.c_str(), value.c_str(), 1);
    // Nothing of the parent's may end with this process.
    ::_exit(work([step](std::string_view at) {
      if (at == step)
        ::raise(SIGKILL);
    }));
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/// Runs `work` in a process of its own that gets SIGINT when it is told of the
/// step, and goes on once it has taken it. What it writes is in `said`. Its
/// exit code, or -1 when it was killed.
inline int interrupted_at(
  std::string_view step, const process::variables& environment,
  const std::string& said,
  const std::function<int(std::function<void(std::string_view)>)>& work) {
  auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const auto& [name, value] : environment)
      ::setenv(name.c_str(), value.c_str(), 1);
    auto file = ::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    auto code = work([step](std::string_view at) {
      if (at != step)
        return;
      // To the process: the thread that waits for it takes it.
      ::kill(::getpid(), SIGINT);
      sigset_t waiting;
      do
        ::sigpending(&waiting);
      while (::sigismember(&waiting, SIGINT) == 1);
    });
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct backup_fixture : lanes_fixture {
  explicit backup_fixture(std::string brokers = servers::kafka_bootstrap())
    : lanes_fixture{std::move(brokers)} {
    folder_of_backups = folder.path() + "/backups";
  }

  ~backup_fixture() override {
    drop_others(db);
  }

  /// `db backup daily`.
  outcome back_up(const std::string& name = "daily") const {
    return run({"db", "backup", name, "--folder", folder_of_backups, "--json"});
  }

  outcome restore(std::vector<std::string> more = {},
                  const std::string& name = "daily") const {
    std::vector<std::string> args{"db",       "restore",
                                  "--folder", folder_of_backups,
                                  "--yes",    "--reason",
                                  "a test"};
    if (!name.empty())
      args.push_back(name);
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }

  /// Databases beside this one that restores have made.
  std::string others() const {
    scratch_database any{"any"};
    return any.value("SELECT string_agg(substr(datname, "
                     + std::to_string(db.name().size() + 1)
                     + "), ' ' ORDER BY datname) FROM pg_database WHERE "
                       "datname LIKE '"
                     + db.name() + "\\_%'");
  }

  /// A folder for --pg-bin with PostgreSQL's programs, of which the one of that
  /// name runs `script` where it is not asked for its version; `$real` is it.
  std::string programs(std::string_view name, std::string_view script) const {
    auto bin = folder.path() + "/bin";
    std::filesystem::create_directories(bin);
    for (std::string_view x : {"pg_dump", "pg_restore"}) {
      auto file = bin + '/' + std::string{x};
      std::ofstream{file} << std::format(
        "#!/bin/sh\nreal=$(ls /usr/lib/postgresql/*/bin/{} | sort -V | tail "
        "-1)\n[ \"$1\" = --version ] && exec \"$real\" --version\n{}\nexec "
        "\"$real\" \"$@\"\n",
        x, x == name ? script : "");
      std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    }
    return bin;
  }

  static std::string lines(int from, int to) {
    std::string result;
    for (auto i = from; i < to; ++i)
      result += std::format("{{\"id\":{},\"v\":\"x\"}}\n", i);
    return result;
  }

  /// "ids:rows:offsets": all the same when each event was written once.
  static constexpr auto counts
    = "SELECT count(DISTINCT id) || ':' || count(*) || ':' || count(DISTINCT "
      "at) FROM tenant_north.notes";

  std::string folder_of_backups;
};

} // namespace millrace::test
