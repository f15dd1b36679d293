#pragma once

// Answers of the Kafka adapter that a test cannot do without.

#include "actors/source/kafka.hpp"

#include <catch2/catch_test_macros.hpp>

#include <expected>
#include <string>
#include <utility>

namespace millrace::test {

template <class T>
T must(std::expected<T, kafka_error> x) {
  INFO((x ? std::string{} : to_string(x.error())));
  REQUIRE(x);
  return std::move(*x);
}

inline void must(const std::expected<void, kafka_error>& x) {
  INFO((x ? std::string{} : to_string(x.error())));
  REQUIRE(x);
}

} // namespace millrace::test
