#include "nodes/cli/config_files.hpp"

#include "actors/decode/program.hpp"
#include "actors/source/kafka_check.hpp"

#include <cstdlib>
#include <ranges>
#include <system_error>

namespace millrace::cli {

std::vector<std::filesystem::path>
pack_directories(const std::vector<std::string>& given) {
  std::vector<std::filesystem::path> result{given.begin(), given.end()};
  if (const char* folders = std::getenv("MILLRACE_PACK_DIR"))
    for (auto folder : std::views::split(std::string_view{folders}, ':'))
      if (!folder.empty())
        result.emplace_back(std::string_view{folder});
  std::error_code failed;
  auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed)
    result.push_back(
      (self.parent_path() / MILLRACE_INSTALLED_PACKS).lexically_normal());
  result.emplace_back(MILLRACE_SOURCE_PACKS);
  return result;
}

std::expected<config, findings>
load_checked(const std::string& file, const std::vector<std::string>& packs,
             const std::string& node_name, const std::string& postgresql_url) {
  load_options options;
  options.postgresql_url = postgresql_url;
  options.pack_directories = pack_directories(packs);
  options.node_name = node_name;
  options.property_fault = kafka_property_fault;
  auto loaded = load_config(file, options);
  findings wrong;
  if (!loaded) {
    for (const auto& x : loaded.error())
      wrong.push_back(make_finding(x));
    return std::unexpected{std::move(wrong)};
  }
  for (const auto& pipeline : loaded->pipelines)
    for (const auto& x : check_expressions(pipeline))
      wrong.push_back(
        {severity::error, to_string(x), x.at, x.path, {}, {}, {}});
  if (auto fault = kafka_properties_fault(librdkafka_properties(loaded->kafka)))
    wrong.push_back(make_error(file + ": kafka.properties: " + *fault));
  if (!wrong.empty())
    return std::unexpected{std::move(wrong)};
  return std::move(*loaded);
}

} // namespace millrace::cli
