// The encoders against PostgreSQL itself: a row that we encode must be the
// row that PostgreSQL makes of the same text.

#include "tests/decode/one_column.hpp"
#include "tests/support/dev_servers.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <libpq-fe.h>

using namespace millrace;
using namespace millrace::test;

namespace {

struct closer {
  void operator()(PGconn* x) const {
    PQfinish(x);
  }
};

/// Sends tuples to a COPY in binary; what PostgreSQL says, empty when good.
std::string copy_in(const scratch_database& database, const std::string& sql,
                    std::string_view tuples) {
  std::unique_ptr<PGconn, closer> connection{
    PQconnectdb(database.url().c_str())};
  PQclear(PQexec(connection.get(), sql.c_str()));
  using namespace std::string_literals;
  auto head = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"s;
  auto all = head + std::string{tuples} + "\377\377";
  PQputCopyData(connection.get(), all.data(), static_cast<int>(all.size()));
  PQputCopyEnd(connection.get(), nullptr);
  auto result = PQgetResult(connection.get());
  std::string message = PQresultStatus(result) == PGRES_COMMAND_OK
                          ? ""
                          : PQresultErrorMessage(result);
  PQclear(result);
  return message;
}

struct checked {
  std::size_t written = 0;
  std::size_t rejected = 0;

  /// Texts that PostgreSQL reads in another way than we do.
  std::vector<std::string> different;
};

/// Loads each text into a column of the type by our encoder, and compares
/// with what PostgreSQL's own input makes of it. A text that we reject may
/// still be good for PostgreSQL: ours is stricter.
checked compare(const scratch_database& database, const std::string& type,
                const column_schema& target,
                const std::vector<std::string>& texts) {
  database.execute("DROP TABLE IF EXISTS t; CREATE TABLE t (src text, v " + type
                   + ')');
  table_schema table{"public", "t", {column("src", "text", 25), target}, {}};
  decoder decode{
    compiled(pipeline("t", {{"src", ".s"}, {target.name, ".s"}}), {table})};
  memory_sink sink;
  for (const auto& text : texts) {
    auto payload = std::format("{{\"s\":\"{}\"}}", text);
    record_view record;
    record.value = payload;
    decode.decode(record, sink);
  }
  checked result;
  auto& batch = sink.of("demo");
  const auto& block = batch.blocks.at(0);
  result.written = block.rows();
  result.rejected = batch.rejects.size();
  auto said = copy_in(database, "COPY t FROM STDIN (FORMAT binary)",
                      {reinterpret_cast<const char*>(block.bytes.data()),
                       block.bytes.size()});
  if (!said.empty())
    throw std::runtime_error(said);
  for (const auto& row : database.rows("SELECT src, v::text, src::" + type
                                       + "::text FROM t "
                                         "WHERE v::text IS DISTINCT FROM src::"
                                       + type + "::text LIMIT 5"))
    result.different.push_back(
      std::format("{}: ours {}, PostgreSQL's {}", row[0], row[1], row[2]));
  return result;
}

} // namespace

TEST_CASE("random fractions of a second are PostgreSQL's to the microsecond") {
  scratch_database database{"decode"};
  database.execute("ALTER DATABASE " + database.name()
                   + " SET timezone = 'UTC'");
  std::mt19937_64 random{42};
  std::vector<std::string> texts;
  for (int i = 0; i < 20'000; ++i) {
    std::string fraction;
    for (auto n = 1 + random() % (i % 10 ? 9 : 30); n > 0; --n)
      fraction += static_cast<char>('0' + random() % 10);
    // Half of them end in a tie.
    if (i % 2 && fraction.size() >= 6)
      fraction = fraction.substr(0, 6) + '5';
    texts.push_back(
      std::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{}{}{:02}:{:02}",
                  1 + random() % 9999, 1 + random() % 12, 1 + random() % 28,
                  random() % 24, random() % 60, random() % 61, fraction,
                  random() % 2 ? '+' : '-', random() % 16, random() % 60));
  }
  auto result = compare(database, "timestamptz",
                        column("v", "timestamp with time zone", 1184), texts);
  // Second 60 at the end of a day with a fraction does not exist.
  CHECK(result.written > 19'990);
  CHECK(result.different == std::vector<std::string>{});
}

TEST_CASE("odd times are PostgreSQL's, or rejects") {
  scratch_database database{"decode"};
  auto result = compare(
    database, "timestamptz", column("v", "timestamp with time zone", 1184),
    {"2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01T12:00:60.5Z",
     "2026-01-01 12:00+05", "2026-01-01T12:00:00+0530",
     "2026-01-01T12:00:00+05:30:15", "2026-01-01T12:00:00-15:59:59",
     "294276-12-31T23:59:59.999999Z", "294276-12-31T23:59:59.9999994Z",
     "0001-01-01T00:00:00Z", "12026-01-01T00:00:00Z",
     "2026-01-01T00:00:00.9999995Z", "2026-01-01t00:00:00z"});
  CHECK(result.rejected == 0);
  CHECK(result.different == std::vector<std::string>{});
}

