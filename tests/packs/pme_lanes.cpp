#include "tests/packs/pme_lanes.hpp"

#include "actors/store/lane_store.hpp"
#include "config/load.hpp"
#include "nodes/waiting_mapper.hpp"
#include "tests/packs/pme_lane_hand.hpp"

#include <array>
#include <chrono>
#include <format>
#include <stdexcept>
#include <utility>

namespace millrace::test {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 120s;

constexpr auto configuration = R"toml(
[postgresql]
url = { env = "PME_URL" }
[kafka]
bootstrap = "127.0.0.1:1"
[[tenant]]
name = "demo"
[pipeline.pme]
pack = "pme-online"
topics = ["pme-ledger"]
tenant = "'demo'"
lanes = 3
)toml";

const uuid topic_id = *uuid::parse("7b5f0000-0000-4000-8000-000000000031");

// Children first.
constexpr std::array tables{"event_log",
                            "contracts",
                            "trades",
                            "orders",
                            "service_starts",
                            "session_times",
                            "parameters",
                            "holidays",
                            "fact5_trade_event",
                            "fact5_contract",
                            "fact4_trade",
                            "fact4_order_event",
                            "fact3_order",
                            "fact3_account_limit",
                            "fact2_account",
                            "accounts",
                            "fact1_session_time",
                            "fact1_service_start",
                            "fact1_participant",
                            "fact1_parameter",
                            "fact1_instrument",
                            "fact1_holiday",
                            "instruments",
                            "participants",
                            "order_key",
                            "trade_key",
                            "trade_reff"};

constexpr std::array shown{"participants",   "instruments", "accounts",
                           "holidays",       "parameters",  "session_times",
                           "service_starts", "orders",      "trades",
                           "contracts",      "event_log"};

template <class T>
T must(store_result<T> x) {
  if (!x)
    throw std::runtime_error(x.error().sqlstate + ' ' + x.error().message);
  if constexpr (!std::is_void_v<T>)
    return std::move(*x);
}

config configuration_for(const std::string& url) {
  load_options options;
  options.pack_directories = {MILLRACE_SOURCE_DIR "/config/packs"};
  options.environment = [&url](const std::string&) { return url; };
  auto result = parse_config(configuration, "pme.toml", options);
  if (!result)
    throw std::runtime_error(to_string(result.error().front()));
  return std::move(*result);
}

} // namespace

lane_world::lane_world(std::string url) : url_{std::move(url)} {
  auto all = configuration_for(url_);
  auto prepared = prepare(all, all.postgresql);
  if (!prepared)
    throw std::runtime_error(prepared.error().problems.front());
  pipeline_ = std::make_unique<prepared_pipeline>(std::move(prepared->at(0)));
  make_mapper_ = make_waiting_mapper(*pipeline_);
  conn_ = std::make_unique<connection>(open());
  boot();
}

lane_world::~lane_world() = default;

connection lane_world::open() const {
  session_config how;
  how.keywords = {{"dbname", url_}};
  return must(connection::open(how));
}

partition_id lane_world::source(int number) const {
  return {topic_id, partition{number}};
}

void lane_world::boot() {
  boot_request request;
  request.pipeline = "pme";
  request.map_fingerprint = pipeline_->map_fingerprint;
  request.lanes = lanes;
  request.tenants = pipeline_->tenants;
  request.topics = {{topic_id, "pme-ledger", {}}};
  for (int i = 0; i < partitions; ++i)
    request.topics[0].partitions.push_back({partition{i}, offset{0}});
  lane_store store{*conn_, 2s};
  auto result = must(store.boot(request));
  version_ = result.map_version;
  slots_.resize(partitions);
  for (const auto& x : result.partitions)
    slots_.at(static_cast<std::size_t>(x.source.number.value)) = x.at;
}

void lane_world::empty() {
  std::string script = "SET search_path = tenant_demo; BEGIN;";
  for (const auto* table : tables)
    script += std::format("DELETE FROM {};", table);
  script += "DELETE FROM millrace.dead_letter; DELETE FROM millrace.waiting;"
            "UPDATE millrace.lane SET next_seq = 1, next_off = "
            "array_fill(0::bigint, ARRAY[cardinality(next_off)]); COMMIT";
  must(conn_->run(script));
}

pass_account lane_world::pass(const topic_log& log,
                              const pass_options& options) {
  log_ = &log;
  chance_.seed(options.seed);
  pass_account result;
  std::vector<std::unique_ptr<lane_hand>> hands;
  for (int i = 0; i < lanes; ++i)
    hands.push_back(std::make_unique<lane_hand>(*this, i, options, result));
  auto end = std::chrono::steady_clock::now() + patience;
  while (!std::ranges::all_of(hands, [](auto& x) { return x->is_done(); })) {
    auto open = std::ranges::count_if(hands, &lane_hand::flushes);
    result.shared_steps += open > 1 ? 1 : 0;
    auto& one = hands[static_cast<std::size_t>(below(lanes))];
    if (below(1000) < options.crashes_per_mille) {
      // As when the whole node ends.
      if (below(4) == 0)
        for (auto& x : hands)
          x->crash();
      else
        one->crash();
    }
    one->go_on();
    if (std::chrono::steady_clock::now() > end) {
      std::string text = "it does not get on:";
      for (auto& x : hands)
        text += ' ' + x->state();
      throw std::runtime_error(text);
    }
  }
  return result;
}

std::string lane_world::rows() {
  std::string query = "SELECT json_build_object(";
  for (const auto* table : shown)
    query += std::format("'{0}', (SELECT coalesce(json_agg(to_jsonb(t) - 'id' "
                         "- 'created_at'), '[]') FROM tenant_demo.{0} t),",
                         table);
  query += "'dead_letter', (SELECT count(*) FROM millrace.dead_letter), "
           "'waiting', (SELECT count(*) FROM millrace.waiting), 'touched', "
           "(SELECT count(*) FROM tenant_demo.touched))";
  return must(conn_->query(query)).rows.at(0).at(0).value();
}

} // namespace millrace::test
