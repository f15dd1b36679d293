#pragma once

#include "tests/store/cut_proxy.hpp"
#include "tests/store/store_fixture.hpp"

namespace millrace::test {

/// A lane that is taken over, and a proxy before the server.
struct proxied_fixture : store_fixture {
  lane_row row = take();
  cut_proxy proxy{port_of(db.url())};

  static uint16_t port_of(const std::string& url) {
    auto colon = url.rfind(':');
    return static_cast<uint16_t>(std::stoi(url.substr(colon + 1)));
  }

  session_config through_proxy() const {
    auto result = config();
    result.keywords.emplace_back("host", "127.0.0.1");
    result.keywords.emplace_back("port", std::to_string(proxy.port()));
    result.keywords.emplace_back("sslmode", "disable");
    result.keywords.emplace_back("gssencmode", "disable");
    return result;
  }
};

} // namespace millrace::test
