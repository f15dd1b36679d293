#include "nodes/cli/version.hpp"

#include "actors/cluster/json_writer.hpp"

#include <array>
#include <format>
#include <utility>

namespace millrace::cli {

namespace {

constexpr std::array libraries{
  std::pair<std::string_view, std::string_view>{"caf", MILLRACE_WITH_CAF},
  std::pair<std::string_view, std::string_view>{"libpq", MILLRACE_WITH_LIBPQ},
  std::pair<std::string_view, std::string_view>{"librdkafka",
                                                MILLRACE_WITH_RDKAFKA},
};

constexpr std::string_view compiler = "GCC " __VERSION__;

} // namespace

std::string_view version() {
  return MILLRACE_VERSION;
}

exit_code run_version(console& to) {
  if (to.json()) {
    json_writer out;
    out.begin_object();
    out.key("name").string("millrace");
    out.key("version").string(version());
    out.key("build").string(MILLRACE_BUILD_TYPE);
    out.key("sanitizers").string(MILLRACE_SANITIZERS);
    out.key("compiler").string(compiler);
    out.key("built_with").begin_object();
    for (const auto& [name, number] : libraries)
      out.key(name).string(number);
    out.end_object();
    out.end_object();
    to.out(out.str() + '\n');
    return exit_code::ok;
  }
  auto text = std::format("millrace {}\nbuild: {}, {}", version(),
                          MILLRACE_BUILD_TYPE, compiler);
  if (!std::string_view{MILLRACE_SANITIZERS}.empty())
    text += ", sanitizers " MILLRACE_SANITIZERS;
  text += "\nwith:";
  for (const auto& [name, number] : libraries)
    text += std::format(" {} {}", name, number);
  to.out(text + '\n');
  return exit_code::ok;
}

} // namespace millrace::cli
