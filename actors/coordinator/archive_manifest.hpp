#pragma once

#include "actors/coordinator/archive_file.hpp"
#include "actors/coordinator/partition_plan.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct archived_column {
  std::string name;

  /// As format_type prints it with nothing but pg_catalog on the search path.
  std::string type;

  friend bool operator==(const archived_column&, const archived_column&)
    = default;
};

/// What a file beside an archive says of it.
struct archive_manifest {
  static constexpr int64_t known_format = 1;

  /// Whose it was: the database as PostgreSQL calls it, and the parent.
  std::string database;
  std::string schema;
  std::string parent;
  std::string child;

  /// PostgreSQL's number of the child: another one may have had its name.
  int64_t relation = 0;

  /// As PostgreSQL prints them with times in UTC; and as times, where they are
  /// bounded.
  std::string bounds;
  std::optional<partition_time> from;
  std::optional<partition_time> to;

  /// Those of the text, in its order: generated ones are not in it.
  std::vector<archived_column> columns;

  /// Without folder: it is beside the manifest.
  std::string file;
  archive_content content;

  /// As PostgreSQL's clock said, in UTC.
  std::string made;
  std::string by;

  friend bool operator==(const archive_manifest&, const archive_manifest&)
    = default;
};

/// JSON, in one line.
std::string to_json(const archive_manifest& x);

/// Or everything that is wrong with the text, one sentence each.
std::expected<archive_manifest, std::vector<std::string>>
parse_manifest(std::string_view text);

/// The same of a file; its name begins each sentence.
std::expected<archive_manifest, std::vector<std::string>>
read_manifest(const std::filesystem::path& file);

/// Where the manifest of a partition's archive is: FOLDER/schema/table/child,
/// with what a file's name should not hold in percent signs, and `.json`. From
/// the second one of that name on they have their number before it.
std::filesystem::path
manifest_path(const std::filesystem::path& folder, std::string_view schema,
              std::string_view table, std::string_view child, int number);

/// `child.json` → `child.copy.zst`
std::filesystem::path archive_path(const std::filesystem::path& manifest);

} // namespace millrace
