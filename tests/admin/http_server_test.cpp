#include "actors/admin/http_server.hpp"
#include "actors/cluster/log.hpp"
#include "tests/admin/raw_http.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <chrono>
#include <stdexcept>

using namespace millrace;
using namespace millrace::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

struct fixture {
  fixture() {
    log::setup({.level = log::level::off});
    server.get("/hello", [](const http_request& x) {
      auto who = x.query.find("who");
      return http_response{.body = who == x.query.end() ? "nobody"
                                                        : who->second};
    });
    server.get("/bad", [](const http_request&) -> http_response {
      throw std::runtime_error{"secret detail"};
    });
    server.start();
  }

  http_server server{http_config{.timeout = 300ms}};
};

} // namespace

TEST_CASE_METHOD(fixture, "a page answers with its query decoded") {
  CHECK(get(server.port(), "/hello").body == "nobody");
  auto answer = get(server.port(), "/hello?who=a%20b%2Fc&who=d");
  CHECK(answer.status == 200);
  CHECK(answer.body == "a b/c");
  CHECK_THAT(answer.head, ContainsSubstring("no-store"));
}

TEST_CASE_METHOD(fixture, "HEAD answers without a body") {
  auto answer = send_raw(server.port(),
                         "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.body.empty());
}

TEST_CASE_METHOD(fixture, "what is not there is a 404") {
  CHECK(get(server.port(), "/nowhere").status == 404);
}

TEST_CASE_METHOD(fixture, "methods that change something are refused") {
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    auto answer = send_raw(server.port(),
                           std::string{method}
                             + " /hello HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 0\r\n\r\n");
    CHECK(answer.status == 405);
    CHECK_THAT(answer.head, ContainsSubstring("Allow: GET, HEAD"));
  }
}

TEST_CASE_METHOD(fixture, "a page that throws tells the log, not the world") {
  auto answer = get(server.port(), "/bad");
  CHECK(answer.status == 500);
  CHECK_THAT(answer.body, !ContainsSubstring("secret"));
}

TEST_CASE_METHOD(fixture, "a foreign Host header is refused on loopback") {
  CHECK(get(server.port(), "/hello", "evil.example").status == 403);
  CHECK(get(server.port(), "/hello", "127.0.0.1.evil.example").status == 403);
  CHECK(get(server.port(), "/hello", "localhost.evil.example:80").status
        == 403);
  CHECK(get(server.port(), "/hello", "localhost:1234").status == 200);
  CHECK(get(server.port(), "/hello", "[::1]:1234").status == 200);
}

TEST_CASE_METHOD(fixture, "huge headers and garbage do not stop the server") {
  std::string huge(100'000, 'x');
  CHECK(get(server.port(), "/hello?" + huge).status != 200);
  CHECK(send_raw(server.port(), "GET /hello HTTP/1.1\r\nHost: localhost\r\n"
                                "X: "
                                  + huge + "\r\n\r\n")
          .status
        != 200);
  CHECK(send_raw(server.port(), std::string(1'000, '\0')).status != 200);
  CHECK(send_raw(server.port(), "\r\n\r\n\r\n").status != 200);
  CHECK(get(server.port(), "/hello").status == 200);
}

TEST_CASE_METHOD(fixture, "a client that sends half a request is cut off") {
  auto before = std::chrono::steady_clock::now();
  auto answer = send_raw(server.port(), "GET /hello HTT");
  CHECK(answer.status != 200);
  CHECK(std::chrono::steady_clock::now() - before < 3s);
}

TEST_CASE_METHOD(fixture, "a taken port is an error that says so") {
  http_server second{http_config{.port = server.port()}};
  CHECK_THROWS_MATCHES(second.start(), std::runtime_error,
                       MessageMatches(ContainsSubstring("the port is taken")));
}

TEST_CASE_METHOD(fixture, "stopping twice is stopping once") {
  server.stop();
  server.stop();
  CHECK_THROWS(get(server.port(), "/hello"));
}

TEST_CASE("all interfaces are refused unless allowed on purpose") {
  http_server open{http_config{.host = "0.0.0.0"}};
  CHECK_THROWS_MATCHES(open.start(), std::runtime_error,
                       MessageMatches(ContainsSubstring("refusing")));
  http_server meant{http_config{.host = "0.0.0.0", .allow_remote = true}};
  meant.get("/x", [](const http_request&) { return http_response{}; });
  CHECK_NOTHROW(meant.start());
  // Behind an open address the Host header says nothing.
  CHECK(get(meant.port(), "/x", "node7.cluster").status == 200);
}
