#include "actors/coordinator/archive_manifest.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/file.hpp"

#include <algorithm>
#include <format>

#include <simdjson.h>

namespace millrace {

namespace {

namespace dom = simdjson::dom;
namespace fs = std::filesystem;

constexpr std::size_t max_manifest_bytes = 4 << 20;

void write(json_writer& out, const char* key,
           const std::optional<partition_time>& x) {
  out.key(key);
  x ? out.integer(x->time_since_epoch().count()) : out.null();
}

/// Reads members, and keeps what is wrong with them.
class manifest_reader {
public:
  explicit manifest_reader(const dom::object& from) : from_{from} {
  }

  std::vector<std::string> problems;

  void text(const char* key, std::string& to, bool may_be_empty = false) {
    std::string_view found;
    if (from_[key].get(found) != simdjson::SUCCESS
        || (found.empty() && !may_be_empty))
      problems.push_back(std::format("{}: expected a text", key));
    else
      to = found;
  }

  void count(const char* key, int64_t& to) {
    if (from_[key].get(to) != simdjson::SUCCESS || to < 0)
      problems.push_back(std::format("{}: expected a number, 0 or more", key));
  }

  void time(const char* key, std::optional<partition_time>& to) {
    int64_t ms = 0;
    if (from_[key].is_null())
      to.reset();
    else if (from_[key].get(ms) == simdjson::SUCCESS)
      to = partition_time{std::chrono::milliseconds{ms}};
    else
      problems.push_back(
        std::format("{}: expected milliseconds since 1970, or null", key));
  }

  void columns(std::vector<archived_column>& to) {
    dom::array all;
    if (from_["columns"].get(all) != simdjson::SUCCESS) {
      problems.emplace_back("columns: expected an array");
      return;
    }
    for (const auto& x : all) {
      std::string_view name;
      std::string_view type;
      if (x["name"].get(name) != simdjson::SUCCESS || name.empty()
          || x["type"].get(type) != simdjson::SUCCESS || type.empty()) {
        problems.emplace_back("columns: expected objects with name and type");
        return;
      }
      to.push_back({std::string{name}, std::string{type}});
    }
  }

private:
  dom::object from_;
};

bool is_digest(const std::string& x) {
  return x.size() == 64
         && x.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A part of a path that means itself, whatever is in it.
std::string as_name(std::string_view x) {
  std::string result;
  for (auto c : x) {
    auto plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                 || (c >= '0' && c <= '9') || c == '_' || c == '-';
    result += plain ? std::string(1, c)
                    : std::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

} // namespace

std::string to_json(const archive_manifest& x) {
  json_writer out;
  out.begin_object();
  out.key("format").integer(archive_manifest::known_format);
  out.key("database").string(x.database);
  out.key("schema").string(x.schema);
  out.key("parent").string(x.parent);
  out.key("child").string(x.child);
  out.key("relation").integer(x.relation);
  out.key("bounds").string(x.bounds);
  write(out, "from_ms", x.from);
  write(out, "to_ms", x.to);
  out.key("columns").begin_array();
  for (const auto& column : x.columns) {
    out.begin_object();
    out.key("name").string(column.name);
    out.key("type").string(column.type);
    out.end_object();
  }
  out.end_array();
  out.key("file").string(x.file);
  out.key("rows").integer(x.content.rows);
  out.key("text_bytes").integer(x.content.text_bytes);
  out.key("bytes").integer(x.content.file_bytes);
  out.key("sha256").string(x.content.sha256);
  out.key("made").string(x.made);
  out.key("by").string(x.by);
  out.end_object();
  return std::move(out).str() + '\n';
}

std::expected<archive_manifest, std::vector<std::string>>
parse_manifest(std::string_view text) {
  using failure = std::unexpected<std::vector<std::string>>;
  dom::parser parser;
  dom::element document;
  dom::object root;
  if (parser.parse(text.data(), text.size()).get(document) != simdjson::SUCCESS
      || document.get(root) != simdjson::SUCCESS)
    return failure{{"expected a JSON object"}};
  int64_t format = 0;
  if (root["format"].get(format) != simdjson::SUCCESS
      || format != archive_manifest::known_format)
    return failure{{"format: expected 1; another version of Millrace may know "
                    "what it says"}};
  manifest_reader in{root};
  archive_manifest x;
  in.text("database", x.database);
  in.text("schema", x.schema);
  in.text("parent", x.parent);
  in.text("child", x.child);
  in.count("relation", x.relation);
  in.text("bounds", x.bounds, true);
  in.time("from_ms", x.from);
  in.time("to_ms", x.to);
  in.columns(x.columns);
  in.text("file", x.file);
  in.count("rows", x.content.rows);
  in.count("text_bytes", x.content.text_bytes);
  in.count("bytes", x.content.file_bytes);
  in.text("sha256", x.content.sha256);
  in.text("made", x.made, true);
  in.text("by", x.by, true);
  if (in.problems.empty() && !is_digest(x.content.sha256))
    in.problems.emplace_back("sha256: expected 64 hexadecimal digits");
  if (x.file.contains('/'))
    in.problems.emplace_back("file: expected a name without folder");
  if (!in.problems.empty())
    return failure{std::move(in.problems)};
  return x;
}

std::expected<archive_manifest, std::vector<std::string>>
read_manifest(const fs::path& file) {
  using failure = std::unexpected<std::vector<std::string>>;
  auto text = read_regular_file(file, max_manifest_bytes);
  if (!text)
    return failure{{file.string() + ": found " + text.error()}};
  auto result = parse_manifest(*text);
  if (!result)
    for (auto& x : result.error())
      x = file.string() + ": " + x;
  return result;
}

fs::path manifest_path(const fs::path& folder, std::string_view schema,
                       std::string_view table, std::string_view child,
                       int number) {
  auto name = as_name(child);
  if (number > 1)
    name += '.' + std::to_string(number);
  return folder / as_name(schema) / as_name(table) / (name + ".json");
}

fs::path archive_path(const fs::path& manifest) {
  return fs::path{manifest}.replace_extension(".copy.zst");
}

} // namespace millrace
