#include "config/checks.hpp"

#include "config/schema.hpp"
#include "config/topic_pattern.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

namespace {

/// A setting that is not the user's to choose, and why.
struct refused_setting {
  std::string_view name;
  std::string_view reason;
};

constexpr std::array<refused_setting, 19> refused_parameters{{
  {"host", "use postgresql.host"},
  {"port", "use postgresql.port"},
  {"dbname", "use postgresql.database"},
  {"user", "use postgresql.user"},
  {"password", "use postgresql.password"},
  {"sslmode", "use postgresql.sslmode"},
  {"sslrootcert", "use postgresql.sslrootcert"},
  {"sslcert", "use postgresql.sslcert"},
  {"sslkey", "use postgresql.sslkey"},
  {"connect_timeout", "use postgresql.connect_timeout"},
  {"tcp_user_timeout", "use postgresql.tcp_user_timeout"},
  {"application_name", "it says whose session holds a lane"},
  {"client_encoding", "it is always UTF8"},
  {"options", "the timeouts have options of their own"},
  {"replication", "a flush needs an ordinary session"},
  {"target_session_attrs", "it is always read-write"},
  {"load_balance_hosts", "the first host that takes writes is used"},
  {"service", "use postgresql.host and postgresql.database"},
  {"servicefile", "use postgresql.host and postgresql.database"},
}};

constexpr std::array<refused_setting, 15> refused_properties{{
  {"bootstrap.servers", "use kafka.bootstrap"},
  {"metadata.broker.list", "use kafka.bootstrap"},
  {"auto.offset.reset",
   "it is always error: where to read is decided in PostgreSQL"},
  {"enable.auto.commit",
   "it is always false: PostgreSQL knows what is done, not Kafka"},
  {"auto.commit.enable",
   "it is always false: PostgreSQL knows what is done, not Kafka"},
  {"enable.auto.offset.store",
   "it is always false: PostgreSQL knows what is done, not Kafka"},
  {"isolation.level",
   "it is always read_committed: aborted records were never sent"},
  {"enable.partition.eof",
   "it is always true: the end of a partition closes a range of offsets"},
  {"check.crcs", "it is always true: a damaged record must not be written"},
  {"allow.auto.create.topics",
   "it is always false: reading must not create what it reads"},
  {"test.mock.num.brokers", "use kafka.embedded"},
  {"group.id", "use kafka.group"},
  {"group.instance.id", "it is the name of the node"},
  {"group.protocol", "it is always classic"},
  {"partition.assignment.strategy", "it is always cooperative-sticky"},
}};

template <class Table>
void check_refused(reader& in, const Table& refused, const property_list& list,
                   const std::string& path) {
  for (const auto& [name, value] : list) {
    auto i = std::ranges::find(refused, name, &refused_setting::name);
    if (i == refused.end())
      continue;
    auto full = path + "." + name;
    in.add(in.where(full, {}), full, "a setting that is not open to change",
           "nothing here", std::string{i->reason});
  }
}

/// What librdkafka itself would say, at the place of the property.
void check_properties(reader& in, const property_list& list) {
  const auto& fault = in.outside().property_fault;
  if (!fault)
    return;
  for (const auto& [name, value] : list)
    if (auto found = fault(name, value.reveal())) {
      auto path = "kafka.properties." + name;
      in.add(in.where(path, {}), path, *found,
             "a property of librdkafka with a value that it takes");
    }
}

/// A name that is in `code(NAME` somewhere in an expression.
struct code_reference {
  std::string_view name;
  std::size_t byte;
};

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '_';
}

/// Finds the code tables that an expression names. Only looks for the plain
/// form; what else may be wrong is found by decode.
std::vector<code_reference> code_references(std::string_view text) {
  std::vector<code_reference> result;
  auto skip_space = [text](std::size_t i) {
    return std::min(text.find_first_not_of(" \t\r\n", i), text.size());
  };
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\'' || text[i] == '"') {
      auto end = text.find(text[i], i + 1);
      i = end == text.npos ? text.size() : end + 1;
      continue;
    }
    if (!word_character(text[i])) {
      // A member called `code` is no function.
      i += text[i] == '.' && text.substr(i + 1, 4) == "code" ? 5 : 1;
      continue;
    }
    auto end = i;
    while (end < text.size() && word_character(text[end]))
      ++end;
    auto open = skip_space(end);
    if (text.substr(i, end - i) == "code" && text.substr(open, 1) == "(") {
      auto first = skip_space(open + 1);
      auto last = first;
      while (last < text.size() && word_character(text[last]))
        ++last;
      if (last > first)
        result.push_back({text.substr(first, last - first), first});
    }
    i = end;
  }
  return result;
}

