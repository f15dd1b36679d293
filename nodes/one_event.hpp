#pragma once

// A record that was kept, as the event that it was. Pure.

#include "actors/decode/decoder.hpp"
#include "messages/batch.hpp"
#include "messages/waiting.hpp"
#include "nodes/prepare.hpp"

#include <string>
#include <vector>

namespace millrace {

struct decoded_event {
  outcome what = outcome::rejected;

  /// Of the lane that the event has by the pipeline's map; rows when it is
  /// `written`, none when it is `filtered`, else one reject, maybe with rows
  /// that are made always. Of versions and shape nothing is said.
  batch data;
};

/// Decodes the record again, with all that Kafka had beside it.
decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const partition_id& source,
                           const record_view& record);

/// The same for one that waits.
decoded_event decode_event(decoder& by, const prepared_pipeline& pipeline,
                           const waiting_event& x);

/// Takes out its rows of these tables: the event is of before its pipeline
/// began to write them (rule 25). Returns whether that were all that it had:
/// then it must not count as written.
bool leave_out(const std::vector<std::string>& tables,
               const prepared_pipeline& pipeline, batch& from);

/// Says so.
inline constexpr std::string_view begun_later_text
  = "the pipeline began to write its tables behind it: a backfill of them "
    "writes it; discard it then";

/// Headers as a dead letter keeps them; the views point into `raw`. What is
/// cut off in the middle is left out.
std::vector<header_view> view_headers(std::string_view raw);

} // namespace millrace
