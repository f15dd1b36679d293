#include "actors/coordinator/hand_term.hpp"
#include "tests/coordinator/migrator_fixture.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace millrace;
using namespace std::chrono_literals;

namespace {

struct term_fixture : test::migrator_fixture {
  term_fixture() {
    up(load_embedded_migrations("control").value(), {"millrace", {}});
    session.keywords = {{"dbname", db.url()}};
  }

  std::unique_ptr<hand_term> begin() const {
    auto result = hand_term::begin(session, "by hand", timing);
    REQUIRE(result);
    return std::move(*result);
  }

  std::string lease_until() const {
    return db.value("SELECT lease_until FROM millrace.coordinator");
  }

  session_config session;
  lease_timing timing = timing_for(60s);
};

} // namespace

TEST_CASE_METHOD(term_fixture,
                 "where nobody coordinates, work by hand has a term of "
                 "its own, and gives it back") {
  {
    auto term = begin();
    CHECK(term->coordinator().empty());
    CHECK(term->lease().holds());
    CHECK(check_lease(conn, term->lease().term()));
    CHECK(lease_store{conn, "two"}.look()->node == "by hand");
    CHECK_FALSE(*lease_store(conn, "two").take_over(60s));
  }
  CHECK(lease_store{conn, "two"}.take_over(60s).value());
}

TEST_CASE_METHOD(term_fixture, "a term of its own is renewed") {
  timing = timing_for(2s);
  timing.renew = 20ms;
  auto term = begin();
  auto before = lease_until();
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (lease_until() == before && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK(lease_until() != before);
}

TEST_CASE_METHOD(term_fixture, "a term of its own that somebody else ended is "
                               "over for its work") {
  timing.renew = 20ms;
  auto term = begin();
  db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1");
  auto deadline = std::chrono::steady_clock::now() + 60s;
  while (term->lease().holds() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK_FALSE(term->lease().holds());
  CHECK(check_lease(conn, term->lease().term()).error().sqlstate
        == lease_over_state);
}

TEST_CASE_METHOD(term_fixture,
                 "where a node coordinates, work by hand is bound to its "
                 "term and leaves it as it is") {
  auto nodes = lease_store{conn, "one"}.take_over(1h);
  REQUIRE(nodes.value());
  auto before = lease_until();
  {
    auto term = begin();
    CHECK(term->coordinator() == "one");
    CHECK(term->lease().term().owner == (*nodes)->owner);
    CHECK(check_lease(conn, term->lease().term()));
    db.execute("UPDATE millrace.coordinator SET epoch = epoch + 1");
    CHECK(check_lease(conn, term->lease().term()).error().sqlstate
          == lease_over_state);
  }
  CHECK(lease_until() == before);
}
