#include "actors/coordinator/server_statement.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;

namespace {

std::string act(std::string_view sql) {
  return server_act_of(split_sql(sql).value().at(0));
}

} // namespace

TEST_CASE("a statement that acts on what the whole server shares is known by "
          "its words") {
  CHECK(act("create role r login") == "CREATE ROLE");
  CHECK(act("ALTER /* r */ USER r CONNECTION LIMIT 7") == "ALTER USER");
  CHECK(act("DROP GROUP IF EXISTS r") == "DROP GROUP");
  CHECK(act("ALTER DATABASE d SET work_mem = '1GB'") == "ALTER DATABASE");
  CHECK(act("ALTER SYSTEM SET fsync = off") == "ALTER SYSTEM");
  CHECK(act("CREATE DATABASE d") == "CREATE DATABASE");
  CHECK(act("CREATE TABLESPACE s LOCATION '/x'") == "CREATE TABLESPACE");
  CHECK(act("CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p")
        == "CREATE SUBSCRIPTION");
  CHECK(act("GRANT a, b TO c WITH ADMIN OPTION") == "GRANT of a role");
  CHECK(act("REVOKE ADMIN OPTION FOR a FROM \"on\"") == "REVOKE of a role");
  CHECK(act("GRANT CREATE ON DATABASE d TO r") == "GRANT ON DATABASE");
  CHECK(act("REVOKE SET ON PARAMETER work_mem FROM r")
        == "REVOKE ON PARAMETER");
  CHECK(act("REASSIGN OWNED BY a TO b") == "REASSIGN OWNED");
  CHECK(act("DROP OWNED BY a") == "DROP OWNED");
  CHECK(act("COMMENT ON ROLE r IS 'x'") == "COMMENT ON ROLE");
  CHECK(act("SECURITY LABEL FOR p ON DATABASE d IS 'x'")
        == "SECURITY LABEL ON DATABASE");
  CHECK(act("COPY t FROM PROGRAM 'id'") == "COPY … PROGRAM");
  CHECK(act("COPY (SELECT x FROM t) TO PROGRAM 'id'") == "COPY … PROGRAM");
  CHECK(act("COPY t TO '/x'") == "COPY … TO a file");
}

TEST_CASE("what stays in its database is no act on the server") {
  for (const auto* sql :
       {"CREATE TABLE role (a int)", "ALTER TABLE t OWNER TO r",
        "CREATE USER MAPPING FOR r SERVER s",
        "DROP USER MAPPING FOR r SERVER s", "GRANT SELECT (a, b) ON t TO r",
        "REVOKE ALL ON SCHEMA s FROM r",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r",
        "COMMENT ON TABLE database IS 'ON ROLE r'", "COPY t FROM '/x'",
        "INSERT INTO t VALUES ('CREATE ROLE r')", "DROP TABLE owned",
        "ALTER SCHEMA system RENAME TO x", "SELECT 1 AS role"}) {
    INFO(sql);
    CHECK(act(sql).empty());
  }
}
