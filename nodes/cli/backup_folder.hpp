#pragma once

#include "nodes/cli/backup_manifest.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

// Where backups are: a folder for each, of its name, with `manifest.json`, its
// checksum in `manifest.sha256`, and a folder for each database. One that is
// being made is called `.NAME.partial`, and is locked by the process that makes
// it.

/// Why this cannot be the name of a backup, or nothing.
std::optional<std::string> backup_name_problem(std::string_view name);

/// The name of one that was given none: `20261122T031500Z`.
std::string backup_name_at(std::chrono::system_clock::time_point x);

/// RFC 3339, in UTC.
std::string rfc3339(std::chrono::system_clock::time_point x);

/// A backup that is being made. Gone with this object unless it was finished.
class unfinished_backup {
public:
  /// Removes what processes that died have left behind; `removed` is told the
  /// names. Refused when there is a backup of the name, or one is being made.
  static std::expected<unfinished_backup, std::string>
  begin(const std::filesystem::path& folder, const std::string& name,
        const std::function<void(const std::string&)>& removed);

  unfinished_backup(unfinished_backup&& other) noexcept;
  unfinished_backup& operator=(unfinished_backup&&) = delete;
  ~unfinished_backup();

  const std::filesystem::path& path() const noexcept {
    return path_;
  }

  /// Writes the manifest and gives the folder its name, so that it is there
  /// with all of it or not at all.
  std::expected<void, std::string> finish(const backup_manifest& x);

private:
  unfinished_backup(std::filesystem::path path, std::filesystem::path target,
                    int lock)
    : path_{std::move(path)},
      target_{std::move(target)},
      lock_{lock} {
  }

  std::filesystem::path path_;
  std::filesystem::path target_;
  int lock_ = -1;
};

/// A finished backup, or what is wrong with it.
struct listed_backup {
  std::string name;
  std::optional<backup_manifest> manifest;
  std::string problem;
};

/// By name. Empty where there is no such folder.
std::vector<listed_backup> list_backups(const std::filesystem::path& folder);

/// Of those that are whole, the one that was begun last; nothing: there is
/// none.
std::optional<std::string> newest_of(const std::vector<listed_backup>& all);

/// Those that were begun longer ago than `age`, by name; never the newest one
/// that is whole, and none that is damaged: its time may be wrong, too. Pure.
std::vector<listed_backup>
backups_older_than(const std::vector<listed_backup>& all,
                   std::chrono::system_clock::time_point now,
                   std::chrono::milliseconds age);

/// Deletes a backup of the folder: it is listed no more before the first of
/// its files goes. What is left of it when this is interrupted, the next backup
/// removes.
std::expected<void, std::string>
delete_backup(const std::filesystem::path& folder, const std::string& name);

struct read_backup {
  std::filesystem::path path;
  backup_manifest manifest;

  /// SHA-256 of the manifest.
  std::string checksum;
};

/// Reads the manifest and holds it against its checksum.
std::expected<read_backup, std::string>
open_backup(const std::filesystem::path& folder, const std::string& name);

/// The files below `path`, sorted, with their checksums; paths are relative to
/// `base`.
std::expected<std::vector<backup_file>, std::string>
sum_files(const std::filesystem::path& path, const std::filesystem::path& base,
          const std::stop_token& stop);

/// What is wrong with the files of a database, a sentence each: missing, of
/// another size or content, or not named by the manifest.
std::vector<std::string> damages(const read_backup& x,
                                 const backup_database& database,
                                 const std::stop_token& stop);

} // namespace millrace::cli
