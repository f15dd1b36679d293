#pragma once

#include "actors/coordinator/migrator.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/flush.hpp"
#include "actors/store/lane_store.hpp"
#include "actors/store/write_plan.hpp"
#include "tests/support/dev_servers.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace::test {

using namespace std::chrono_literals;

template <class T>
T must(store_result<T> x) {
  if (!x)
    throw std::runtime_error(x.error().sqlstate + ' ' + x.error().message);
  if constexpr (!std::is_void_v<T>)
    return std::move(*x);
}

inline void append_be(std::vector<std::byte>& out, uint64_t x, int bytes) {
  for (auto i = bytes; i-- > 0;)
    out.push_back(static_cast<std::byte>(x >> (8 * i)));
}

/// One row of `events`: id bigint, version bigint or NULL, v text.
inline std::vector<std::byte>
event_row(int64_t id, std::optional<int64_t> version, std::string_view v) {
  std::vector<std::byte> out;
  append_be(out, 3, 2);
  append_be(out, 8, 4);
  append_be(out, static_cast<uint64_t>(id), 8);
  append_be(out, version ? 8 : 0xffffffff, 4);
  if (version)
    append_be(out, static_cast<uint64_t>(*version), 8);
  append_be(out, v.size(), 4);
  for (auto c : v)
    out.push_back(static_cast<std::byte>(c));
  return out;
}

inline void add_row(row_block& block, int64_t at,
                    const std::vector<std::byte>& row, int64_t key) {
  block.bytes.insert(block.bytes.end(), row.begin(), row.end());
  block.row_ends.push_back(static_cast<uint32_t>(block.bytes.size()));
  block.offsets.push_back(at);
  block.keys.push_back({0, static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15});
}

inline const uuid topic_id
  = *uuid::parse("7b5f0000-0000-4000-8000-000000000001");

/// A migrated database with the pipeline `p`, one tenant, two lanes, one topic
/// of two partitions that begins at offset 100, and tables for three writes:
/// 0 appends to `log`, 1 upserts into `latest`, 2 upserts into `newest` with a
/// guard.
class store_fixture {
public:
  static constexpr shape rows_of{0xfedcba9876543210};

  store_fixture() {
    db.execute("ALTER DATABASE " + db.name() + " SET synchronous_commit = off");
    conn = std::make_unique<connection>(open());
    session_config slow;
    auto files = load_embedded_migrations("control").value();
    auto done = migrator{*conn}.up(files, {"millrace", std::nullopt});
    if (!done)
      throw std::runtime_error(done.error());
    db.execute("CREATE SCHEMA tenant_demo;"
               "CREATE TABLE tenant_demo.log (id bigint, version bigint, v "
               "text CHECK (v <> 'bad'), seq bigint DEFAULT "
               "current_setting('millrace.seq')::bigint);"
               "CREATE TABLE tenant_demo.latest (id bigint PRIMARY KEY, "
               "version bigint, v text);"
               "CREATE TABLE tenant_demo.newest (id bigint PRIMARY KEY, "
               "version bigint, v text)");
    must(store().boot(boot_of(2)));
  }

  static boot_request boot_of(int partitions) {
    boot_request result;
    result.pipeline = "p";
    result.map_fingerprint = 0xffffffff00000001;
    result.lanes = 2;
    result.tenants = {{"demo", rows_of}};
    result.topics = {{topic_id, "events", {}}};
    for (int i = 0; i < partitions; ++i)
      result.topics[0].partitions.push_back({partition{i}, offset{100}});
    return result;
  }

  session_config config() const {
    session_config result;
    result.keywords = {{"dbname", db.url()}};
    result.row_lock_timeout = 200ms;
    return result;
  }

  connection open() const {
    return must(connection::open(config()));
  }

  lane_store store() {
    return lane_store{*conn, config().row_lock_timeout};
  }

  static write_plan_ptr make_plan() {
    std::vector<std::string> columns{"id", "version", "v"};
    return make_write_plan(
      "p", "demo", rows_of,
      {{"tenant_demo", "log", write_method::append, columns, {}, {}},
       {"tenant_demo", "latest", write_method::upsert, columns, {"id"}, {}},
       {"tenant_demo",
        "newest",
        write_method::upsert,
        columns,
        {"id"},
        "version"}});
  }

  lane_row take() {
    return must(store().takeover({lane, uuid::random(), "n1"}));
  }

  /// An empty batch of the first partition.
  batch batch_of(int64_t from, int64_t to) const {
    batch result;
    result.lane = lane;
    result.source = {topic_id, partition{0}};
    result.topic = "events";
    result.range = {offset{from}, offset{to}};
    result.map_version = map_version{1};
    result.shape = rows_of;
    result.blocks.resize(3);
    return result;
  }

  /// A flush of one batch by the rules, all of it kept.
  flush flush_of(const lane_row& row, batch data) const {
    flush result;
    auto& c = result.claim;
    c.lane = lane;
    c.epoch = row.epoch;
    c.owner = *std::optional<uuid>{row.owner};
    c.next_seq = row.next_seq;
    c.map_version = data.map_version;
    c.shape = data.shape;
    auto at = slot{data.source.number.value};
    auto i = static_cast<std::size_t>(at.value);
    c.ranges = {{at, row.next_off.at(i), data.range, first_event(data)}};
    auto shared = std::make_shared<const batch>(std::move(data));
    result.sources = {{shared, row.effective(at)}};
    c.seqs = 1 + reject_count(result);
    result.plan = plan;
    return result;
  }

  flush_result run(flush work) {
    return run(*conn, std::move(work));
  }

  static flush_result run(connection& on, flush work) {
    flush_run aut{on, std::move(work), 20s};
    while (aut.advance(100ms) == flush_progress::pending)
      continue;
    return aut.result();
  }

  scratch_database db{"store"};
  lane_id lane{"p", "demo", shard{0}};
  std::unique_ptr<connection> conn;
  write_plan_ptr plan = make_plan();
};

} // namespace millrace::test
