// A machine on which librdkafka cannot make a client for want of threads or
// memory: that is no fault of its properties.

#include "actors/source/kafka_check.hpp"
#include "actors/source/kafka_consumer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <librdkafka/rdkafka.h>

#include <cstdio>

#include <dlfcn.h>

namespace {

bool no_threads = false;

template <class Function>
Function* behind(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

} // namespace

// These stand in front of librdkafka's own, which ends the program or never
// comes back where a thread cannot be made at the wrong moment.
extern "C" {

rd_kafka_t* rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t* conf,
                         char* reason, size_t size) {
  static auto* real = behind<decltype(rd_kafka_new)>("rd_kafka_new");
  if (!no_threads)
    return real(type, conf, reason, size);
  std::snprintf(reason, size, "Failed to create thread");
  return nullptr;
}

rd_kafka_resp_err_t rd_kafka_last_error() {
  static auto* real
    = behind<decltype(rd_kafka_last_error)>("rd_kafka_last_error");
  return no_threads ? RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE : real();
}

} // extern "C"

using namespace millrace;

TEST_CASE("without a thread for a client no property is to blame") {
  no_threads = true;
  auto client = kafka_consumer::open({});
  auto fault = kafka_properties_fault({{"client.id", "a"}});
  no_threads = false;
  REQUIRE_FALSE(client);
  CHECK(client.error().code == kafka_errc::fatal);
  CHECK(client.error().message.contains("Failed to create thread"));
  CHECK_FALSE(fault);
  CHECK_FALSE(kafka_properties_fault({{"client.id", "a"}}));
}
