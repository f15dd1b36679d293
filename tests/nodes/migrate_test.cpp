#include "tests/nodes/json.hpp"
#include "tests/nodes/process.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <format>

using namespace millrace::test;
using Catch::Matchers::ContainsSubstring;

namespace {

using words = std::vector<std::string>;

struct fixture {
  fixture() {
    write("001_orders.sql", "CREATE TABLE orders (id bigint);",
          "DROP TABLE orders;");
    write("002_notes.sql", "ALTER TABLE orders ADD COLUMN note text;",
          "ALTER TABLE orders DROP COLUMN note;");
    db.execute("CREATE SCHEMA shop");
  }

  void write(const std::string& name, const std::string& up,
             const std::string& down) const {
    folder.write(name, "-- description: d\n-- millrace:up\n" + up
                         + "\n-- millrace:down\n" + down + '\n');
  }

  outcome migrate(words args) const {
    args.insert(args.begin(), "migrate");
    args.insert(args.end(), {"--pg-env", "DB_URL", "--set", "orders", "--dir",
                             folder.path(), "--schema", "shop"});
    return run(args, {{"DB_URL", db.url()}});
  }

  scratch_database db{"cli"};
  scratch_folder folder;
};

} // namespace

TEST_CASE_METHOD(fixture, "a set of one's own is initialised, applied, taken "
                          "back and done again") {
  auto planned = migrate({"init", "--dry-run"});
  CHECK_THAT(planned.out,
             ContainsSubstring("orders in shop: would do\n")
               && ContainsSubstring("CREATE TABLE IF NOT EXISTS "
                                    "\"shop\".\"schema_migrations\" (pack"));
  CHECK(db.value("SELECT to_regclass('shop.schema_migrations') IS NULL")
        == "t");
  CHECK(migrate({"init"}).out == "orders in shop: initialised\n");
  CHECK(migrate({"init", "--dry-run"}).out
        == "orders in shop: nothing to do\n");
  CHECK_THAT(migrate({"init", "--dry-run", "--json"}).out,
             ContainsSubstring("\"sql\":[]"));
  auto to = migrate({"to", "1"});
  INFO(to.err);
  CHECK_THAT(to.out, ContainsSubstring("orders in shop: applied 1 in "));
  auto status = migrate({"status"});
  CHECK(status.code == 0);
  CHECK_THAT(status.out,
             ContainsSubstring("Total migrations: 2 | Applied: 1 | Pending: "
                               "1\n"));
  CHECK_THAT(migrate({"-cmd", "up", "-verbose"}).err,
             ContainsSubstring("shop: orders/002_notes.sql: up"));
  CHECK_THAT(migrate({"redo"}).out,
             ContainsSubstring("took back 2; applied 2 in"));
  CHECK_THAT(migrate({"down", "2"}).out, ContainsSubstring("took back 2, 1"));
  CHECK_THAT(migrate({"down"}).out, ContainsSubstring("nothing to take back"));
}

TEST_CASE("what init would do has the registration of the tenant") {
  scratch_database db{"cli"};
  auto migrate = [&](words args) {
    args.insert(args.begin(), "migrate");
    args.insert(args.end(), {"--pg-env", "DB_URL"});
    return run(args, {{"DB_URL", db.url()}});
  };
  const words init{"init", "--set", "ticks", "--tenant", "demo"};
  auto planned = init;
  planned.emplace_back("--dry-run");
  const std::string registration
    = "INSERT INTO millrace.tenant (name, schema) VALUES ('demo', "
      "'tenant_demo');";
  REQUIRE(migrate({"up"}).code == 0);
  auto x = migrate(planned);
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out, ContainsSubstring(registration));
  CHECK(db.value("SELECT count(*) FROM millrace.tenant") == "0");
  // Half of it is there.
  REQUIRE(migrate(init).code == 0);
  CHECK_THAT(migrate(planned).out, ContainsSubstring("nothing to do"));
  db.execute("DELETE FROM millrace.tenant");
  x = migrate(planned);
  CHECK_THAT(x.out,
             ContainsSubstring(registration) && !ContainsSubstring("CREATE"));
}

TEST_CASE("a pack is taken back whole, and comes again") {
  scratch_database db{"cli"};
  auto migrate = [&](words args, words of) {
    args.insert(args.begin(), "migrate");
    args.insert(args.end(), {"--pg-env", "DB_URL", "--set"});
    args.insert(args.end(), of.begin(), of.end());
    return run(args, {{"DB_URL", db.url()}});
  };
  words pack{"pme-online", "--tenant", "north"};
  // Tables, views and functions that are not the runner's.
  auto left = [&] {
    return db.value("SELECT (SELECT count(*) FROM pg_class WHERE relnamespace "
                    "= 'tenant_north'::regnamespace AND relkind IN ('r', 'p', "
                    "'v') AND relname NOT LIKE 'schema\\_%') + "
                    "(SELECT count(*) FROM pg_proc WHERE pronamespace = "
                    "'tenant_north'::regnamespace)");
  };
  REQUIRE(migrate({"up"}, {"control"}).code == 0);
  auto planned = migrate({"up", "--dry-run"}, pack);
  CHECK(planned.code == 0);
  CHECK_THAT(planned.out, ContainsSubstring("pme-online/001_tables.sql up\n")
                            && ContainsSubstring("CREATE TABLE participants"));
  CHECK(db.value("SELECT to_regnamespace('tenant_north') IS NULL OR "
                 "to_regclass('tenant_north.participants') IS NULL")
        == "t");
  CHECK_THAT(migrate({"up"}, pack).out,
             ContainsSubstring("pme-online in tenant_north: applied 1, 2, "));
  auto all = left();
  CHECK(std::stoi(all) > 11);
  CHECK_THAT(migrate({"down", "--dry-run"}, pack).out,
             ContainsSubstring("DROP "));
  CHECK(left() == all);
  auto down = migrate({"down", "100"}, pack);
  INFO(down.err);
  CHECK(down.code == 0);
  CHECK_THAT(down.out, ContainsSubstring(", 2, 1 in "));
  CHECK(left() == "0");
  CHECK(migrate({"up"}, pack).code == 0);
  CHECK(left() == all);
  CHECK_THAT(migrate({"status"}, pack).out, ContainsSubstring("Pending: 0\n"));
}

