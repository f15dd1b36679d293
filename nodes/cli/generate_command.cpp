#include "nodes/cli/generate_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/rfc3339.hpp"
#include "config/values.hpp"
#include "nodes/base64.hpp"
#include "nodes/cli/generate_day.hpp"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <format>
#include <map>
#include <memory>
#include <optional>
#include <thread>

namespace millrace::cli {

namespace {

constexpr int64_t usual_events = 10'000;

/// The key of every record; so it says nothing about the partition.
constexpr std::string_view key = "ledgerpoint";

struct closer {
  void operator()(std::FILE* x) const {
    std::fclose(x);
  }
};

/// A number from 0 to below 1, with `%` behind it a hundredth of what it says.
std::optional<double> parse_share(std::string_view text) {
  auto percent = text.ends_with('%');
  text.remove_suffix(percent ? 1 : 0);
  double result = 0;
  auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(),
                                      result);
  if (code != std::errc{} || stop != text.data() + text.size())
    return std::nullopt;
  result = percent ? result / 100 : result;
  if (!(result >= 0 && result < 1))
    return std::nullopt;
  return result;
}

/// All that is wrong goes to `wrong`.
exchange_day_options options_of(const generate_arguments& what,
                                findings& wrong) {
  auto complain = [&](std::string text) {
    wrong.push_back(make_error(std::move(text)));
  };
  exchange_day_options result;
  result.seed = what.seed;
  result.events = what.events;
  if (what.events == 0 && what.orders == 0)
    result.events = usual_events;
  result.orders = what.orders;
  for (auto [name, from, to] :
       {std::tuple{"--participants", what.participants, &result.participants},
        std::tuple{"--instruments", what.instruments, &result.instruments},
        std::tuple{"--accounts", what.accounts, &result.accounts},
        std::tuple{"--partitions", what.partitions, &result.partitions}}) {
    *to = from;
    if (from < 1 || from > 1'000'000)
      complain(std::format("{}: found {}, expected 1 to 1000000", name, from));
  }
  if (auto share = parse_share(what.poison))
    result.poison = *share;
  else
    complain("--poison: found " + in_quotes(what.poison)
             + ", expected a share below 1, such as 1% or 0.01");
  if (auto ms = parse_rfc3339_ms(what.opens))
    result.opens_ms = *ms;
  else
    complain("--opens: found " + in_quotes(what.opens)
             + ", expected a time such as 2025-12-03T09:00:00+07:00");
  auto least = exchange_day::opening_records(result) + 2;
  if (what.orders < 0)
    complain(
      std::format("--orders: found {}, expected 0 or more", what.orders));
  if (what.events != 0 && what.events < least)
    complain(std::format("--events: found {}, expected at least {}: the day "
                         "begins with its participants, instruments and "
                         "accounts",
                         what.events, least));
  if (!(what.rate >= 0))
    complain(std::format("--rate: found {}, expected 0 or more", what.rate));
  return result;
}

/// A line as `millrace produce --recorded` reads it.
std::string line_of(const exchange_record& x, int64_t offset) {
  json_writer out;
  out.begin_object();
  out.key("partition").integer(x.partition);
  out.key("offset").integer(offset);
  out.key("timestamp").integer(x.timestamp_ms);
  out.key("headers").begin_array();
  for (const auto& [name, value] : x.headers)
    out.begin_array().string(name).string(value).end_array();
  out.end_array();
  out.key("key_b64").string(to_base64(key));
  out.key("value_b64").string(to_base64(x.body));
  out.end_object();
  return std::move(out).str() + '\n';
}

using counts = std::map<std::string, int64_t>;

/// False when the file takes no more.
bool write_day(const exchange_day_options& options, double rate, std::FILE* to,
               counts& by_type) {
  using clock = std::chrono::steady_clock;
  auto began = clock::now();
  exchange_day day{options};
  std::vector<int64_t> offsets(static_cast<std::size_t>(options.partitions));
  while (auto x = day.next()) {
    if (rate > 0)
      std::this_thread::sleep_until(
        began
        + std::chrono::duration_cast<clock::duration>(
          std::chrono::duration<double>(static_cast<double>(day.records())
                                        / rate)));
    auto line = line_of(*x, offsets[static_cast<std::size_t>(x->partition)]++);
    if (std::fwrite(line.data(), 1, line.size(), to) != line.size()
        || (rate > 0 && std::fflush(to) != 0))
      return false;
    ++by_type[x->headers.front().second];
  }
  return std::fflush(to) == 0;
}

std::string account(const std::string& file, const counts& by_type, bool json) {
  int64_t all = 0;
  for (const auto& [type, count] : by_type)
    all += count;
  if (!json) {
    auto text = std::format("{}: {} records\n", file, all);
    for (const auto& [type, count] : by_type)
      text += std::format("  {:<16} {}\n", type, count);
    return text;
  }
  json_writer out;
  out.begin_object().key("file").string(file).key("records").integer(all);
  out.key("types").begin_object();
  for (const auto& [type, count] : by_type)
    out.key(type).integer(count);
  out.end_object().end_object();
  return std::move(out).str() + '\n';
}

} // namespace

exit_code run_generate_pme(const generate_arguments& what, console& to) {
  findings wrong;
  auto options = options_of(what, wrong);
  if (!wrong.empty()) {
    to.tell(wrong);
    return exit_code::usage;
  }
  counts by_type;
  auto failed = [&] {
    return to.fail(exit_code::failed, what.out + ": " + std::strerror(errno));
  };
  if (what.out == "-")
    return write_day(options, what.rate, stdout, by_type) ? exit_code::ok
                                                          : failed();
  std::unique_ptr<std::FILE, closer> file{std::fopen(what.out.c_str(), "wb")};
  if (!file || !write_day(options, what.rate, file.get(), by_type))
    return failed();
  to.out(account(what.out, by_type, to.json()));
  return exit_code::ok;
}

} // namespace millrace::cli
