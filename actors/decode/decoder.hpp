#pragma once

#include "actors/decode/program.hpp"
#include "actors/decode/record.hpp"
#include "messages/batch.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Which records of a topic belong here, where several databases hold tenants
/// of one pipeline and each of them reads the whole topic.
struct record_share {
  /// A tenant whose rows are in another database.
  struct tenant {
    std::string name;

    /// Its records below were read before it was known there: they are those
    /// of an unknown tenant.
    int64_t from = 0;
  };

  std::vector<tenant> elsewhere;

  /// Whether records of no tenant, or of one that is unknown, are for here.
  bool unrouted = true;

  bool is_elsewhere(std::string_view name, int64_t at) const {
    return std::ranges::any_of(elsewhere, [&](const tenant& x) {
      return x.name == name && at >= x.from;
    });
  }
};

/// Where decoded events go; the PARTITION CONSUMER keeps one open batch per
/// lane.
class batch_sink {
public:
  virtual ~batch_sink() = default;

  /// The open batch of the tenant's lane that the hash selects, or nullptr
  /// when there is no such tenant. Valid until the next call to the decoder.
  virtual batch* open(std::string_view tenant, uint64_t route_hash) = 0;

  /// The open batch of the pipeline's lane `_unrouted`.
  virtual batch& unrouted() = 0;

  /// Null when all records are for here.
  virtual const record_share* share() const {
    return nullptr;
  }
};

/// What became of a record.
enum class outcome : uint8_t {
  /// Its rows are in the batch of its lane.
  written,
  /// It makes no rows, and is counted in the batch of its lane: nobody takes
  /// it, no condition holds, or its arrays are empty.
  filtered,
  /// It is a reject in the batch of its lane, maybe beside rows made always.
  rejected,
  /// It is a reject of the lane `_unrouted`: no tenant, or an unknown one.
  unrouted,
  /// It belongs to another database and is in no batch.
  elsewhere,
};

/// Turns records into rows of COPY binary tuples, in one pass each.
///
/// Every record ends in exactly one batch: with all rows of all writes that are
/// for it; or it makes no rows and is counted as filtered; or as a reject with
/// its raw bytes, beside all rows of writes that are made always or none.
/// Writes are for records with a value or for tombstones. Counts the
/// event and its timestamp in that batch. `blocks` of a batch is sized here.
///
/// With a `record_share`, who a record belongs to depends on nothing but the
/// record and the pipeline's configuration: never on tables, which may differ
/// between databases. So each record is taken by exactly one of them.
///
/// After its buffers have grown to the largest record seen, decoding a good
/// record allocates nothing but what the batches' vectors need.
///
/// One decoder belongs to one thread at a time.
class decoder {
public:
  explicit decoder(program_ptr program);

  ~decoder();

  decoder(decoder&&) noexcept;

  decoder& operator=(decoder&&) noexcept;

  /// Decodes one record. The record's memory may go away afterwards.
  outcome decode(const record_view& record, batch_sink& sink);

  const program_ptr& running() const noexcept;

private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace millrace
