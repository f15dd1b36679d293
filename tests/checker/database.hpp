#pragma once

#include "tests/checker/fold.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace_check {

/// Where one lane stands in one partition.
struct lane_position {
  std::string tenant;
  int32_t shard = 0;
  std::string state;
  std::string topic_id;
  int32_t partition = 0;
  int64_t effective = 0;

  /// Where the pipeline began to read the partition.
  int64_t start = 0;
};

/// What the tables say. Everything from `begin_snapshot` on sees one moment,
/// also while a node goes on writing. Throws `cannot_check` when PostgreSQL
/// does not answer or a table is not there.
class database {
public:
  explicit database(const std::string& url);

  ~database();

  void begin_snapshot();

  /// Names and ids of `symbols`.
  code_table symbols(const std::string& schema);

  /// Every lane of the pipeline with every partition of the topic.
  std::vector<lane_position> lanes(const std::string& pipeline,
                                   const std::string& topic);

  /// Rows of `ticks`: partition, offset, and the columns `row_columns` as
  /// COPY's text has them.
  void read_rows(
    const std::string& schema,
    const std::function<void(int32_t, int64_t, std::string_view)>& take);

  struct dead_letter {
    int32_t partition = 0;
    int64_t offset = 0;
    std::optional<std::string> key;
    std::string headers;
    std::optional<std::string> value;

    /// `map: symbol: …`, for people.
    std::string reason;
  };

  void read_dead_letters(const std::string& pipeline, const std::string& topic,
                         const std::function<void(const dead_letter&)>& take);

  /// First column of the first row, for tests of the fold.
  std::string value(const std::string& sql);

private:
  struct impl;

  std::unique_ptr<impl> impl_;
};

} // namespace millrace_check