/// The place of a byte of an expression.
source_position place_in(const expression_text& x, std::size_t byte) {
  auto at = x.at;
  for (auto c : std::string_view{x.text}.substr(0, byte)) {
    if (c == '\n') {
      ++at.line;
      at.column = 1;
    } else if ((c & 0xC0) != 0x80) {
      ++at.column;
    }
  }
  return at;
}

void check_codes(reader& in, const pipeline_config& pipeline,
                 const expression_text& x, const std::string& path) {
  for (const auto& [name, byte] : code_references(x.text)) {
    std::vector<std::string> known;
    for (const auto& table : pipeline.codes)
      known.push_back(table.name);
    if (std::ranges::find(known, name) != known.end())
      continue;
    auto near = closest(name, known);
    in.add(place_in(x, byte), path,
           std::format("code table {}", in_quotes(name)),
           known.empty() ? std::format("a table [pipeline.{}.codes.{}]",
                                       pipeline.name, printable(name))
                         : one_of(known),
           near ? std::format("did you mean {}?", in_quotes(*near)) : "");
  }
}

/// The text of an expression that is nothing but `'text'`.
std::optional<std::string> constant_text(std::string_view x) {
  while (x.starts_with(' '))
    x.remove_prefix(1);
  while (x.ends_with(' '))
    x.remove_suffix(1);
  if (x.size() < 2 || !x.starts_with('\'') || x.find('\'', 1) != x.size() - 1)
    return std::nullopt;
  return std::string{x.substr(1, x.size() - 2)};
}

void check_tenant(reader& in, const config& all, const pipeline_config& x,
                  const std::string& path) {
  auto name = constant_text(x.tenant.text);
  if (!name)
    return;
  std::vector<std::string> known;
  for (const auto& tenant : all.tenants)
    known.push_back(tenant.name);
  if (known.empty() || std::ranges::find(known, *name) != known.end())
    return;
  auto near = closest(*name, known);
  in.add(x.tenant.at, path + ".tenant",
         std::format("tenant {}", in_quotes(*name)),
         known.size() > 10 ? "the name of a [[tenant]]" : one_of(known),
         near ? std::format("did you mean {}?", in_quotes(*near)) : "");
}

void check_limits(reader& in, const config& all, const pipeline_config& x,
                  const std::string& path) {
  const auto& limits = x.limits;
  auto place = [&](const std::string& name) {
    return in.where(path + ".limits." + name, in.where(path + ".limits", x.at));
  };
  for (auto [name, bytes] : {std::pair{"flush_bytes", limits.flush_bytes},
                             std::pair{"credit_bytes", limits.credit_bytes}})
    if (bytes < limits.batch_bytes)
      in.add(place(name), std::format("{}.limits.{}", path, name),
             in_quotes(format_size(bytes)),
             std::format("at least batch_bytes ({})",
                         format_size(limits.batch_bytes)));
  auto needed = limits.flush_bytes + limits.credit_bytes;
  if (all.node.memory_bytes < needed)
    in.add(in.where("node.memory_bytes", place("flush_bytes")),
           "node.memory_bytes", in_quotes(format_size(all.node.memory_bytes)),
           std::format("at least flush_bytes and credit_bytes of {} ({})", path,
                       format_size(needed)));
}

void check_topics(reader& in, const pipeline_config& x,
                  const std::string& path) {
  for (std::size_t i = 0; i < x.topics.size(); ++i) {
    const auto& text = x.topics[i];
    if (!topic_pattern::is_pattern(text))
      continue;
    auto pattern = topic_pattern::parse(text);
    if (pattern)
      continue;
    auto item = std::format("{}.topics[{}]", path, i);
    auto at = in.where(item, x.at);
    // Behind the quote. Signs that TOML escapes stand a little further on.
    if (at.column > 0)
      at.column += static_cast<uint32_t>(pattern.error().at + 1);
    in.add(at, item,
           std::format("{} in {}", pattern.error().what, in_quotes(text)),
           "a regular expression of letters, digits, . _ - [ ] ( ) | * + ? \\");
  }
}

} // namespace

