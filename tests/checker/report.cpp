#include "tests/checker/check.hpp"

#include <format>

namespace millrace_check {

namespace {

/// 1234567 as 1,234,567.
std::string grouped(int64_t n) {
  auto text = std::to_string(n);
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > 0; i -= 3)
    text.insert(static_cast<std::size_t>(i), 1, ',');
  return text;
}

/// For a terminal: no character of the data can move the cursor.
std::string printable(std::string_view text) {
  std::string out;
  for (char c : text)
    if (auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f)
      out += c == '\t' ? std::string{" | "} : std::format("\\x{:02x}", byte);
    else
      out += c;
  return out;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += '\\';
    if (byte < 0x20)
      out += std::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + '"';
}

void put_lanes(std::string& out, std::string_view what,
               const std::vector<lane_finding>& lanes) {
  constexpr std::size_t shown = 10;
  if (lanes.empty())
    return;
  out += std::format("\n{} ({} in all)\n", what, lanes.size());
  for (std::size_t i = 0; i < std::min(shown, lanes.size()); ++i) {
    const auto& x = lanes[i];
    out += std::format("  {}/{} partition {}: at {}, the log ends at {}, {}\n",
                       x.lane.tenant, x.lane.shard, x.lane.partition,
                       x.lane.effective, x.end, x.lane.state);
  }
}

} // namespace

std::string to_text(const check_report& r) {
  std::string out;
  auto line = [&](std::string_view name, int64_t due, int64_t found) {
    out += std::format("{:14} {:>15} {:>15}\n", name, grouped(due),
                       grouped(found));
  };
  out += std::format("{:14} {:>15} {:>15}\n", "", "due by the log",
                     "in the tables");
  line("rows", r.rows_due, r.rows_found);
  line("dead letters", r.dead_letters_due, r.dead_letters_found);
  line("together", r.records, r.rows_found + r.dead_letters_found);
  auto count = [&](std::string_view name, int64_t n) {
    out += std::format("{:30} {:>15}\n", name, grouped(n));
  };
  out += '\n';
  count("missing", r.missing);
  count("twice", r.twice);
  count("different", r.different);
  count("unexpected", r.unexpected);
  if (r.pending > 0)
    count("not yet settled", r.pending);
  if (r.unverifiable > 0)
    count("below the log, not verifiable", r.unverifiable);
  put_lanes(out, "lanes behind the end of the log", r.lanes_behind);
  put_lanes(out, "lanes beyond the end of the log", r.lanes_beyond);
  put_lanes(out, "lanes that are not active", r.lanes_inactive);
  if (!r.symbols_differ.empty()) {
    out += "\nsymbols that differ from the pack:";
    for (const auto& name : r.symbols_differ)
      out += ' ' + printable(name);
    out += '\n';
  }
  for (const auto& x : r.examples)
    out += std::format("\n{} at partition {}, offset {}\n  due   {}\n"
                       "  found {}\n",
                       to_string(x.what.kind), x.what.partition, x.what.offset,
                       printable(x.expected),
                       x.what.found.empty() ? "nothing"
                                            : printable(x.what.found));
  out += std::format("\n{}: {} records, {} lane positions, {:.1f} s\n",
                     r.ok ? "every offset is accounted for exactly once"
                          : "VIOLATED",
                     grouped(r.records), r.lanes, r.seconds);
  return out;
}

std::string to_json(const check_report& r) {
  std::string out = "{";
  auto count = [&](std::string_view name, int64_t n) {
    out += std::format("\"{}\":{},", name, n);
  };
  out += std::format("\"ok\":{},", r.ok);
  count("records", r.records);
  count("rows_due", r.rows_due);
  count("rows_found", r.rows_found);
  count("dead_letters_due", r.dead_letters_due);
  count("dead_letters_found", r.dead_letters_found);
  count("missing", r.missing);
  count("twice", r.twice);
  count("different", r.different);
  count("unexpected", r.unexpected);
  count("pending", r.pending);
  count("unverifiable", r.unverifiable);
  count("lanes", static_cast<int64_t>(r.lanes));
  count("lanes_behind", static_cast<int64_t>(r.lanes_behind.size()));
  count("lanes_beyond", static_cast<int64_t>(r.lanes_beyond.size()));
  count("lanes_inactive", static_cast<int64_t>(r.lanes_inactive.size()));
  count("symbols_differ", static_cast<int64_t>(r.symbols_differ.size()));
  out += std::format("\"seconds\":{:.3f},\"partitions\":[", r.seconds);
  std::string_view comma;
  for (const auto& [number, range] : r.ranges) {
    out += std::format("{}{{\"partition\":{},\"low\":{},\"high\":{}}}", comma,
                       number, range.low, range.high);
    comma = ",";
  }
  out += "],\"examples\":[";
  comma = "";
  for (const auto& x : r.examples) {
    out += std::format("{}{{\"kind\":\"{}\",\"partition\":{},\"offset\":{},"
                       "\"due\":{},\"found\":{}}}",
                       comma, to_string(x.what.kind), x.what.partition,
                       x.what.offset, json_text(x.expected),
                       x.what.found.empty() ? "null" : json_text(x.what.found));
    comma = ",";
  }
  return out + "]}\n";
}

} // namespace millrace_check
