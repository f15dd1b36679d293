#include "nodes/cli/explain_command.hpp"

#include "actors/cluster/json_writer.hpp"
#include "actors/decode/explain.hpp"
#include "config/topic_pattern.hpp"
#include "config/values.hpp"
#include "nodes/cli/config_files.hpp"
#include "nodes/cli/sample_events.hpp"

#include <algorithm>
#include <chrono>
#include <format>

namespace millrace::cli {

namespace {

std::string name_of(outcome x) {
  switch (x) {
    case outcome::written:
      return "written";
    case outcome::filtered:
      return "filtered";
    case outcome::rejected:
      return "rejected";
    case outcome::unrouted:
      return "unrouted";
    case outcome::elsewhere:
      return "elsewhere";
  }
  return "unknown";
}

bool is_dead_letter(const explanation& x) {
  return x.what == outcome::rejected || x.what == outcome::unrouted;
}

std::string json_of(const sample_event& sample, const explanation& x,
                    bool sources) {
  json_writer out;
  out.begin_object().key("line").integer(sample.line);
  out.key("outcome").string(name_of(x.what));
  if (is_dead_letter(x))
    out.key("stage").string(to_string(x.stage)).key("reason").string(x.reason);
  out.key("tenant").string(x.tenant).key("lane").integer(x.shard);
  out.key("rows").begin_array();
  for (const auto& row : x.rows) {
    out.begin_object().key("event").string(row.event);
    out.key("table").string(row.table).key("kind").string(to_string(row.kind));
    if (!row.only_if_newer.empty())
      out.key("only_if_newer").string(row.only_if_newer);
    out.key("key").begin_array();
    for (const auto& column : row.columns)
      if (column.in_key)
        out.string(column.name);
    out.end_array().key("columns").begin_object();
    for (const auto& column : row.columns) {
      out.key(column.name);
      if (sources)
        out.begin_object().key("value");
      if (column.value)
        out.string(*column.value);
      else
        out.null();
      if (!sources)
        continue;
      if (!column.type.empty())
        out.key("type").string(column.type);
      out.key("from").string(column.source).end_object();
    }
    out.end_object().end_object();
  }
  out.end_array().end_object();
  return std::move(out).str() + '\n';
}

std::string text_of(const explained_row& row, bool sources) {
  std::string key;
  for (const auto& column : row.columns)
    if (column.in_key)
      key += (key.empty() ? "" : ", ") + column.name;
  auto out = std::format("  {} {}{}{}{}\n", to_string(row.kind), row.table,
                         key.empty() ? "" : " by " + key,
                         row.only_if_newer.empty()
                           ? ""
                           : " if " + row.only_if_newer + " is newer",
                         " (" + row.event + ")");
  std::size_t widest = 0;
  for (const auto& column : row.columns)
    widest = std::max(widest, column.name.size());
  for (const auto& column : row.columns) {
    out += std::format("    {:{}}  {}", column.name, widest,
                       column.value ? printable(*column.value) : "NULL");
    if (sources)
      out += std::format("  <- {}{}", printable(column.source),
                         column.type.empty() ? "" : " as " + column.type);
    out += '\n';
  }
  return out;
}

std::string text_of(const sample_event& sample, const explanation& x,
                    bool sources) {
  auto out = std::format("line {}: {}", sample.line, name_of(x.what));
  if (is_dead_letter(x))
    out += std::format(": {}: {}\n", to_string(x.stage), printable(x.reason));
  else
    out += std::format(", tenant {}, lane {}\n", printable(x.tenant), x.shard);
  for (const auto& row : x.rows)
    out += text_of(row, sources);
  return out;
}

/// What lines that are payloads alone do not say.
std::expected<sample_event, std::string> defaults(const sample_arguments& what,
                                                  const pipeline_config& by) {
  sample_event result;
  result.topic = what.topic;
  if (what.topic.empty() && !topic_pattern::is_pattern(by.topics.front()))
    result.topic = by.topics.front();
  using namespace std::chrono;
  result.timestamp_ms
    = duration_cast<milliseconds>(system_clock::now().time_since_epoch())
        .count();
  if (!what.key.empty())
    result.key = what.key;
  for (const auto& header : what.headers) {
    auto sign = header.find('=');
    if (sign == header.npos || sign == 0)
      return std::unexpected{"--header: found " + in_quotes(header)
                             + ", expected NAME=VALUE"};
    result.headers.emplace_back(header.substr(0, sign),
                                header.substr(sign + 1));
  }
  return result;
}

} // namespace

const pipeline_config* find_pipeline(const config& all, const std::string& name,
                                     console& to) {
  if (name.empty() && all.pipelines.size() == 1)
    return &all.pipelines.front();
  std::vector<std::string> known;
  for (const auto& x : all.pipelines) {
    if (x.name == name)
      return &x;
    known.push_back(x.name);
  }
  to.fail(exit_code::usage,
          std::format("--pipeline: found {}, expected {}",
                      name.empty() ? "nothing" : in_quotes(name),
                      one_of(known)));
  return nullptr;
}

program_ptr compile_without_tables(const pipeline_config& pipeline,
                                   console& to) {
  auto program = compile(pipeline, assumed_tables(pipeline));
  if (program)
    return *program;
  findings wrong;
  for (const auto& x : program.error())
    wrong.push_back({severity::error, to_string(x), x.at, x.path, {}, {}, {}});
  to.tell(wrong);
  return nullptr;
}

exit_code show_events(const config& all, const pipeline_config& pipeline,
                      const program_ptr& by, const sample_arguments& what,
                      bool sources, console& to) {
  auto other = defaults(what, pipeline);
  if (!other)
    return to.fail(exit_code::usage, other.error());
  auto samples = read_samples(what.events, *other);
  if (!samples)
    return to.fail(exit_code::usage, samples.error());
  std::vector<std::string> tenants;
  for (const auto& x : all.tenants)
    tenants.push_back(x.name);
  auto result = exit_code::ok;
  int64_t shown = 0;
  for (const auto& sample : *samples) {
    if (what.limit > 0 && shown++ == what.limit)
      break;
    auto x = with_record(sample, [&](const record_view& record) {
      return explain(by, pipeline.lanes, tenants, record);
    });
    to.out(to.json() ? json_of(sample, x, sources)
                     : text_of(sample, x, sources));
    if (is_dead_letter(x))
      result = exit_code::failed;
  }
  return result;
}

exit_code run_map(const map_arguments& what, console& to) {
  auto loaded = load_checked(what.config, what.pack_dirs);
  if (!loaded) {
    to.tell(loaded.error());
    return exit_code::usage;
  }
  const auto* pipeline = find_pipeline(*loaded, what.samples.pipeline, to);
  if (!pipeline)
    return exit_code::usage;
  auto program = compile_without_tables(*pipeline, to);
  if (!program)
    return exit_code::usage;
  return show_events(*loaded, *pipeline, program, what.samples, false, to);
}

} // namespace millrace::cli
