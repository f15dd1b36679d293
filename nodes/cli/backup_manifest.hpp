#pragma once

#include "actors/store/backup_facts.hpp"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// The only one that this program writes and reads.
inline constexpr int32_t backup_format = 1;

struct backup_file {
  /// Within the backup's folder.
  std::string path;
  int64_t bytes = 0;

  /// 64 digits in lower case.
  std::string sha256;

  friend bool operator==(const backup_file&, const backup_file&) = default;
};

struct backup_database {
  /// As the configuration calls it.
  std::string name;

  /// Release of the pg_dump that wrote it.
  std::string pg_dump;
  database_facts facts;
  std::vector<backup_file> files;
};

/// What a backup says of itself: `manifest.json`. No secrets.
struct backup_manifest {
  int32_t format = backup_format;
  std::string name;

  /// The program that made it.
  std::string millrace;

  // RFC 3339, by the clock of the machine that made it.
  std::string began;
  std::string ended;
  std::string os_user;
  std::string host;

  /// `[postgresql]` first.
  std::vector<backup_database> databases;
};

int64_t bytes_of(const backup_manifest& x);

/// One document and a line end.
std::string to_json(const backup_manifest& x);

/// The manifest, or why it is none of ours.
std::expected<backup_manifest, std::string>
parse_manifest(std::string_view json);

/// Why this program and a server cannot restore the database, or nothing.
/// `control_version` is the newest control migration that the program has.
std::optional<std::string> version_problem(const backup_database& x,
                                           int32_t control_version,
                                           int32_t server_version);

} // namespace millrace::cli
