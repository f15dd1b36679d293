#include "nodes/cli/produce_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/source/kafka_client.hpp"
#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/cli/signal_stop.hpp"
#include "nodes/produce.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <format>
#include <optional>

#include <unistd.h>

namespace millrace::cli {

namespace {

using namespace std::chrono_literals;

/// Between progress lines where nobody watches them grow.
constexpr auto log_interval = 5s;

/// Where arguments gather before the work starts.
struct plan {
  produce_config config;
  findings wrong;

  void complain(std::string text) {
    wrong.push_back(make_error(std::move(text)));
  }
};

/// `name=value` taken apart at the first `=`.
std::optional<std::pair<std::string, std::string>>
split_pair(const std::string& text) {
  auto sign = text.find('=');
  if (sign == 0 || sign == std::string::npos)
    return std::nullopt;
  return std::pair{text.substr(0, sign), text.substr(sign + 1)};
}

void add_brokers(plan& to, const produce_arguments& what) {
  auto& properties = to.config.properties;
  if (!what.config.empty()) {
    auto all = load_checked(what.config, what.pack_dirs);
    if (!all)
      to.wrong.insert(to.wrong.end(), all.error().begin(), all.error().end());
    else if (all->kafka.embedded && what.bootstrap.empty())
      to.complain(what.config
                  + " has an embedded broker, which lives in the "
                    "node alone: name one with --bootstrap");
    else
      properties = librdkafka_properties(all->kafka);
  } else if (what.bootstrap.empty()) {
    to.complain("brokers are needed: give --bootstrap HOST:PORT or --config "
                "FILE");
  }
  if (!what.bootstrap.empty()) {
    if (is_bootstrap(what.bootstrap))
      properties.emplace_back("bootstrap.servers", what.bootstrap);
    else
      to.complain("--bootstrap: found " + in_quotes(what.bootstrap)
                  + ", expected HOST:PORT, or several with commas in between");
  }
  for (const auto& text : what.properties) {
    // Not quoted: it may be a password with a slip in front of it.
    if (auto pair = split_pair(text))
      properties.push_back(std::move(*pair));
    else
      to.complain("-X: expected PROPERTY=VALUE, and there is no '='");
  }
}

void add_repeat(plan& to, const std::string& text) {
  if (text == "forever") {
    to.config.repeat = 0;
    return;
  }
  const auto* end = text.data() + text.size();
  auto [stop, code] = std::from_chars(text.data(), end, to.config.repeat);
  if (code != std::errc{} || stop != end || to.config.repeat < 1)
    to.complain("--repeat: found " + in_quotes(text)
                + ", expected a number from 1, or forever");
}

plan make_plan(const produce_arguments& what) {
  plan result;
  auto& config = result.config;
  config.topic = what.topic;
  config.input = what.input;
  config.key = what.key;
  config.timestamp_field = what.timestamp_field;
  config.recorded = what.recorded;
  if (what.recorded && (!what.key.empty() || !what.timestamp_field.empty()))
    result.complain("--recorded: expected neither --key nor --timestamp-field, "
                    "because each line has its own");
  config.rate = what.rate;
  config.limit = what.limit;
  config.partitions = what.partitions;
  add_brokers(result, what);
  add_repeat(result, what.repeat);
  if (!is_topic(what.topic))
    result.complain("TOPIC: found " + in_quotes(what.topic)
                    + ", expected up to 249 letters, digits, '.', '_' and '-'");
  if (what.input != "-" && ::access(what.input.c_str(), R_OK) != 0)
    result.complain("INPUT: " + in_quotes(what.input)
                    + " cannot be read; - is standard input");
  for (const auto& text : what.headers) {
    if (auto pair = split_pair(text))
      config.headers.push_back(std::move(*pair));
    else
      result.complain("--header: found " + in_quotes(text)
                      + ", expected NAME=VALUE");
  }
  if (auto timeout = parse_duration(what.timeout))
    config.timeout = *timeout;
  else
    result.complain("--timeout: found " + in_quotes(what.timeout)
                    + ", expected a duration such as \"500ms\" or \"30s\"");
  if (result.wrong.empty())
    if (auto problem = validate(config))
      result.complain(*problem);
  return result;
}

/// Tells trouble with the cluster apart from trouble with the job.
std::optional<std::pair<exit_code, std::string>>
probe(const produce_config& config) {
  auto code_of = [](const kafka_error& x) {
    switch (x.code) {
      case kafka_errc::bad_config:
        return exit_code::usage;
      case kafka_errc::unreachable:
      case kafka_errc::timed_out:
        return exit_code::unreachable;
      default:
        return exit_code::failed;
    }
  };
  auto client = kafka_client::open(config.properties);
  if (!client)
    return std::pair{code_of(client.error()), client.error().message};
  auto topic = client->describe_topic(config.topic, config.timeout);
  if (topic || topic.error().code == kafka_errc::topic_missing)
    return std::nullopt;
  return std::pair{code_of(topic.error()), topic.error().message};
}

/// Prints where the work stands: one line that grows on a terminal, now and
/// then a line elsewhere.
class progress {
public:
  explicit progress(produce_config& config)
    : terminal_{::isatty(STDERR_FILENO) == 1} {
    config.progress_interval = terminal_ ? 500ms : log_interval;
    config.on_progress = [this](const produce_stats& now) { show(now); };
  }