void check_postgresql(reader& in, const postgresql_config& x,
                      const std::string& path) {
  auto at = in.where(path, {in.file(), 1, 1});
  auto url = in.given(path + ".url");
  auto host = in.given(path + ".host");
  auto database = in.given(path + ".database");
  if (url) {
    for (auto key : {".host", ".port", ".database"})
      if (in.given(path + key))
        in.add(in.where(path + key, at), path + key, "a part beside url",
               "either url, or host and database");
  } else if (!host && !database) {
    in.add(at, path + ".url", "nothing", "url, or host and database");
  } else if (!host || !database) {
    in.add(at, path + (host ? ".database" : ".host"), "nothing",
           host ? "the name of a database"
                : "a host name, an address or the folder of a socket");
  }
  check_refused(in, refused_parameters, x.parameters, path + ".parameters");
}

void check_sibling(reader& in, const postgresql_config& x,
                   const std::string& path) {
  auto at = in.where(path, {in.file(), 1, 1});
  if (!in.given(path + ".database"))
    in.add(at, path + ".database", "nothing",
           "the name of another database of the server of [postgresql], or "
           "url, or host and database");
  if (in.given(path + ".port"))
    in.add(in.where(path + ".port", at), path + ".port", "a port without host",
           "host as well");
  check_refused(in, refused_parameters, x.parameters, path + ".parameters");
}

void check_kafka(reader& in, const kafka_config& x) {
  auto bootstrap = in.given("kafka.bootstrap");
  if (!bootstrap && !x.embedded)
    in.add(in.where("kafka", {in.file(), 1, 1}), "kafka.bootstrap", "nothing",
           "host:port, several with commas in between");
  if (bootstrap && x.embedded)
    in.add(in.where("kafka.embedded", {}), "kafka.embedded",
           "true beside bootstrap", "either bootstrap or embedded = true");
  check_refused(in, refused_properties, x.properties, "kafka.properties");
  check_properties(in, x.properties);
}

void check_waiting(reader& in, const waiting_config& x) {
  if (x.retry_first > x.retry_max)
    in.add(in.where("waiting.retry_first", {in.file(), 1, 1}),
           "waiting.retry_first", std::format("{} ms", x.retry_first.count()),
           std::format("at most waiting.retry_max, {} ms",
                       x.retry_max.count()));
}

void check_pipeline(reader& in, const config& all, const pipeline_config& x) {
  auto path = "pipeline." + x.name;
  check_topics(in, x, path);
  check_starts(in, x, path);
  check_backfill(in, all, x, path);
  check_events(in, x, path);
  check_limits(in, all, x, path);
  check_tenant(in, all, x, path);
  check_codes(in, x, x.tenant, path + ".tenant");
  check_codes(in, x, x.event_type, path + ".event_type");
  for (std::size_t i = 0; i < x.events.size(); ++i) {
    const auto& event = x.events[i];
    auto event_path = std::format("{}.event[{}]", path, i);
    check_codes(in, x, event.route, event_path + ".route");
    check_codes(in, x, event.when, event_path + ".when");
    if (event.crossed_bid.text.empty() != event.crossed_ask.text.empty()) {
      auto lacking = event.crossed_bid.text.empty() ? "crossed_bid"
                                                    : "crossed_ask";
      in.add(event.at, event_path + '.' + lacking, "nothing",
             "both crossed_bid and crossed_ask, or neither");
    }
    for (std::size_t j = 0; j < event.writes.size(); ++j) {
      auto write_path = std::format("{}.write[{}]", event_path, j);
      check_codes(in, x, event.writes[j].when, write_path + ".when");
      for (const auto& column : event.writes[j].columns)
        check_codes(in, x, column.value,
                    write_path + ".columns." + column.name);
    }
  }
}

} // namespace millrace
