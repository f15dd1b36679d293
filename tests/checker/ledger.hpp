#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace_check {

/// 64 bits that differ when two texts do (up to the birthday bound, which at
/// 20 million records is one chance in 90,000 of missing one difference).
uint64_t content_hash(std::string_view text) noexcept;

/// Continues a hash, so that parts need not be joined.
uint64_t content_hash(uint64_t so_far, std::string_view text) noexcept;

/// How the tables can differ from the log.
enum class finding_kind : uint8_t {
  /// Neither a row nor a dead letter for a record.
  missing,
  /// More than one of them.
  twice,
  /// The row or dead letter is there with other contents.
  different,
  /// A row where a dead letter was due, a dead letter where a row was, or
  /// something for an offset that has no record.
  unexpected,
};

std::string_view to_string(finding_kind x);

struct finding {
  finding_kind kind;
  int32_t partition = 0;
  int64_t offset = 0;

  /// What was found, cut to a readable length; empty when nothing was.
  std::string found;
};

/// What is due for one offset, and whether it was seen.
enum class entry_state : uint8_t {
  /// The log has no record here (a hole, or not read).
  none = 0,
  row = 1,
  dead_letter = 2,
};

/// The account of one partition: nine bytes an offset.
class partition_ledger {
public:
  partition_ledger(int64_t from, int64_t to)
    : from_{from},
      hashes_(static_cast<std::size_t>(to - from)),
      states_(static_cast<std::size_t>(to - from)) {
  }

  int64_t from() const noexcept {
    return from_;
  }

  int64_t to() const noexcept {
    return from_ + static_cast<int64_t>(hashes_.size());
  }

  bool contains(int64_t offset) const noexcept {
    return offset >= from() && offset < to();
  }

  void expect(int64_t offset, entry_state due, uint64_t hash) noexcept {
    auto i = index(offset);
    hashes_[i] = hash;
    states_[i] = static_cast<uint8_t>(due);
  }

  entry_state due(int64_t offset) const noexcept {
    return static_cast<entry_state>(states_[index(offset)] & due_mask);
  }

  uint64_t hash(int64_t offset) const noexcept {
    return hashes_[index(offset)];
  }

  /// Marks the offset as seen; returns whether it was before.
  bool see(int64_t offset) noexcept {
    auto& state = states_[index(offset)];
    bool before = (state & seen_flag) != 0;
    state |= seen_flag;
    return before;
  }

  bool seen(int64_t offset) const noexcept {
    return (states_[index(offset)] & seen_flag) != 0;
  }

private:
  static constexpr uint8_t due_mask = 3;
  static constexpr uint8_t seen_flag = 4;

  std::size_t index(int64_t offset) const noexcept {
    return static_cast<std::size_t>(offset - from_);
  }

  int64_t from_;
  std::vector<uint64_t> hashes_;
  std::vector<uint8_t> states_;
};

/// Sets what the tables have against what the log says they must have.
class ledger {
public:
  /// Findings kept with their details; all are counted.
  explicit ledger(std::size_t max_examples) : max_examples_{max_examples} {
  }

  /// Opens the account of the offsets [from, to). Once per partition.
  void open(int32_t partition, int64_t from, int64_t to) {
    partitions_.try_emplace(partition, from, to);
  }

  /// Notes what the record at this offset must become.
  void expect(int32_t partition, int64_t offset, entry_state due,
              uint64_t hash);

  /// Checks something that a table has. `text` is for people.
  void check(int32_t partition, int64_t offset, entry_state what, uint64_t hash,
             std::string_view text);

  /// Looks for what was not seen, below `settled[partition]`: beyond that the
  /// tables may still be on their way. Once, at the end.
  void close(const std::map<int32_t, int64_t>& settled);

  int64_t count(finding_kind kind) const noexcept {
    return counts_[static_cast<std::size_t>(kind)];
  }

  bool clean() const noexcept {
    return count(finding_kind::missing) + count(finding_kind::twice)
             + count(finding_kind::different) + count(finding_kind::unexpected)
           == 0;
  }

  const std::vector<finding>& examples() const noexcept {
    return examples_;
  }

  /// Below the account's first offset: the log no longer has the record.
  int64_t unverifiable = 0;

  /// Records, and what they must become.
  int64_t records = 0;
  int64_t rows_due = 0;
  int64_t dead_letters_due = 0;

  /// What the tables have.
  int64_t rows_found = 0;
  int64_t dead_letters_found = 0;

  /// Not there yet, at or beyond `settled`.
  int64_t pending = 0;

private:
  void note(finding_kind kind, int32_t partition, int64_t offset,
            std::string_view found);

  std::size_t max_examples_;
  std::map<int32_t, partition_ledger> partitions_;
  int64_t counts_[4] = {};
  std::vector<finding> examples_;
};

} // namespace millrace_check
