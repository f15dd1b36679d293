#include "config/values.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace millrace;
using namespace std::chrono_literals;

TEST_CASE("a duration is a whole number and a unit") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("5s") == 5s);
  CHECK(parse_duration("2m") == 2min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("90d") == 90 * 24h);
  CHECK(parse_duration("0ms") == 0ms);
  for (auto text :
       {"", "5", "s", "5 s", "-5s", "1.5s", "5S", "5sec", "5ss", "+5s", "0x5s",
        "5D", "9223372036854775807h", "99999999999999999999s"})
    CHECK(parse_duration(text) == std::nullopt);
}

TEST_CASE("a size is a whole number and a unit") {
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("64KB") == 64'000);
  CHECK(parse_size("64KiB") == 65'536);
  CHECK(parse_size("1MiB") == 1'048'576);
  CHECK(parse_size("3GB") == 3'000'000'000);
  CHECK(parse_size("2GiB") == 2'147'483'648);
  for (auto text : {"", "1", "1M", "1mb", "1 MiB", "-1B", "1.5MiB", "1TiB",
                    "9223372036854775807KiB"})
    CHECK(parse_size(text) == std::nullopt);
}

TEST_CASE("durations and sizes are shown in the largest unit that fits") {
  CHECK(format_duration(250ms) == "250ms");
  CHECK(format_duration(60s) == "1m");
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(0ms) == "0ms");
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1'048'576) == "1MiB");
  CHECK(format_size(64'000) == "64KB");
  CHECK(format_size(1'000'001) == "1000001B");
}

TEST_CASE("every duration and size is read back as it was shown") {
  for (int64_t x = 1; x > 0 && x < (int64_t{1} << 60); x = x * 3 + 1) {
    CHECK(parse_duration(format_duration(std::chrono::milliseconds{x}))
          == std::chrono::milliseconds{x});
    CHECK(parse_size(format_size(x)) == x);
  }
}

TEST_CASE("what could move a cursor is escaped") {
  CHECK(in_quotes("a\"b") == "\"a\\\"b\"");
  CHECK(in_quotes("\x1B[2J\r\n\x7F") == "\"\\x1B[2J\\x0D\\x0A\\x7F\"");
  CHECK(in_quotes("\u202Eabc\u2066\u200B\u0085")
        == "\"\\xE2\\x80\\xAEabc\\xE2\\x81\\xA6\\xE2\\x80\\x8B\\xC2\\x85\"");
  CHECK(in_quotes("Zürich…") == "\"Zürich…\"");
}

TEST_CASE("a long text is cut between two characters") {
  CHECK(in_quotes(std::string(60, 'x')) == "\"" + std::string(60, 'x') + "\"");
  CHECK(in_quotes(std::string(61, 'x')) == "\"" + std::string(60, 'x') + "…\"");
  CHECK(in_quotes(std::string(59, 'x') + "ü!")
        == "\"" + std::string(59, 'x') + "…\"");
}

TEST_CASE("the closest word is found, a far one is not") {
  std::vector<std::string> words{"host", "port", "password", "url"};
  CHECK(closest("hots", words) == "host");
  CHECK(closest("pasword", words) == "password");
  CHECK(closest("Port", words) == "port");
  CHECK(closest("banana", words) == std::nullopt);
  CHECK(closest("x", words) == std::nullopt);
  CHECK(closest("", words) == std::nullopt);
}

TEST_CASE("a name begins with a letter and has at most 41 characters") {
  CHECK(is_name("a"));
  CHECK(is_name("a_9"));
  CHECK(is_name("a" + std::string(40, '0')));
  CHECK_FALSE(is_name("a" + std::string(41, '0')));
  for (auto text : {"", "9a", "_a", "A", "a-b", "a.b", "é"})
    CHECK_FALSE(is_name(text));
}

TEST_CASE("a tenant's schema is never one of the system's") {
  CHECK(is_schema("tenant_demo"));
  CHECK(is_schema("a" + std::string(47, '0')));
  CHECK_FALSE(is_schema("a" + std::string(48, '0')));
  for (auto text : {"pg_catalog", "pg_x", "millrace", "information_schema"})
    CHECK_FALSE(is_schema(text));
}

TEST_CASE("only loopback addresses are loopback addresses") {
  for (auto text : {"127.0.0.1", "127.1.2.3", "::1", "localhost"})
    CHECK(is_loopback(text));
  for (auto text : {"0.0.0.0", "::", "", "127.0.0.1.evil.org", "127.0.0.256",
                    "127.1", "10.0.0.1", "127.0.0.-1", "localhost.org"})
    CHECK_FALSE(is_loopback(text));
}

TEST_CASE("brokers are hosts with ports") {
  for (auto text : {"a:9092", "a", "a.b-c:1,d_e:65535", "[::1]:9092", "[::1]"})
    CHECK(is_bootstrap(text));
  for (auto text : {"", ":9092", "a:", "a:0", "a:65536", "a:x", "a,,b", "a b",
                    "::1:9092", "[]:1", "[::1]9092", "a:1,", "kafka://a:1"})
    CHECK_FALSE(is_bootstrap(text));
}

TEST_CASE("a topic has a name that Kafka takes") {
  CHECK(is_topic("orders.v1-x_y"));
  CHECK(is_topic(std::string(249, 'a')));
  for (auto text : {"", ".", "..", "a b", "a/b", "ü"})
    CHECK_FALSE(is_topic(text));
  CHECK_FALSE(is_topic(std::string(250, 'a')));
}

TEST_CASE("a password in a URL is found wherever libpq looks for one") {
  for (auto url :
       {"postgresql://u:p@h/d", "postgresql://:p@h/d",
        "postgresql://h/d?password=p", "postgresql://h/d?a=b&password=p",
        "postgresql://h/d?sslpassword=p", "postgresql://h/d?p%61ssword=p",
        "postgresql://u:p?q@h/d", "redis://:p@h:1"})
    CHECK(has_password(url));
  for (auto url : {"postgresql://h/d", "postgresql://u@h:5432/d",
                   "postgresql:///d", "postgresql://h:5432/d?x=a:b",
                   "postgresql://[::1]:5432/d", "", "redis://h:1"})
    CHECK_FALSE(has_password(url));
}

TEST_CASE("a PostgreSQL URL has ports that are numbers") {
  for (auto url : {"postgresql://h/d", "postgres://u@h:5432,i:5433/d",
                   "postgresql:///d?host=/run/postgresql",
                   "postgresql://%2Frun/d", "postgresql://[::1]:5432/d"})
    CHECK(is_postgresql_url(url));
  for (auto url : {"", "h", "mysql://h/d", "host=h dbname=d",
                   "postgresql://u:pa/ss@h/d", "postgresql://h:x/d"})
    CHECK_FALSE(is_postgresql_url(url));
}