TEST_CASE("random decimals are PostgreSQL's in every kind of numeric") {
  scratch_database database{"decode"};
  std::mt19937_64 random{43};
  auto digits = [&](std::size_t most) {
    std::string out;
    for (auto n = random() % (most + 1); n > 0; --n)
      out += static_cast<char>('0' + (random() % 4 ? random() % 10 : 9));
    return out;
  };
  std::vector<std::string> texts;
  for (int i = 0; i < 10'000; ++i) {
    auto text = (random() % 3 ? "" : "-") + digits(12) + '.' + digits(14);
    if (text.find_first_of("0123456789") == text.npos)
      text += '0';
    if (random() % 3 == 0)
      text += std::format("e{}", static_cast<int>(random() % 40) - 20);
    texts.push_back(text);
  }
  for (auto [precision, scale] :
       {std::pair{0, 0}, {20, 8}, {12, 2}, {6, 0}, {5, -2}, {3, 5}}) {
    auto type = precision ? std::format("numeric({},{})", precision, scale)
                          : std::string{"numeric"};
    INFO(type);
    auto result
      = compare(database, type,
                column("v", "numeric", 1700, true,
                       precision ? numeric_typmod(precision, scale) : -1),
                texts);
    CHECK(result.written > 100);
    CHECK(result.different == std::vector<std::string>{});
  }
}

TEST_CASE("the other types are PostgreSQL's too") {
  scratch_database database{"decode"};
  struct example {
    std::string type;
    column_schema target;
    std::vector<std::string> texts;
  };
  for (const auto& x : std::vector<example>{
         {"bigint",
          column("v", "bigint", 20),
          {"-9223372036854775808", "9223372036854775807", "0", "-1"}},
         {"integer", column("v", "integer", 23), {"-2147483648", "7"}},
         {"smallint", column("v", "smallint", 21), {"-32768", "32767"}},
         {"real", column("v", "real", 700), {"0.1", "1e38", "NaN", "1e-45"}},
         {"float8",
          column("v", "double precision", 701),
          {"0.1", "1.7976931348623157e308", "-Infinity", "5e-324", "-0"}},
         {"boolean", column("v", "boolean", 16), {"true", "false"}},
         {"varchar(3)",
          column("v", "character varying", 1043, true, 7),
          {"abc", "ab   ", "€€€", ""}},
         {"char(5)", column("v", "character", 1042, true, 9), {"ab", ""}},
         {"date",
          column("v", "date", 1082),
          {"2024-02-29", "0001-01-01", "1999-12-31", "9999-12-31"}},
         {"uuid",
          column("v", "uuid", 2950),
          {"00112233-4455-6677-8899-AABBCCDDEEFF"}},
         {"timestamp(3)",
          column("v", "timestamp without time zone", 1114, true, 3),
          {"2026-01-01T00:00:00.0005", "1999-12-31 23:59:59.9995"}},
         {"bytea", column("v", "bytea", 17), {R"(\\x00ff)"}},
       }) {
    INFO(x.type);
    auto result = compare(database, x.type, x.target, x.texts);
    CHECK(result.rejected == 0);
    CHECK(result.different == std::vector<std::string>{});
  }
}

TEST_CASE("json, arrays and enums arrive as PostgreSQL would read them") {
  scratch_database database{"decode"};
  database.execute("CREATE TYPE mood AS ENUM ('sad', 'happy');"
                   "CREATE TABLE t (j json, b jsonb, i bigint[], x text[], "
                   "n numeric(10,2)[], e mood)");
  auto mood = column("e", "mood", 99'999);
  mood.type_kind = 'e';
  table_schema table{
    "public",
    "t",
    {column("j", "json", 114), column("b", "jsonb", 3802),
     column("i", "bigint[]", 1016), column("x", "text[]", 1009),
     column("n", "numeric[]", 1231, true, numeric_typmod(10, 2)), mood},
    {}};
  decoder decode{compiled(pipeline("t", {{"j", "@payload"},
                                         {"b", "@payload"},
                                         {"i", ".i"},
                                         {"x", ".x"},
                                         {"n", ".n"},
                                         {"e", ".e"}}),
                          {table})};
  memory_sink sink;
  std::string payload
    = R"({"i":[1,null,-3],"x":["a\"b","",null],"n":[1.005,2],"e":"happy"})";
  record_view record;
  record.value = payload;
  REQUIRE(decode.decode(record, sink) == outcome::written);
  record.value = R"({"i":[],"e":null})";
  REQUIRE(decode.decode(record, sink) == outcome::written);
  const auto& block = sink.of("demo").blocks.at(0);
  CHECK(copy_in(database, "COPY t FROM STDIN (FORMAT binary)",
                {reinterpret_cast<const char*>(block.bytes.data()),
                 block.bytes.size()})
          .empty());
  CHECK(database.rows("SELECT j, b = j::jsonb, i, x, n, e FROM t")
        == std::vector<std::vector<std::string>>{
          {payload, "t", "{1,NULL,-3}", R"({"a\"b","",NULL})", "{1.01,2.00}",
           "happy"},
          {R"({"i":[],"e":null})", "t", "{}", "", "", ""}});
}
