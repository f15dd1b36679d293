#include "tests/checker/database.hpp"

#include "tests/checker/log_reader.hpp"

#include <array>
#include <charconv>
#include <format>
#include <utility>

#include <libpq-fe.h>

namespace millrace_check {

namespace {

struct result_deleter {
  void operator()(PGresult* x) const noexcept {
    PQclear(x);
  }
};

using result = std::unique_ptr<PGresult, result_deleter>;

template <class T>
T number(std::string_view text) {
  T value = 0;
  auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(),
                                      value);
  if (code != std::errc{} || stop != text.data() + text.size())
    throw cannot_check{std::format("PostgreSQL sent {}, not a number", text)};
  return value;
}

/// Cuts the text before the next tab off.
std::string_view cut_field(std::string_view& line) {
  auto tab = line.find('\t');
  auto field = line.substr(0, tab);
  line.remove_prefix(tab == std::string_view::npos ? line.size() : tab + 1);
  return field;
}

/// A bytea in COPY's text: `\\x` and hex, or `\N`.
std::optional<std::string> bytes_of(std::string_view field) {
  constexpr std::string_view prefix = "\\\\x";
  if (!field.starts_with(prefix))
    return std::nullopt;
  field.remove_prefix(prefix.size());
  auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  out.reserve(field.size() / 2);
  for (std::size_t i = 0; i + 1 < field.size(); i += 2)
    out += static_cast<char>(nibble(field[i]) << 4 | nibble(field[i + 1]));
  return out;
}

} // namespace

struct database::impl {
  PGconn* connection = nullptr;

  [[noreturn]] void fail(std::string_view what) const {
    throw cannot_check{std::format("{}: {}", what, PQerrorMessage(connection))};
  }

  result query(const std::string& sql, std::vector<const char*> values = {}) {
    result got{PQexecParams(connection, sql.c_str(),
                            static_cast<int>(values.size()), nullptr,
                            values.data(), nullptr, nullptr, 0)};
    auto status = PQresultStatus(got.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
      fail(sql.substr(0, 60));
    return got;
  }

  std::string quoted(const std::string& name) {
    char* text = PQescapeIdentifier(connection, name.data(), name.size());
    if (text == nullptr)
      fail(name);
    std::string out{text};
    PQfreemem(text);
    return out;
  }

  std::string literal(const std::string& value) {
    char* text = PQescapeLiteral(connection, value.data(), value.size());
    if (text == nullptr)
      fail(value);
    std::string out{text};
    PQfreemem(text);
    return out;
  }

  /// Each line of COPY … TO STDOUT, without its end.
  void copy(const std::string& select,
            const std::function<void(std::string_view)>& take) {
    auto sql = std::format("COPY ({}) TO STDOUT", select);
    result start{PQexec(connection, sql.c_str())};
    if (PQresultStatus(start.get()) != PGRES_COPY_OUT)
      fail("COPY");
    char* line = nullptr;
    int size = 0;
    while ((size = PQgetCopyData(connection, &line, 0)) > 0) {
      std::unique_ptr<char, void (*)(void*)> guard{line, PQfreemem};
      take({line, static_cast<std::size_t>(size) - 1});
    }
    result end{PQgetResult(connection)};
    if (size != -1 || PQresultStatus(end.get()) != PGRES_COMMAND_OK)
      fail("COPY");
    while (result more{PQgetResult(connection)}) {
    }
  }
};

database::database(const std::string& url) : impl_{std::make_unique<impl>()} {
  impl_->connection = PQconnectdb(url.c_str());
  if (PQstatus(impl_->connection) != CONNECTION_OK) {
    std::string why = PQerrorMessage(impl_->connection);
    PQfinish(std::exchange(impl_->connection, nullptr));
    throw cannot_check{"PostgreSQL: " + why};
  }
  impl_->query("SET timezone = 'UTC'");
  impl_->query("SET datestyle = 'ISO, YMD'");
  impl_->query("SET bytea_output = 'hex'");
  impl_->query("SET client_encoding = 'UTF8'");
  impl_->query("SET application_name = 'millrace-check'");
}

database::~database() {
  PQfinish(impl_->connection);
}

void database::begin_snapshot() {
  impl_->query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}

code_table database::symbols(const std::string& schema) {
  auto got = impl_->query(std::format("SELECT symbol_name, symbol_id FROM "
                                      "{}.symbols",
                                      impl_->quoted(schema)));
  code_table table;
  for (int i = 0; i < PQntuples(got.get()); ++i)
    table[PQgetvalue(got.get(), i, 0)]
      = number<int64_t>(PQgetvalue(got.get(), i, 1));
  return table;
}

std::vector<lane_position> database::lanes(const std::string& pipeline,
                                           const std::string& topic) {
  auto got = impl_->query(
    "SELECT l.tenant, l.shard, l.state, t.uuid, f.partition, "
    "greatest(l.next_off[f.slot], f.floor), t.start_offsets[f.partition + 1] "
    "FROM millrace.lane l "
    "JOIN millrace.partition_floor f USING (pipeline) "
    "JOIN millrace.topic t ON t.pipeline = f.pipeline AND t.uuid = f.topic "
    "WHERE l.pipeline = $1 AND t.name = $2 ORDER BY 1, 2, 5",
    {pipeline.c_str(), topic.c_str()});
  std::vector<lane_position> lanes;
  for (int i = 0; i < PQntuples(got.get()); ++i) {
    auto field = [&](int column) { return PQgetvalue(got.get(), i, column); };
    lanes.push_back({field(0), number<int32_t>(field(1)), field(2), field(3),
                     number<int32_t>(field(4)), number<int64_t>(field(5)),
                     number<int64_t>(field(6))});
  }
  return lanes;
}

void database::read_rows(
  const std::string& schema,
  const std::function<void(int32_t, int64_t, std::string_view)>& take) {
  auto select = std::format("SELECT src_partition, src_offset, {} FROM "
                            "{}.ticks",
                            row_columns, impl_->quoted(schema));
  impl_->copy(select, [&](std::string_view line) {
    auto partition = number<int32_t>(cut_field(line));
    auto offset = number<int64_t>(cut_field(line));
    take(partition, offset, line);
  });
}

void database::read_dead_letters(
  const std::string& pipeline, const std::string& topic,
  const std::function<void(const dead_letter&)>& take) {
  auto select
    = std::format("SELECT partition, \"offset\", key, headers, value, "
                  "stage || ': ' || reason FROM millrace.dead_letter "
                  "WHERE pipeline = {} AND topic_name = {}",
                  impl_->literal(pipeline), impl_->literal(topic));
  impl_->copy(select, [&](std::string_view line) {
    dead_letter letter;
    letter.partition = number<int32_t>(cut_field(line));
    letter.offset = number<int64_t>(cut_field(line));
    letter.key = bytes_of(cut_field(line));
    letter.headers = bytes_of(cut_field(line)).value_or("");
    letter.value = bytes_of(cut_field(line));
    letter.reason = line;
    take(letter);
  });
}

std::string database::value(const std::string& sql) {
  auto got = impl_->query(sql);
  return PQgetvalue(got.get(), 0, 0);
}

} // namespace millrace_check
