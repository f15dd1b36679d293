// Every case of bad_inputs.txt through real Kafka, one node and PostgreSQL.

#include "actors/decode/header_bytes.hpp"
#include "actors/source/kafka_client.hpp"
#include "actors/source/kafka_producer.hpp"
#include "tests/nodes/bad_input_table.hpp"
#include "tests/nodes/bad_input_text.hpp"
#include "tests/nodes/node_fixture.hpp"
#include "tests/source/kafka_must.hpp"

#include <algorithm>
#include <format>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

using namespace millrace;
using namespace millrace::test;

namespace {

/// Topic (without the beginning of its name), partition, offset.
using place = std::tuple<std::string, int32_t, int64_t>;

using row = std::map<std::string, std::string>;

std::string text_of(const std::string& file) {
  std::ifstream in{MILLRACE_SOURCE_DIR "/tests/nodes/" + file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void replace_all(std::string& text, std::string_view what,
                 std::string_view by) {
  for (std::size_t i = 0; (i = text.find(what, i)) != text.npos; i += by.size())
    text.replace(i, what.size(), by);
}

/// A reason as the table has it.
std::string joined(const std::vector<std::string>& parts) {
  std::string result;
  for (const auto& x : parts)
    result += (result.empty() ? "" : "~*") + x;
  return result;
}

constexpr int32_t typed_partitions = 4;
constexpr int ends_per_partition = 16;

/// Partitions of `typed` for records that stand in special places.
partition partition_of(bad_place x) {
  return {static_cast<int32_t>(x)};
}

class laboratory : public node_fixture {
public:
  static inline const std::vector<std::string> topics{"typed", "state", "field",
                                                      "large"};

  // As much of an injection as Kafka lets a topic's name be.
  laboratory() : node_fixture{"bad", servers::real_kafka_bootstrap()} {
    topic += "--or.1-1";
    db.execute("CREATE TYPE public.mood AS ENUM ('sad', 'happy')");
    for (auto tenant : {"north", "south"})
      db.execute(std::format("CREATE SCHEMA tenant_{0}; SET search_path = "
                             "tenant_{0}; {1}",
                             tenant, text_of("bad_inputs.sql")));
    db.execute("ALTER DATABASE " + db.name() + " SET timezone = 'UTC'");
    auto text = text_of("bad_inputs.toml");
    replace_all(text, "TOPIC", topic);
    replace_all(text, "BOOTSTRAP", brokers_);
    config = folder.write("node.toml", text);
    auto client = must(kafka_client::open({{"bootstrap.servers", brokers_}}));
    for (const auto& x : topics)
      must(client.create_topic(
        name_of(x), x == "typed" ? typed_partitions : 1,
        {{"max.message.bytes", "8388608"},
         {"message.timestamp.before.max.ms", "9223372036854775807"},
         {"message.timestamp.after.max.ms", "9223372036854775807"}},
        20s));
  }

  ~laboratory() override {
    producers_.clear();
    if (auto client = kafka_client::open({{"bootstrap.servers", brokers_}}))
      for (const auto& x : topics)
        static_cast<void>(client->delete_topic(name_of(x), 20s));
  }

  process::variables environment() const override {
    return {{"DB_URL", db.url()}};
  }

  std::string name_of(const std::string& x) const {
    return topic + '.' + x;
  }

  // -- sending ----------------------------------------------------------------

  /// One record, and where it will be.
  place send(const std::string& to, const std::string& codec,
             const outgoing_record& record) {
    auto now = std::pair{to, codec};
    if (last_ && *last_ != now)
      must(producers_.at(*last_).flush(60s));
    last_ = now;
    auto i = producers_.find(now);
    if (i == producers_.end()) {
      auto opened
        = must(kafka_producer::open({{"bootstrap.servers", brokers_},
                                     {"compression.codec", codec},
                                     {"message.max.bytes", "300000000"},
                                     {"queue.buffering.max.kbytes", "600000"}},
                                    name_of(to)));
      i = producers_.emplace(now, std::move(opened)).first;
    }
    must(i->second.send(record, 60s));
    auto where = *record.where;
    return {to, where.value, next_[{to, where.value}]++};
  }

  /// A record that nothing is wrong with, beside those of a case: of the same
  /// key, hence of the same lane.
  void send_good(const bad_input& beside) {
    auto n = static_cast<int64_t>(good_.size()) + 1;
    auto is_state = beside.topic == "state";
    auto key = std::format("good {}", n);
    auto value = is_state
                   ? std::format(R"({{"version":{},"v":"good"}})", n)
                   : std::format(R"({{"tenant":"north","i8":{},"txt":"good"}})",
                                 n);
    auto at = send(beside.topic, beside.codec,
                   {.key = is_state ? key : beside.key,
                    .value = value,
                    .headers = {},
                    .timestamp_ms = {},
                    .where = partition_of(beside.place)});
    good_.emplace(at, n);
  }

  void send_case(const bad_input& x) {
    // Alone, first and last are what the place says.
    if (x.place == bad_place::middle || x.place == bad_place::last)
      send_good(x);
    place at;
    for (const auto& value : x.values) {
      at = send(x.topic, x.codec,
                {.key = x.key,
                 .value = value,
                 .headers = x.headers,
                 .timestamp_ms = x.timestamp_ms,
                 .where = partition_of(x.place)});
      sent_.insert(at);
    }
    if (x.place == bad_place::middle || x.place == bad_place::first)
      send_good(x);
    REQUIRE(places_.emplace(at, &x).second);
    cases_.emplace_back(at, &x);
  }

  /// Behind everything else of each lane, so that all of it is settled once
  /// these are there.
  void send_ends() {
    std::pair<std::string, std::string> of_north[]{{"type", "end"}};
    std::pair<std::string, std::string> of_south[]{{"type", "end"},
                                                   {"tenant", "south"}};
    std::pair<std::string, std::string> of_nobody[]{{"tenant", "the end"}};
    for (const auto& to : topics)
      for (int32_t p = 0; p < (to == "typed" ? 2 : 1); ++p) {
        auto end = [&](auto& headers, const std::string& key,
                       const std::string& value) {
          send(to, "none",
               {.key = key,
                .value = value,
                .headers = headers,
                .timestamp_ms = {},
                .where = partition{p}});
        };
        for (int i = 0; i < ends_per_partition; ++i) {
          auto key = std::format("end {}", i);
          end(of_north, key, R"({"tenant":"north"})");
          ++ends_;
          if (to == "typed" || to == "field") {
            end(of_south, key, R"({"tenant":"south"})");
            ++ends_;
          }
        }
        if (to == "typed" || to == "field") {
          end(of_nobody, "end", R"({"tenant":"the end"})");
          ++unrouted_ends_;
        }
      }
    must(producers_.at(*last_).flush(60s));
  }

  void wait_for_ends() const {
    auto apart = std::ranges::count_if(cases_, [](const auto& x) {
      return x.second->place == bad_place::last
             || x.second->place == bad_place::only;
    });
    await(db,
          std::format("SELECT (SELECT count(*) FROM tenant_north.ends) + "
                      "(SELECT count(*) FROM tenant_south.ends), "
                      "'.' FROM (SELECT 1) x WHERE (SELECT count(*) FROM "
                      "millrace.dead_letter WHERE reason LIKE '%\"the end\"%') "
                      "= {} AND (SELECT count(*) FROM millrace.dead_letter "
                      "WHERE topic_name = '{}' AND partition > 1) = {}",
                      unrouted_ends_, name_of("typed"), apart),
          std::to_string(ends_));
  }

  // -- looking ----------------------------------------------------------------

  /// All rows of a topic's table by where they came from, without what is
  /// NULL.
  std::map<place, row> rows(const std::string& of) const {
    auto columns = db.rows(
      std::format("SELECT attname FROM pg_attribute WHERE attrelid = "
                  "'tenant_north.{}'::regclass AND attnum > 0 ORDER BY attnum",
                  of));
    std::string list;
    for (const auto& x : columns)
      list += std::format("{}coalesce({}::text, '<null>')",
                          list.empty() ? "" : ", ", x[0]);
    std::map<place, row> result;
    for (const auto& x :
         db.rows(std::format("SELECT {} FROM tenant_north.{}", list, of))) {
      auto [at, is_first]
        = result.try_emplace({of, std::stoi(x[0]), std::stoll(x[1])});
      CHECK(is_first);
      auto& to = at->second;
      for (std::size_t i = 2; i < columns.size(); ++i)
        if (x[i] != "<null>")
          to[columns[i][0]] = x[i];
    }
    return result;
  }

  /// Columns of a dead letter as text.
  std::map<place, row> letters() const {
    std::map<place, row> result;
    for (const auto& x : db.rows(
           "SELECT topic_name, partition, \"offset\", tenant, stage, sqlstate, "
           "reason, coalesce(encode(key, 'hex'), 'null'), encode(headers, "
           "'hex'), coalesce(encode(value, 'hex'), 'null'), value_bytes, "
           "encode(value_sha256, 'hex') FROM millrace.dead_letter"))
      result[{x[0].substr(topic.size() + 1), std::stoi(x[1]), std::stoll(x[2])}]
        = {{"tenant", x[3]}, {"stage", x[4]},  {"sqlstate", x[5]},
           {"reason", x[6]}, {"key", x[7]},    {"headers", x[8]},
           {"value", x[9]},  {"bytes", x[10]}, {"sha256", x[11]}};
    return result;
  }

  /// What the dead letter of a case must hold.
  static row letter_of(const bad_input& x) {
    std::string headers;
    for (const auto& [name, value] : x.headers)
      append_header(headers, {name, value});
    auto value = x.values.back();
    row result{{"tenant",
                x.outcome == bad_outcome::unrouted ? "_unrouted" : "north"},
               {"stage", x.stage},
               {"sqlstate", x.sqlstate},
               {"reason", joined(x.reason)},
               {"key", hex_or_null(x.key)},
               {"headers", hex_of(headers)},
               {"bytes", ""},
               {"sha256", x.sha256}};
    if (!x.sha256.empty()) {
      result["bytes"] = std::to_string(value->size());
      value->resize(std::min<std::size_t>(value->size(), 65'536));
    }
    result["value"] = hex_or_null(value);
    return result;
  }

  void check_cases() const {
    std::map<place, row> found;
    for (const auto* x : {"typed", "field", "large"})
      found.merge(rows(x));
    auto refused = letters();
    for (const auto& [at, x] : cases_) {
      INFO("line " << x->line << ": " << x->name);
      auto written = found.find(at);
      auto letter = refused.find(at);
      if (x->outcome == bad_outcome::row) {
        CHECK((letter == refused.end() ? "" : letter->second.at("reason"))
              == "");
        if (written != found.end())
          CHECK(short_text(written->second)
                == short_text(row{x->row.begin(), x->row.end()}));
        else
          CHECK(written != found.end());
      } else {
        CHECK((written == found.end() ? "" : short_text(written->second))
              == "");
      }
      auto wants_letter = x->outcome == bad_outcome::letter
                          || x->outcome == bad_outcome::unrouted;
      if (wants_letter && letter != refused.end()) {
        auto wanted = letter_of(*x);
        if (fits(letter->second.at("reason"), x->reason))
          wanted["reason"] = letter->second.at("reason");
        CHECK(short_text(letter->second) == short_text(wanted));
      }
      if (x->outcome != bad_outcome::asked)
        CHECK(wants_letter == (letter != refused.end()));
      for (auto [sql, wanted] : x->asks) {
        for (auto* text : {&sql, &wanted}) {
          replace_all(*text, "{p}", std::to_string(std::get<1>(at)));
          replace_all(*text, "{o}", std::to_string(std::get<2>(at)));
        }
        INFO(sql);
        CHECK(db.value(sql) == wanted);
      }
    }
    check_origins(found);
    check_neighbours(found, refused);
  }

  /// Each row has come from a record that was sent there. (Of the tables
  /// without coordinates, cases ask.)
  void check_origins(const std::map<place, row>& found) const {
    for (const auto& [at, written] : found) {
      INFO(std::get<0>(at) << '@' << std::get<2>(at) << short_text(written));
      CHECK((sent_.contains(at) || good_.contains(at)));
    }
  }

  /// Good records are rows, and nothing else is a dead letter.
  void check_neighbours(const std::map<place, row>& found,
                        const std::map<place, row>& refused) const {
    for (const auto& [at, n] : good_) {
      const auto& [of, p, o] = at;
      if (of == "state")
        continue;
      INFO(of << '/' << p << '@' << o);
      auto i = found.find(at);
      REQUIRE(i != found.end());
      CHECK(i->second == row{{"i8", std::to_string(n)}, {"txt", "good"}});
    }
    std::set<int64_t> states;
    for (const auto& x :
         db.rows("SELECT version FROM tenant_north.state WHERE v = 'good'"))
      states.insert(std::stoll(x[0]));
    for (const auto& [at, n] : good_)
      if (std::get<0>(at) == "state")
        CHECK(states.contains(n));
    for (const auto& [at, letter] : refused) {
      const auto& [of, p, o] = at;
      INFO(of << '/' << p << '@' << o << ": " << letter.at("reason"));
      CHECK((places_.contains(at) || letter.at("reason").contains("the end")));
    }
  }

  scratch_database db{"bad"};

private:
  std::map<std::pair<std::string, std::string>, kafka_producer> producers_;
  std::optional<std::pair<std::string, std::string>> last_;
  std::map<std::pair<std::string, int32_t>, int64_t> next_;
  std::map<place, int64_t> good_;
  std::set<place> sent_;
  std::map<place, const bad_input*> places_;
  std::vector<std::pair<place, const bad_input*>> cases_;
  int64_t ends_ = 0;
  int64_t unrouted_ends_ = 0;
};

std::vector<bad_input> all_cases() {
  auto result = read_bad_inputs(text_of("bad_inputs.txt"), laboratory::topics);
  INFO((result ? std::string{} : result.error()));
  REQUIRE(result);
  return std::move(*result);
}

} // namespace

TEST_CASE("every bad input becomes the row or the dead letter that the table "
          "says, and nothing else notices") {
  auto all = all_cases();
  laboratory it;
  for (const auto& x : all)
    it.send_case(x);
  it.send_ends();
  REQUIRE(it.run({"migrate", "up"}).code == 0);
  auto node = it.start_node();
  it.wait_for_ends();
  it.check_cases();
  // Alive, and nothing of it is in the log as it came.
  node->signal(SIGTERM);
  auto end = node->wait();
  CHECK(end.code == 0);
  CHECK(hazards(end.err) == "");
  CHECK(foreign_lines(end.err) == "");
  auto listed = it.run({"dlq", "list", "--limit", "10000"});
  CHECK(listed.code == 0);
  CHECK(hazards(listed.out) == "");
}
