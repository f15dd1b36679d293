#pragma once

// A backup as its manifest describes it.

#include "nodes/cli/backup_manifest.hpp"

namespace millrace::test {

inline const auto topic_id
  = *uuid::parse("7b5f0000-0000-4000-8000-000000000001");
inline const auto other_id
  = *uuid::parse("7b5f0000-0000-4000-8000-000000000002");
inline const auto first_set
  = *uuid::parse("7b5f0000-0000-4000-8000-00000000000a");
inline const auto second_set
  = *uuid::parse("7b5f0000-0000-4000-8000-00000000000b");

inline cli::backup_database sample_database() {
  cli::backup_database result;
  result.name = "postgresql";
  result.pg_dump = "17.5";
  auto& facts = result.facts;
  facts.database = "shop \"of\" ours";
  facts.server_version = 170'005;
  facts.at = "2026-11-22T03:15:00Z";
  facts.control_version = 11;
  facts.properties = {
    "owner",
    "C.UTF-8",
    "C.UTF-8",
    "b",
    "C.UTF-8",
    {{"", "search_path", "\"$user\", public"}, {"reader", "work_mem", "1MB"}},
    std::vector<kept_grant>{{"", "CONNECT", false}, {"reader", "CREATE", true}},
    {"owner", "reader"},
    {"plpgsql"}};
  facts.pipelines = {{"notes", 3, -5'000'000'000'000'000'000, 2}};
  facts.partitions
    = {{"notes", "orders", {topic_id, partition{0}}, 1, offset{90}, false},
       {"notes", "orders", {topic_id, partition{1}}, 2, offset{50}, false},
       {"notes", "orders", {other_id, partition{0}}, 3, offset{7}, true}};
  facts.lanes = {{{"notes", "north", shard{0}}, "active", seq{9}, {100, 50, 7}},
                 {{"notes", "north", shard{1}}, "halted", seq{2}, {90, 60, 7}}};
  facts.tables = {{"millrace", "lane", 2}, {"tenant_north", "notes", 1234}};
  result.files = {{"postgresql/toc.dat", 12, std::string(64, 'a')}};
  return result;
}

inline cli::backup_manifest sample_backup() {
  cli::backup_manifest result;
  result.name = "daily";
  result.millrace = "1.2.3";
  result.began = "2026-11-22T03:15:00Z";
  result.ended = "2026-11-22T03:16:00Z";
  result.os_user = "ops";
  result.host = "db1";
  result.databases = {sample_database()};
  return result;
}

} // namespace millrace::test
