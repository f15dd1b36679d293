#pragma once

#include "actors/coordinator/migrator.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <stdexcept>

namespace millrace::test {

/// A database of the test's own, and a session as migrators want it.
struct migrator_fixture {
  scratch_database db{"migrate"};
  connection conn = open();

  connection open() const {
    session_config config;
    config.keywords = {{"dbname", db.url()}};
    config.statement_timeout = config.transaction_timeout
      = std::chrono::milliseconds{0};
    auto result = connection::open(config);
    if (!result)
      throw std::runtime_error(result.error().message);
    return std::move(*result);
  }

  migration_report run(const migration_set& set, const migration_target& to,
                       const migration_goal& goal) {
    auto result = migrator{conn}.run(set, to, goal);
    INFO(result.error_or(std::string{}));
    REQUIRE(result);
    return *result;
  }

  migration_report up(const migration_set& set, const migration_target& to) {
    return run(set, to, migrate_up{});
  }
};

} // namespace millrace::test
