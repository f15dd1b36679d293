#include "nodes/cli/backup_manifest.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"

#include <format>
#include <stdexcept>

#include <simdjson.h>

namespace millrace::cli {

namespace {

// -- writing ------------------------------------------------------------------

template <class T, class Body>
void array(json_writer& out, const char* key, const std::vector<T>& xs,
           Body body) {
  out.key(key).begin_array();
  for (const auto& x : xs)
    body(x);
  out.end_array();
}

void write(json_writer& out, const kept_properties& x) {
  auto text = [&out](const std::string& s) { out.string(s); };
  out.key("properties").begin_object();
  out.key("owner").string(x.owner);
  out.key("collate").string(x.collate);
  out.key("ctype").string(x.ctype);
  out.key("provider").string(x.provider);
  out.key("locale").string(x.locale);
  array(out, "settings", x.settings, [&](const kept_setting& s) {
    out.begin_object();
    out.key("role").string(s.role);
    out.key("name").string(s.name);
    out.key("value").string(s.value);
    out.end_object();
  });
  if (x.grants)
    array(out, "grants", *x.grants, [&](const kept_grant& g) {
      out.begin_object();
      out.key("grantee").string(g.grantee);
      out.key("privilege").string(g.privilege);
      out.key("grantable").boolean(g.grantable);
      out.end_object();
    });
  array(out, "roles", x.roles, text);
  array(out, "extensions", x.extensions, text);
  out.end_object();
}

void write_maps(json_writer& out, const database_facts& x) {
  array(out, "pipelines", x.pipelines, [&](const kept_pipeline& p) {
    out.begin_object();
    out.key("pipeline").string(p.pipeline);
    out.key("map_version").integer(p.map_version);
    out.key("map_fingerprint").integer(p.map_fingerprint);
    out.key("lanes").integer(p.lanes);
    out.end_object();
  });
  array(out, "partitions", x.partitions, [&](const kept_partition& p) {
    out.begin_object();
    out.key("pipeline").string(p.pipeline);
    out.key("topic").string(p.topic);
    out.key("topic_id").string(to_string(p.source.topic));
    out.key("partition").integer(p.source.number.value);
    out.key("slot").integer(p.slot);
    out.key("floor").integer(p.floor.value);
    out.key("retired").boolean(p.retired);
    out.end_object();
  });
  array(out, "lanes", x.lanes, [&](const kept_lane& l) {
    out.begin_object();
    out.key("pipeline").string(l.lane.pipeline);
    out.key("tenant").string(l.lane.tenant);
    out.key("shard").integer(l.lane.number.value);
    out.key("state").string(l.state);
    out.key("next_seq").integer(l.next_seq.value);
    array(out, "offsets", l.offsets, [&](int64_t at) { out.integer(at); });
    out.end_object();
  });
}

void write(json_writer& out, const backup_database& x) {
  out.begin_object();
  out.key("name").string(x.name);
  out.key("database").string(x.facts.database);
  out.key("at").string(x.facts.at);
  out.key("server_version").integer(x.facts.server_version);
  out.key("pg_dump").string(x.pg_dump);
  out.key("control_version").integer(x.facts.control_version);
  write(out, x.facts.properties);
  write_maps(out, x.facts);
  array(out, "tables", x.facts.tables, [&](const kept_table& t) {
    out.begin_object();
    out.key("schema").string(t.schema);
    out.key("table").string(t.name);
    out.key("rows").integer(t.rows);
    out.end_object();
  });
  array(out, "files", x.files, [&](const backup_file& f) {
    out.begin_object();
    out.key("path").string(f.path);
    out.key("bytes").integer(f.bytes);
    out.key("sha256").string(f.sha256);
    out.end_object();
  });
  out.end_object();
}

// -- reading ------------------------------------------------------------------

using element = simdjson::dom::element;

/// A member that is not what it has to be.
class bad_member : public std::runtime_error {
public:
  explicit bad_member(const char* name)
    : runtime_error{in_quotes(name) + " is missing or not what it has to be"} {
  }
};

element member(const element& of, const char* name) {
  element result;
  if (of.at_key(name).get(result) != simdjson::SUCCESS)
    throw bad_member{name};
  return result;
}

std::string text(const element& of, const char* name) {
  std::string_view result;
  if (member(of, name).get(result) != simdjson::SUCCESS)
    throw bad_member{name};
  return std::string{result};
}

int64_t number(const element& of, const char* name) {
  int64_t result = 0;
  if (member(of, name).get(result) != simdjson::SUCCESS)
    throw bad_member{name};
  return result;
}

int32_t small(const element& of, const char* name) {
  return static_cast<int32_t>(number(of, name));
}

bool flag(const element& of, const char* name) {
  bool result = false;
  if (member(of, name).get(result) != simdjson::SUCCESS)
    throw bad_member{name};
  return result;
}

template <class T, class Body>
std::vector<T> list(const element& of, const char* name, Body body) {
  simdjson::dom::array all;
  if (member(of, name).get(all) != simdjson::SUCCESS)
    throw bad_member{name};
  std::vector<T> result;
  for (const auto& x : all)
    result.push_back(body(x));
  return result;
}

std::vector<std::string> texts(const element& of, const char* name) {
  return list<std::string>(of, name, [name](const element& x) {
    std::string_view result;
    if (x.get(result) != simdjson::SUCCESS)
      throw bad_member{name};
    return std::string{result};
  });
}

kept_properties read_properties(const element& x) {
  kept_properties result;
  result.owner = text(x, "owner");
  result.collate = text(x, "collate");
  result.ctype = text(x, "ctype");
  result.provider = text(x, "provider");
  result.locale = text(x, "locale");
  result.settings = list<kept_setting>(x, "settings", [](const element& s) {
    return kept_setting{text(s, "role"), text(s, "name"), text(s, "value")};
  });
  element grants;
  if (x.at_key("grants").get(grants) == simdjson::SUCCESS)
    result.grants = list<kept_grant>(x, "grants", [](const element& g) {
      return kept_grant{text(g, "grantee"), text(g, "privilege"),
                        flag(g, "grantable")};
    });
  result.roles = texts(x, "roles");
  result.extensions = texts(x, "extensions");
  return result;
}

kept_partition read_partition(const element& x) {
  auto id = uuid::parse(text(x, "topic_id"));
  if (!id)
    throw bad_member{"topic_id"};
  return {text(x, "pipeline"),
          text(x, "topic"),
          {*id, partition{small(x, "partition")}},
          small(x, "slot"),
          offset{number(x, "floor")},
          flag(x, "retired")};
}

kept_lane read_lane(const element& x) {
  return {{text(x, "pipeline"), text(x, "tenant"), shard{small(x, "shard")}},
          text(x, "state"),
          seq{number(x, "next_seq")},
          list<int64_t>(x, "offsets", [](const element& at) {
            int64_t result = 0;
            if (at.get(result) != simdjson::SUCCESS)
              throw bad_member{"offsets"};
            return result;
          })};
}

backup_database read_database(const element& x) {
  backup_database result;
  auto& facts = result.facts;
  result.name = text(x, "name");
  result.pg_dump = text(x, "pg_dump");
  facts.database = text(x, "database");
  facts.at = text(x, "at");
  facts.server_version = small(x, "server_version");
  facts.control_version = small(x, "control_version");
  facts.properties = read_properties(member(x, "properties"));
  facts.pipelines = list<kept_pipeline>(x, "pipelines", [](const element& p) {
    return kept_pipeline{text(p, "pipeline"), number(p, "map_version"),
                         number(p, "map_fingerprint"), small(p, "lanes")};
  });
  facts.partitions = list<kept_partition>(x, "partitions", read_partition);
  facts.lanes = list<kept_lane>(x, "lanes", read_lane);
  facts.tables = list<kept_table>(x, "tables", [](const element& t) {
    return kept_table{text(t, "schema"), text(t, "table"), number(t, "rows")};
  });
  result.files = list<backup_file>(x, "files", [](const element& f) {
    return backup_file{text(f, "path"), number(f, "bytes"), text(f, "sha256")};
  });
  return result;
}

} // namespace

int64_t bytes_of(const backup_manifest& x) {
  int64_t result = 0;
  for (const auto& database : x.databases)
    for (const auto& file : database.files)
      result += file.bytes;
  return result;
}

std::string to_json(const backup_manifest& x) {
  json_writer out;
  out.begin_object();
  out.key("format").integer(x.format);
  out.key("name").string(x.name);
  out.key("millrace").string(x.millrace);
  out.key("began").string(x.began);
  out.key("ended").string(x.ended);
  out.key("os_user").string(x.os_user);
  out.key("host").string(x.host);
  array(out, "databases", x.databases,
        [&](const backup_database& database) { write(out, database); });
  out.end_object();
  return std::move(out).str() + '\n';
}

std::expected<backup_manifest, std::string>
parse_manifest(std::string_view json) {
  simdjson::dom::parser parser;
  element root;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS)
    return std::unexpected{"the manifest is no JSON"};
  try {
    backup_manifest result;
    result.format = small(root, "format");
    if (result.format != backup_format)
      return std::unexpected{
        std::format("the backup has format {}, and this program reads format "
                    "{}: use the release of Millrace that made it",
                    result.format, backup_format)};
    result.name = text(root, "name");
    result.millrace = text(root, "millrace");
    result.began = text(root, "began");
    result.ended = text(root, "ended");
    result.os_user = text(root, "os_user");
    result.host = text(root, "host");
    result.databases = list<backup_database>(root, "databases", read_database);
    return result;
  } catch (const bad_member& e) {
    return std::unexpected{std::string{"the manifest is damaged: "} + e.what()};
  }
}

std::optional<std::string> version_problem(const backup_database& x,
                                           int32_t control_version,
                                           int32_t server_version) {
  if (x.facts.control_version > control_version)
    return std::format("the backup has control migration {}, and this program "
                       "knows them up to {}: use a release of Millrace that is "
                       "not older than the one that made it",
                       x.facts.control_version, control_version);
  if (x.facts.server_version / 10'000 > server_version / 10'000)
    return std::format("the backup is of PostgreSQL {}, and the server is "
                       "PostgreSQL {}: it has to be of that release or newer",
                       x.facts.server_version / 10'000,
                       server_version / 10'000);
  return std::nullopt;
}

} // namespace millrace::cli