TEST_CASE_METHOD(fixture, "verify tells everything that is wrong at once") {
  REQUIRE(migrate({"up"}).code == 0);
  CHECK(migrate({"verify"}).out == "orders in shop: sound\n");
  write("001_orders.sql", "CREATE TABLE orders (id int);", "");
  write("002_again.sql", "SELECT 1;", "");
  auto x = migrate({"verify"});
  CHECK(x.code == 1);
  CHECK_THAT(x.out, ContainsSubstring("orders in shop: not sound\n")
                      && ContainsSubstring("have the same number")
                      && ContainsSubstring("001_orders.sql was changed"));
  json_document json{migrate({"verify", "--json"}).out};
  CHECK_THAT(json.text("/0/problems/0"), ContainsSubstring("same number"));
  CHECK(migrate({"status"}).code == 1);
}

TEST_CASE_METHOD(fixture, "a database that has its tables already is written "
                          "down as it is") {
  db.execute("CREATE TABLE shop.orders (id bigint)");
  auto x = migrate({"baseline", "--version", "1"});
  INFO(x.err);
  CHECK(x.code == 0);
  CHECK_THAT(migrate({"up"}).out, ContainsSubstring("applied 2 in"));
}

TEST_CASE("a tenant whose migrations fail does not stop the others") {
  scratch_database db{"cli"};
  scratch_folder folder;
  std::string tenants;
  for (auto i = 1; i <= 6; ++i)
    tenants += std::format("[[tenant]]\nname = \"t{}\"\n", i);
  auto config = folder.write("node.toml", R"toml(
[kafka]
bootstrap = "127.0.0.1:1"
[postgresql]
url = { env = "DB_URL" }
)toml" + tenants + R"toml(
[pipeline.ticks]
pack = "ticks"
topics = ["ticks"]
tenant = "header('tenant')"
)toml");
  words args{"migrate", "up", "--config", config, "--parallel", "3"};
  process::variables environment{{"DB_URL", db.url()}};
  db.execute("CREATE SCHEMA tenant_t3; CREATE TABLE tenant_t3.symbols ()");
  auto x = run(args, environment);
  INFO(x.out << x.err);
  CHECK(x.code == 1);
  CHECK_THAT(x.err, ContainsSubstring("in schema 'tenant_t3'")
                      && ContainsSubstring("ticks/001_symbols.sql"));
  for (auto i : {1, 2, 4, 5, 6})
    CHECK_THAT(x.out, ContainsSubstring(std::format(
                        "ticks in tenant_t{}: applied 1, 2 in", i)));
  db.execute("DROP TABLE tenant_t3.symbols");
  args.insert(args.end(), {"--tenant", "t3", "--json"});
  auto mended = run(args, environment);
  INFO(mended.out);
  CHECK(mended.code == 0);
  json_document all{mended.out};
  REQUIRE(all.size() == 1);
  CHECK(all.text("/0/tenant") == "t3");
}

TEST_CASE_METHOD(fixture, "a dry run tells the SQL, locks and rewrites, and "
                          "what would stop a live table") {
  REQUIRE(migrate({"to", "1"}).code == 0);
  write("002_notes.sql", "ALTER TABLE orders ALTER id TYPE text;", "");
  auto x = migrate({"up", "--dry-run"});
  INFO(x.out << x.err);
  CHECK(x.code == 0);
  CHECK_THAT(x.out,
             ContainsSubstring("orders in shop: would do\n"
                               "  orders/002_notes.sql up\n"
                               "    ALTER TABLE orders ALTER id TYPE text;\n"
                               "      orders: ACCESS EXCLUSIVE, writes all "
                               "rows anew\n"
                               "  orders/002_notes.sql:1: "
                               "type-change-rewrites: "));
  CHECK(db.value("SELECT count(*) FROM shop.schema_migrations") == "1");
  json_document json{migrate({"up", "--dry-run", "--json"}).out};
  CHECK(json.text("/0/plan/0/statements/0/effects/0/lock")
        == "ACCESS EXCLUSIVE");
  CHECK(json.text("/0/findings/0/rule") == "type-change-rewrites");
  CHECK_THAT(migrate({"verify"}).out,
             ContainsSubstring("sound\n")
               && ContainsSubstring("type-change-rewrites"));
  CHECK_THAT(migrate({"down", "--dry-run"}).out,
             ContainsSubstring("orders/001_orders.sql down"));
}
