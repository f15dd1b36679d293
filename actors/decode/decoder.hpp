#pragma once

#include "actors/decode/program.hpp"
#include "actors/decode/record.hpp"
#include "messages/batch.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace {

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
};

/// What became of a record.
enum class outcome : uint8_t {
  /// Its rows are in the batch of its lane.
  written,
  /// It is a reject in the batch of its lane.
  rejected,
  /// It is a reject of the lane `_unrouted`: no tenant, or an unknown one.
  unrouted,
};

/// Turns records into rows of COPY binary tuples, in one pass each.
///
/// Every record ends in exactly one batch: with all rows of all writes that
/// are for it, or as one reject with its raw bytes; never with a part of them.
/// Writes are for records with a value or for tombstones. Counts the
/// event and its timestamp in that batch. `blocks` of a batch is sized here.
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
