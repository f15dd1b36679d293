#include "config/schema.hpp"
#include "config/schema_words.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<waiting_config> make_waiting() {
  using c = waiting_config;
  return make_section<c>(
    "waiting",
    "How events wait for rows that are not there yet (`on_missing` of a "
    "write). They are kept in `millrace.waiting`, beside their lane's rows.",
    {
      bind<&c::keep>({.path = "keep",
                      .type = duration,
                      .default_value = "\"1h\"",
                      .least = second,
                      .most = 3650 * day,
                      .description = "An event that has waited for so long is "
                                     "tried once more and then becomes a dead "
                                     "letter."}),
      bind<&c::retry_first>(
        {.path = "retry_first",
         .type = duration,
         .default_value = "\"100ms\"",
         .least = 1,
         .most = hour,
         .description = "A lane tries its waiting events again after this "
                        "time at the soonest; the time doubles with each try "
                        "in vain. A commit of any lane of the tenant on this "
                        "node wakes it within 20 times of it."}),
      bind<&c::retry_max>(
        {.path = "retry_max",
         .type = duration,
         .default_value = "\"30s\"",
         .least = 10,
         .most = hour,
         .description = "And after this time at the latest, woken or not: "
                        "commits of other nodes and programs are found so."}),
      bind<&c::max_events>(
        {.path = "max_events",
         .type = integer,
         .default_value = "10000",
         .least = 0,
         .most = 1'000'000,
         .description = "Events of one lane that may wait. What would have to "
                        "wait beyond becomes a dead letter."}),
      bind<&c::max_bytes>(
        {.path = "max_bytes",
         .type = size,
         .default_value = "\"64MiB\"",
         .least = kib,
         .most = 16 * gib,
         .description = "The same in bytes of their keys, headers and "
                        "values."}),
    });
}

} // namespace

const section<waiting_config>& waiting() {
  static const auto result = make_waiting();
  return result;
}

} // namespace millrace::schema
