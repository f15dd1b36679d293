// Backup and restore of the trading engine's tables, as its sheet asks for
// them.

#include "tests/nodes/backup_fixture.hpp"

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// No Kafka: nothing was read from it.
struct engine_fixture {
  engine_fixture() {
    run({"db", "init", "--set", "trading-engine", "--set",
         "trading-engine-seed"});
  }

  ~engine_fixture() {
    drop_others(db);
  }

  /// What it says; must succeed.
  std::string run(std::vector<std::string> args) const {
    args.insert(args.end(), {"--config", config});
    auto x = millrace::test::run(args, {{"DB_URL", db.url()}});
    INFO(x.out << x.err);
    REQUIRE(x.code == 0);
    return x.out;
  }

  /// In the order of the sheet's 2.6.
  std::string counts() const {
    std::string result;
    for (const std::string table :
         {"users", "instruments", "accounts", "liquidity_providers",
          "sor_rules", "risk_limits", "circuit_breakers"})
      result += (result.empty() ? "" : " ")
                + db.value("SELECT count(*) FROM tenant_demo." + table);
    return result;
  }

  std::string balances() const {
    return db.value("SELECT string_agg(account_number || '=' || balance, ' ' "
                    "ORDER BY account_number) FROM tenant_demo.accounts");
  }

  int audited_updates() const {
    return std::stoi(db.value("SELECT count(*) FROM tenant_demo.audit_log "
                              "WHERE table_name = 'accounts' AND action = "
                              "'UPDATE'"));
  }

  scratch_database db{"engine"};
  scratch_folder folder;
  std::string config = folder.write("node.toml", R"toml([postgresql]
url = { env = "DB_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
topics = ["ticks"]
tenant = "'demo'"
)toml");
};

} // namespace

TEST_CASE_METHOD(engine_fixture, "trading-engine Q21: after a backup, changes "
                                 "and a restore all is as it was backed up, "
                                 "and what was before the restore is kept") {
  const std::string seeded = "4 15 4 4 4 5 3";
  REQUIRE(counts() == seeded);
  auto before = balances();
  auto backups = folder.path() + "/backups";
  run({"db", "backup", "daily", "--folder", backups});
  db.execute("UPDATE tenant_demo.accounts SET balance = balance + 1; DELETE "
             "FROM tenant_demo.circuit_breakers; DELETE FROM "
             "tenant_demo.sor_rules WHERE priority = 90");
  REQUIRE(audited_updates() == 4);
  json_document told{run({"db", "restore", "daily", "--folder", backups,
                          "--yes", "--reason", "a test", "--json"})};
  CHECK(counts() == seeded);
  CHECK(balances() == before);
  CHECK(audited_updates() == 0);
  auto old = told.text("/databases/0/old");
  CHECK(old.starts_with(db.name() + "_before_"));
  CHECK_THAT(run({"db", "restore", "--list-old"}), ContainsSubstring(old));
  db.execute("UPDATE tenant_demo.accounts SET balance = 7 WHERE id = (SELECT "
             "min(id::text)::uuid FROM tenant_demo.accounts)");
  CHECK(audited_updates() == 1);
  CHECK(db.value("SELECT new_data ->> 'balance' FROM tenant_demo.audit_log "
                 "WHERE table_name = 'accounts' AND action = 'UPDATE'")
          .starts_with("7"));
}
