#pragma once

// How far the restore of a backup has come, as the server's own list of
// databases tells it. Pure: a restore may die at any point, and the next one
// finds out from these what is to be done.

#include "messages/ids.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// What a database is to a restore. Kept as its comment, which can be read
/// without a session there and is changed together with its name.
enum class restore_role : uint8_t {
  /// Being filled: of no use once nobody fills it.
  filling = 1,
  /// All of the backup is in it, and was held against the manifest.
  verified,
  /// In place.
  restored,
  /// What was in place before.
  replaced,
};

std::string_view to_string(restore_role x);

struct restore_mark {
  restore_role role = restore_role::filling;

  /// The same for all databases that one restore replaces.
  uuid set;
  std::string backup;

  /// SHA-256 of the manifest.
  std::string checksum;

  /// RFC 3339.
  std::string at;

  /// The name that it has in place, or had there.
  std::string database = {};

  friend bool operator==(const restore_mark&, const restore_mark&) = default;
};

/// One line of text, and back; nothing for a comment of somebody else.
std::string to_comment(const restore_mark& x);
std::optional<restore_mark> parse_comment(std::string_view comment);

/// The name of the new database until it is in place, for example
/// `shop__restoring`. At most 63 bytes: where the database's own name is too
/// long for that, its beginning and a part of its SHA-256.
std::string restoring_name(std::string_view database);

/// The name of the one that was in place, for example
/// `shop_before_20261122T031500Z`, made in the same way. `at` is RFC 3339.
std::string replaced_name(std::string_view database, std::string_view at);

/// Whether what PostgreSQL says when it is asked for maps means that there are
/// none: no control schema, or no such table in it.
bool says_no_maps(std::string_view sqlstate);

/// What the server has of one database of the backup.
struct restore_state {
  /// As the configuration calls it.
  std::string name;

  /// The comment of the one in place.
  std::optional<restore_mark> live;

  /// Whether there is one of the name `restoring_name`.
  bool has_new = false;
  std::optional<restore_mark> made;
};

enum class restore_step : uint8_t {
  /// Make it and fill it; what is there of that name is dropped.
  fill = 1,
  /// It is filled and verified.
  keep,
  /// It is in place.
  done,
};

struct restore_plan {
  uuid set;

  /// In the order of the states.
  std::vector<restore_step> steps;

  /// Goes on with what one before it has begun.
  bool resumed = false;

  /// Nothing is to be done: each database in place is of this backup.
  bool complete = false;
};

/// `fresh` is the set of a restore from the beginning. Databases that are all
/// of this backup are restored `again` alone. Fails where a restore of another
/// backup is half swapped: that one must be completed first.
std::expected<restore_plan, std::string>
plan_restore(const std::vector<restore_state>& states,
             const std::string& checksum, const uuid& fresh, bool again);

/// Why a copy must stay: the restore that has made it has put another database
/// in place, which belongs together with it. Nothing: it may be dropped.
std::optional<std::string> keep_reason(const std::vector<restore_state>& states,
                                       const restore_mark& copy);

} // namespace millrace::cli
