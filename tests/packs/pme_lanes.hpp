#pragma once

#include "actors/lane/lane_core.hpp"
#include "actors/lane/lane_writer.hpp"
#include "actors/store/connection.hpp"
#include "actors/store/flush.hpp"
#include "nodes/prepare.hpp"
#include "nodes/recorded_line.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace::test {

/// A topic's records by partition; the offset is the place in it.
using topic_log = std::vector<std::vector<recorded_line>>;

/// What a pass of the log is like.
struct pass_options {
  uint64_t seed = 1;

  /// A lane ends without a word before one step in a thousand of this many;
  /// now and then all of them.
  int crashes_per_mille = 0;

  /// A batch reads on by as many records at most.
  int64_t batch_records = 20;

  /// Rows in a flush at most, in bytes.
  std::size_t flush_bytes = 8192;
};

struct pass_account {
  int64_t flushes = 0;
  int64_t crashes = 0;

  /// Of them in the middle of a flush.
  int64_t cut_flushes = 0;

  /// Steps in which more than one lane's transaction was open.
  int64_t shared_steps = 0;
};

class lane_hand;

/// The pack pme-online with three lanes over three partitions, without actors
/// and without Kafka: the pack's own program decodes, the lanes' own cores
/// decide, and their flushes go to PostgreSQL over a connection each, at the
/// same time. One thread chooses at random which of them goes on.
///
/// Lanes end without a word, in the middle of a transaction, too: then the
/// connection is closed, and a new owner goes on from the effective offsets
/// that the database has.
class lane_world {
public:
  static constexpr int lanes = 3;
  static constexpr int partitions = 3;

  /// Migrates the database. Throws when it cannot be used.
  explicit lane_world(std::string url);
  ~lane_world();

  lane_world(const lane_world&) = delete;
  lane_world& operator=(const lane_world&) = delete;

  /// No rows, and all offsets as at the start.
  void empty();

  /// Brings all of the log into the tables. Throws when it does not get on.
  pass_account pass(const topic_log& log, const pass_options& options);

  /// The rows of the eleven tables, of what is dead and of what waits, as one
  /// JSON object; but for the columns `id` and `created_at`.
  std::string rows();

  // -- for the lanes ----------------------------------------------------------

  connection open() const;

  const prepared_pipeline& pipeline() const noexcept {
    return *pipeline_;
  }

  const topic_log& log() const noexcept {
    return *log_;
  }

  partition_id source(int number) const;

  slot slot_of(int number) const {
    return slots_.at(static_cast<std::size_t>(number));
  }

  millrace::map_version version() const noexcept {
    return version_;
  }

  waiting_mapper make_mapper() const {
    return make_mapper_();
  }

  int64_t below(int64_t n) {
    return static_cast<int64_t>(chance_() % static_cast<uint64_t>(n));
  }

private:
  void boot();

  std::string url_;
  std::unique_ptr<connection> conn_;
  std::unique_ptr<prepared_pipeline> pipeline_;
  std::function<waiting_mapper()> make_mapper_;
  std::vector<slot> slots_;
  millrace::map_version version_;
  const topic_log* log_ = nullptr;
  std::mt19937_64 chance_;
};

} // namespace millrace::test
