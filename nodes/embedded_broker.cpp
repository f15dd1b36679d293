// A Kafka cluster in one small process, for machines that have none: tells its
// address on standard output and lives until standard input ends or a signal
// asks it to go.

#include "actors/source/kafka_mock.hpp"

#include <CLI/CLI.hpp>
#include <sys/signalfd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <iostream>
#include <optional>

#include <poll.h>
#include <unistd.h>

namespace {

/// What `--topic` asks for.
struct wanted_topic {
  std::string name;
  int32_t partitions = 1;
};

/// Reads `NAME:PARTITIONS`.
std::optional<wanted_topic> parse_topic(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == 0 || colon == std::string_view::npos)
    return std::nullopt;
  wanted_topic result{std::string{text.substr(0, colon)}};
  const auto* end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data() + colon + 1, end,
                                      result.partitions);
  if (code != std::errc{} || stop != end || result.partitions < 1
      || result.partitions > 1000)
    return std::nullopt;
  return result;
}

/// Returns when standard input has ended, or at SIGINT or SIGTERM.
void wait_for_the_end(int signals) {
  std::array<pollfd, 2> sources{pollfd{STDIN_FILENO, POLLIN, 0},
                                pollfd{signals, POLLIN, 0}};
  std::array<char, 4096> ignored{};
  for (;;) {
    if (::poll(sources.data(), sources.size(), -1) < 0)
      continue;
    if (sources[1].revents != 0)
      return;
    if (sources[0].revents != 0
        && ::read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0)
      return;
  }
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Millrace's embedded broker: a Kafka cluster in memory, for "
               "demonstrations and tests. Prints bootstrap=HOST:PORT,... and "
               "ends with its standard input."};
  int brokers = 1;
  std::vector<std::string> topics;
  app.add_option("--brokers", brokers, "Number of brokers")
    ->check(CLI::Range(1, 100))
    ->capture_default_str();
  app.add_option("--topic", topics, "Topic to create; repeatable")
    ->type_name("NAME:PARTITIONS");
  CLI11_PARSE(app, argc, argv);

  // Blocked before librdkafka starts its threads, so that they inherit it.
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  int signals = signalfd(-1, &mask, SFD_CLOEXEC);

  auto cluster = millrace::kafka_mock_cluster::open(brokers);
  if (!cluster) {
    std::cerr << to_string(cluster.error()) << '\n';
    return 1;
  }
  for (const auto& text : topics) {
    auto topic = parse_topic(text);
    if (!topic) {
      std::cerr << "--topic " << text << ": expected NAME:PARTITIONS\n";
      return 2;
    }
    if (auto made = cluster->create_topic(topic->name, topic->partitions);
        !made) {
      std::cerr << to_string(made.error()) << '\n';
      return 1;
    }
  }
  std::cout << "bootstrap=" << cluster->bootstrap() << std::endl;
  wait_for_the_end(signals);
  ::close(signals);
  return 0;
}
