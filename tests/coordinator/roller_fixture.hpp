#pragma once

#include "actors/coordinator/partition_roller.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

namespace millrace::test {

/// A database with a lease that this process has, and a table by day.
struct roller_fixture : migrator_fixture {
  held_lease_ptr lease;
  std::atomic<bool> stop = false;
  partition_policy policy{"shop", "tickers", {}};

  roller_fixture() {
    up(load_embedded_migrations("control").value(), {"millrace", {}});
    db.execute(
      "CREATE SCHEMA shop; CREATE TABLE shop.tickers (id bigint NOT "
      "NULL, ts timestamptz NOT NULL, twice bigint GENERATED ALWAYS AS "
      "(2 * id) STORED, CHECK (id >= 0), PRIMARY KEY (id, ts)) "
      "PARTITION BY RANGE (ts); CREATE INDEX by_time ON shop.tickers "
      "(ts DESC)");
    auto term = lease_store{conn, "one"}.take_over(std::chrono::hours{1});
    REQUIRE(term);
    REQUIRE(*term);
    lease = std::make_shared<held_lease>(**term);
    lease->hold_until(held_lease::clock::now() + std::chrono::hours{1});
    policy.rules.tables = {"tickers"};
    policy.rules.ahead = std::chrono::days{3};
  }

  task_result roll(std::chrono::milliseconds lock_timeout
                   = std::chrono::milliseconds{200}) {
    auto session = open();
    return partitions_in_term({policy}, lock_timeout, "node one")(session,
                                                                  *lease, stop);
  }

  std::string children() const {
    return db.value("SELECT count(*) FROM pg_inherits WHERE inhparent = "
                    "'shop.tickers'::regclass");
  }

  std::string day(int from_now) const {
    return db.value("SELECT to_char((now() AT TIME ZONE 'UTC')::date + "
                    + std::to_string(from_now) + ", 'YYYY_MM_DD')");
  }

  bool exists(const std::string& table) const {
    return db.value("SELECT to_regclass('shop." + table + "') IS NOT NULL")
           == "t";
  }

  std::string removals() const {
    return db.value("SELECT count(*) FROM millrace.partition_removal");
  }
};

} // namespace millrace::test
