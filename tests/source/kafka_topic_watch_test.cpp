#include "actors/source/kafka_topic_watch.hpp"

#include <catch2/catch_test_macros.hpp>
#include <librdkafka/rdkafka.h>

using namespace millrace::kafka_detail;

namespace {

constexpr auto first = "[thrd:main]: Topic ticks changed id from "
                       "AAAAAAAAAAAAAAAAAAAAAA to tJ9FjYIqRfO2mV39edPSxA";
constexpr auto second = "[thrd:main]: Topic ticks changed id from "
                        "tJ9FjYIqRfO2mV39edPSxA to 2lc7hSC0QP2GmjXN/zQ+iA";

} // namespace

TEST_CASE("a topic whose id changes counts as another one, and one whose id "
          "becomes known does not") {
  topic_watch watch;
  auto changes = watch.changes_of("ticks");
  auto other = watch.changes_of("tick");
  watch.read("METADATA", first);
  CHECK(*changes == 0);
  CHECK_FALSE(watch.spoils_client());
  watch.read("METADATA", second);
  CHECK(*changes == 1);
  // Where librdkafka is one of those that keep what they have freed.
  auto version = rd_kafka_version();
  CHECK(watch.spoils_client()
        == (version >= 0x02040000 && version < 0x020a0000));
  CHECK(*watch.changes_of("ticks") == 1);
  CHECK(*other == 0);
}

TEST_CASE("other lines of the log change nothing") {
  topic_watch watch;
  auto changes = watch.changes_of("ticks");
  watch.read("FETCH", second);
  watch.read("METADATA", "[thrd:main]: Topic ticks changed state");
  watch.read("METADATA", "");
  watch.read("METADATA", " changed id from ");
  CHECK(*changes == 0);
}