  /// Leaves the line that was being written.
  void finish() const {
    if (terminal_ && shown_)
      std::fputc('\n', stderr);
  }

private:
  void show(const produce_stats& now) {
    auto line = progress_line(now, before_);
    before_ = now;
    shown_ = true;
    if (terminal_)
      std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    else
      std::fprintf(stderr, "%s\n", line.c_str());
  }

  bool terminal_;
  bool shown_ = false;
  produce_stats before_;
};

std::string json_of(const produce_config& config, const produce_stats& x) {
  json_writer out;
  auto seconds = x.elapsed.count();
  out.begin_object();
  out.key("topic").string(config.topic);
  out.key("partitions").integer(x.partitions);
  out.key("records").integer(x.records);
  out.key("bytes").integer(x.bytes);
  out.key("delivered").integer(x.delivered);
  out.key("passes").integer(x.passes);
  out.key("without_key").integer(x.without_key);
  out.key("without_timestamp").integer(x.without_timestamp);
  out.key("seconds").number(seconds);
  out.key("records_per_second")
    .number(seconds > 0 ? static_cast<double>(x.records) / seconds : 0);
  out.end_object();
  return std::move(out).str() + '\n';
}

std::string text_of(const produce_config& config, const produce_stats& x) {
  auto text = std::format("{}: {}, {:.1f} MB in {:.1f} s\n", config.topic,
                          progress_line(x, {}),
                          static_cast<double>(x.bytes) / 1e6,
                          x.elapsed.count());
  if (x.without_key > 0)
    text += std::format("{} records had no {} and went without a key\n",
                        x.without_key, in_quotes(config.key));
  if (x.without_timestamp > 0)
    text += std::format("{} records had no usable {} and carry the time of "
                        "sending\n",
                        x.without_timestamp, in_quotes(config.timestamp_field));
  return text;
}

} // namespace

exit_code run_produce(const produce_arguments& what, console& to) {
  auto work = make_plan(what);
  if (!work.wrong.empty()) {
    to.tell(work.wrong);
    return exit_code::usage;
  }
  // Before any thread of the client: threads inherit what is blocked.
  signal_stop signals;
  if (auto trouble = probe(work.config))
    return to.fail(trouble->first, trouble->second);
  std::optional<progress> line;
  if (!what.quiet)
    line.emplace(work.config);
  auto result = produce(work.config, signals.token());
  if (line)
    line->finish();
  if (!result)
    return to.fail(exit_code::failed, result.error());
  to.out(to.json() ? json_of(work.config, *result)
                   : text_of(work.config, *result));
  return exit_code::ok;
}

} // namespace millrace::cli
