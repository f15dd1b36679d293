#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

bound<pipeline_limits> limit(bound<pipeline_limits> x) {
  x.info.overrides_pack = true;
  return x;
}

section<pipeline_limits> make_limits() {
  using c = pipeline_limits;
  auto bytes = [](std::string path, std::string standard, int64_t least,
                  int64_t most, std::string description) {
    return option{.path = std::move(path),
                  .type = size,
                  .default_value = std::move(standard),
                  .least = least,
                  .most = most,
                  .description = std::move(description)};
  };
  auto time = [](std::string path, std::string standard, int64_t least,
                 int64_t most, std::string description) {
    return option{.path = std::move(path),
                  .type = duration,
                  .default_value = std::move(standard),
                  .least = least,
                  .most = most,
                  .description = std::move(description)};
  };
  return make_section<c>(
    "pipeline.*.limits",
    "Bounds of one pipeline on one node. The defaults suit most.",
    {
      limit(bind<&c::batch_bytes>(
        bytes("batch_bytes", "\"1MiB\"", kib, 16 * mib,
              "A batch is cut when it holds this much."))),
      limit(bind<&c::batch_rows>(
        {.path = "batch_rows",
         .type = integer,
         .default_value = "10000",
         .least = 1,
         .most = 1'000'000,
         .description = "A batch is cut when it holds so many rows."})),
      limit(bind<&c::linger>(
        time("linger", "\"5ms\"", 0, 10 * second,
             "A batch is cut when its first row is this old."))),
      limit(bind<&c::flush_bytes>(
        bytes("flush_bytes", "\"8MiB\"", kib, 256 * mib,
              "Largest transaction. Flushes grow with the load up to it, while "
              "they take less than a second."))),
      limit(bind<&c::credit_bytes>(
        bytes("credit_bytes", "\"4MiB\"", kib, gib,
              "Sent and not yet durable, per partition and lane. Beyond it "
              "the lane is left behind and catches up later."))),
      limit(bind<&c::detach_after>(
        time("detach_after", "\"2s\"", 100, hour,
             "A lane that holds its partition for so long while others could "
             "go on is read separately."))),
      limit(bind<&c::max_record_bytes>(
        bytes("max_record_bytes", "\"8MiB\"", kib, 256 * mib,
              "Records with a larger value become dead letters, or as "
              "`oversized` says."))),
      limit(bind<&c::oversized>(
        {.path = "oversized",
         .type = choice,
         .default_value = "\"keep\"",
         .choices = choices(oversized_policy::keep, oversized_policy::halt),
         .description
         = "What becomes of records above `max_record_bytes`. `keep`: dead "
           "letters that have all of them, so that nothing is lost unless one "
           "of the others is set. `cut`: dead letters with key, headers, the "
           "first 64 KiB of the value, its length and its SHA-256; they cannot "
           "be replayed. `halt`: the lane halts in front of the record."})),
      limit(bind<&c::max_event_rows>(
        {.path = "max_event_rows",
         .type = integer,
         .default_value = "10000",
         .least = 1,
         .most = 1'000'000,
         .description = "Events that would make more rows become dead "
                        "letters."})),
      limit(bind<&c::max_event_bytes>(
        bytes("max_event_bytes", "\"32MiB\"", kib, gib,
              "Events whose rows would be larger become dead letters."))),
      limit(bind<&c::resync>(
        time("resync", "\"10s\"", 100, hour,
             "A lane that acknowledges nothing for so long is read again "
             "from what is durable."))),
      limit(bind<&c::floor_interval>(
        time("floor_interval", "\"5s\"", 100, hour,
             "How often the restart point of a partition is moved up."))),
      limit(bind<&c::floor_patience>(
        time("floor_patience", "\"5m\"", 1'000, day,
             "While a lane that is halted or lags holds the restart point of "
             "a partition for so long, lanes without events are moved on now "
             "and then, so that a restart reads again for that lane only."))),
    });
}

} // namespace

const section<pipeline_limits>& limits() {
  static const auto result = make_limits();
  return result;
}

} // namespace millrace::schema
