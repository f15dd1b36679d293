// millrace-check: does the database hold exactly what the log says?

#include "tests/checker/check.hpp"

#include <CLI/CLI.hpp>

#include <iostream>

using namespace millrace_check;

namespace {

constexpr int exit_violated = 1;
constexpr int exit_cannot_check = 3;

/// `name=value`, as `--kafka-property` takes it.
std::pair<std::string, std::string> property(const std::string& text) {
  auto equals = text.find('=');
  if (equals == std::string::npos)
    throw cannot_check{text + ": expected NAME=VALUE"};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

int run(check_config config, const std::vector<std::string>& properties,
        double wait_s, bool json) {
  try {
    for (const auto& text : properties)
      config.kafka_properties.push_back(property(text));
    config.wait
      = std::chrono::milliseconds{static_cast<int64_t>(wait_s * 1000)};
    auto report = run_check(config);
    std::cout << (json ? to_json(report) : to_text(report)) << std::flush;
    return report.ok ? 0 : exit_violated;
  } catch (const std::exception& problem) {
    std::cerr << "millrace-check: cannot check: " << problem.what() << '\n';
    return exit_cannot_check;
  }
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{
    "Reads a topic from end to end, works out what the `ticks` pack must make "
    "of it, and compares every row and dead letter. Exit code 0: all is as it "
    "must be; 1: it is not; 3: it could not be checked."};
  check_config config;
  std::vector<std::string> properties;
  double wait_s = 0;
  bool json = false;
  bool quiet = false;
  app.add_option("--kafka", config.bootstrap, "Address of the brokers")
    ->envname("MILLRACE_KAFKA")
    ->required();
  app.add_option("--kafka-property", properties,
                 "NAME=VALUE for librdkafka; repeatable");
  app.add_option("--topic", config.topic)->capture_default_str();
  app.add_option("--pg", config.database_url, "Address of the database")
    ->envname("MILLRACE_PG_URL")
    ->required();
  app.add_option("--pipeline", config.pipeline)->capture_default_str();
  app.add_option("--schema", config.schemas, "Tenants' schemas; repeatable")
    ->capture_default_str();
  app.add_option("--pack", config.pack,
                 "The pack's TOML file with the code table; without it the "
                 "table `symbols` is trusted");
  app.add_option("--wait", wait_s,
                 "Seconds to wait for the lanes to reach the end of the log");
  app.add_flag("--allow-lag", config.allow_lag,
               "Lanes may be behind the end of the log");
  app
    .add_option("--examples", config.max_examples,
                "Counter-examples to show of each kind")
    ->capture_default_str();
  app.add_flag("--json", json, "One JSON object instead of a table");
  app.add_flag("--quiet", quiet, "No progress on standard error");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : exit_cannot_check;
  }
  if (!quiet)
    config.on_progress = [](std::string_view text) {
      std::cerr << "millrace-check: " << text << '\n';
    };
  return run(std::move(config), properties, wait_s, json);
}
