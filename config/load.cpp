#include "config/load.hpp"

#include "config/backfills.hpp"
#include "config/checks.hpp"
#include "config/file.hpp"
#include "config/load_parts.hpp"
#include "config/postgresql_place.hpp"
#include "config/reader.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <cstdlib>
#include <format>
#include <tuple>

namespace millrace {

namespace {

namespace fs = std::filesystem;

/// More are not shown; nobody reads them.
constexpr std::size_t max_problems = 200;

/// Each costs a consumer with its own connections.
constexpr std::size_t max_pipelines = 256;

// -- pipelines ----------------------------------------------------------------

write_config read_write(reader& in, const tree_node& from,
                        const std::string& path) {
  write_config to;
  to.at = from.at;
  read_section(in, schema::write(), from, path, to);
  check_required(in, schema::write(), from.at, path);
  check_write(in, to, path);
  return to;
}

std::vector<write_config> read_writes(reader& in, const tree_node& from,
                                      const std::string& path,
                                      const std::string& header) {
  std::vector<write_config> result;
  auto tables = tables_in(in, from, "write", path + ".write",
                          header + ".write");
  for (std::size_t i = 0; i < tables.size(); ++i)
    result.push_back(
      read_write(in, *tables[i], std::format("{}.write[{}]", path, i)));
  return result;
}

std::vector<event_config> read_events(reader& in, const tree_node& from,
                                      const std::string& path) {
  std::vector<event_config> result;
  auto header = path + ".event";
  auto tables = tables_in(in, from, "event", header, header);
  // Then an event may be of interest to the log alone.
  auto logged = std::ranges::any_of(tables, [](const tree_node* x) {
    const auto* every = x->find("every");
    return every && every->value.boolean;
  });
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto event_path = std::format("{}[{}]", header, i);
    event_config to;
    to.at = tables[i]->at;
    read_section(in, schema::event(), *tables[i], event_path, to);
    check_required(in, schema::event(), to.at, event_path);
    check_event(in, to, event_path);
    if (!to.name.empty()
        && std::ranges::find(result, to.name, &event_config::name)
             != result.end())
      in.add(in.where(event_path + ".name", to.at), event_path + ".name",
             in_quotes(to.name) + " a second time", "a name of its own");
    if (tables[i]->find("write") || !logged || to.every)
      to.writes = read_writes(in, *tables[i], event_path, header);
    result.push_back(std::move(to));
  }
  check_writes(in, result, header);
  return result;
}

void read_keys(reader& in, const tree_node& from, const std::string& path,
               pipeline_config& to) {
  read_section(in, schema::pipeline(), from, path, to);
  auto limits = path + ".limits";
  read_section(in, schema::limits(), *table_in(in, from, "limits", limits),
               limits, to.limits);
}

/// Where a pack is, or nothing after a problem.
std::optional<fs::path> find_pack(reader& in, const std::string& name,
                                  const source_position& at,
                                  const std::string& path) {
  std::vector<std::string> known;
  std::string searched;
  for (const auto& folder : in.outside().pack_directories) {
    std::error_code error;
    auto file = folder / (name + ".toml");
    if (fs::exists(file, error))
      return file;
    for (const auto& entry : fs::directory_iterator{folder, error})
      if (entry.path().extension() == ".toml")
        known.push_back(entry.path().stem().string());
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  std::ranges::sort(known);
  auto near = closest(name, known);
  in.add(at, path, in_quotes(name),
         searched.empty() ? "no pack: there is no folder of packs"
                          : std::format("the name of a pack in {}", searched),
         near ? std::format("did you mean {}?", in_quotes(*near)) : "");
  return std::nullopt;
}

/// What the pack says, without what only the user can say. Nothing after a
/// problem that leaves no pipeline.
std::optional<pipeline_config>
read_pack(reader& in, const std::string& name, const source_position& at,
          const std::string& path, std::vector<problem>& problems) {
  auto file = find_pack(in, name, at, path + ".pack");
  if (!file)
    return std::nullopt;
  reader pack{file->string(), in.outside(), problems};
  source_position whole{file->string(), 0, 0};
  auto text = read_regular_file(*file, max_file_bytes);
  if (!text) {
    pack.add(whole, "", text.error(), "a pack that can be read");
    return std::nullopt;
  }
  auto tree = parse_tree(*text, file->string());
  if (!tree) {
    problems.push_back(std::move(tree.error()));
    return std::nullopt;
  }
  const auto* root = tree->find("pipeline");
  if (tree->members.size() != 1 || !root || root->value.kind != node_kind::table
      || root->value.members.size() != 1
      || root->value.members[0].value.kind != node_kind::table) {
    pack.add(whole, "", "other tables",
             "one [pipeline.NAME] and nothing else in a pack");
    return std::nullopt;
  }
  const auto& [key, key_at, from] = root->value.members[0];
  auto inner = "pipeline." + key;
  if (const auto* nested = from.find("pack"))
    pack.add(nested->value.at, inner + ".pack", describe(nested->value),
             "no pack inside a pack");
  pipeline_config to;
  fill_defaults(pack, schema::pipeline(), to);
  fill_defaults(pack, schema::limits(), to.limits);
  read_keys(pack, from, inner, to);
  to.events = read_events(pack, from, inner);
  to.partitions = read_partitions(pack, from, inner);
  to.series = read_series(pack, from, inner);
  for (const auto& x : schema::pipeline().options)
    if (auto given = std::format("{}.{}", inner, key_of(x)); pack.given(given))
      in.note(std::format("{}.{}", path, key_of(x)), pack.where(given, whole));
  return to;
}

/// Keys that a pack has said already.
void check_overrides(reader& in, const tree_node& from,
                     const std::string& path) {
  const auto& options = schema::pipeline().options;
  for (const auto& [key, key_at, value] : from.members) {
    auto i = std::ranges::find(options, key, key_of);
    auto fixed = i == options.end() ? key == "event" : !i->overrides_pack;
    if (fixed)
      in.add(key_at, path + "." + key, "a key that the pack sets",
             "only topics, tenant, lanes, start, start_offsets, backfills, "
             "tables, gaps, partitioning, partition, series and limits beside "
             "pack");
  }
}

pipeline_config read_pipeline(reader& in, const tree_member& member,
                              std::vector<problem>& problems) {
  pipeline_config to;
  const auto& from = member.value;
  auto path = "pipeline." + member.key;
  if (from.kind != node_kind::table) {
    in.add(from.at, path, describe(from), std::format("a table [{}]", path));
    return to;
  }
  in.note(path, from.at);
  std::optional<pipeline_config> pack;
  const auto* pack_name = from.find("pack");
  auto named = pack_name && pack_name->value.kind == node_kind::text
               && is_pack_name(pack_name->value.text);
  if (named)
    pack = read_pack(in, pack_name->value.text, pack_name->value.at, path,
                     problems);
  if (pack) {
    to = std::move(*pack);
  } else {
    fill_defaults(in, schema::pipeline(), to);
    fill_defaults(in, schema::limits(), to.limits);
  }
  to.name = member.key;
  to.at = from.at;
  if (pack_name)
    check_overrides(in, from, path);
  read_keys(in, from, path, to);
  override_tables(to.partitions, read_partitions(in, from, path));
  override_tables(to.series, read_series(in, from, path));
  if (pack_name && !pack)
    return to;
  check_required(in, schema::pipeline(), from.at, path);
  if (!pack)
    to.events = read_events(in, from, path);
  for (const auto& unknown : unknown_tables(to))
    in.add(in.where(path + ".tables", from.at), path + ".tables",
           in_quotes(unknown), "a table that its writes name");
  return to;
}

void read_pipelines(reader& in, const tree_node& root,
                    std::vector<problem>& problems, config& to) {
  const auto* member = root.find("pipeline");
  const auto& table = *table_in(in, root, "pipeline", "pipeline");
  if (!member || (&table != &no_table && table.members.empty()))
    in.add(member ? member->value.at : root.at, "pipeline", "nothing",
           "at least one [pipeline.NAME]");
  if (table.members.size() > max_pipelines) {
    in.add(member->key_at, "pipeline",
           std::format("{} pipelines", table.members.size()),
           std::format("at most {}", max_pipelines));
    return;
  }
  for (const auto& x : table.members) {
    if (!is_name(x.key))
      in.add(x.key_at, "pipeline." + x.key, in_quotes(x.key),
             "a name of a-z, 0-9 and _ that begins with a letter, at most 41 "
             "characters");
    to.pipelines.push_back(read_pipeline(in, x, problems));
  }
}

// -- the rest -----------------------------------------------------------------

void read_cluster(reader& in, const tree_node& root, cluster_config& to) {
  const auto& table = *table_in(in, root, "cluster", "cluster");
  section_info known;
  known.path = "cluster";
  known.children = {"static", "tls"};
  for (const auto& member : table.members)
    if (std::ranges::find(known.children, member.key) == known.children.end())
      add_unknown_key(in, known, member, "cluster");
  read_section(in, schema::cluster_tls(),
               *table_in(in, table, "tls", "cluster.tls"), "cluster.tls",
               to.tls);
  if (!table.find("static"))
    return;
  auto tables = tables_in(in, table, "static", "cluster.static",
                          "cluster.static");
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto path = std::format("cluster.static[{}]", i);
    cluster_node_config node;
    node.at = tables[i]->at;
    read_section(in, schema::cluster_static(), *tables[i], path, node);
    check_required(in, schema::cluster_static(), node.at, path);
    to.nodes.push_back(std::move(node));
  }
}

template <class T>
void read_table(reader& in, const section<T>& what, const tree_node& parent,
                T& to) {
  fill_defaults(in, what, to);
  auto key = what.path.substr(what.path.rfind('.') + 1);
  read_section(in, what, *table_in(in, parent, key, what.path), what.path, to);
}

void read_root(reader& in, const tree_node& root,
               std::vector<problem>& problems, config& to) {
  section_info top;
  top.children = schema::roots();
  for (const auto& member : root.members)
    if (std::ranges::find(top.children, member.key) == top.children.end())
      add_unknown_key(in, top, member, "");
  read_table(in, schema::node(), root, to.node);
  const auto* node_member = root.find("node");
  const auto& node = node_member ? node_member->value : no_table;
  read_table(in, schema::admin(), node, to.node.admin);
  read_table(in, schema::cluster(), node, to.node.cluster);
  read_table(in, schema::log(), node, to.node.log);
  read_table(in, schema::postgresql(), root, to.postgresql);
  check_postgresql(in, to.postgresql, "postgresql");
  read_databases(in, root, to);
  read_table(in, schema::kafka(), root, to.kafka);
  check_kafka(in, to.kafka);
  if (const auto* redis = root.find("redis")) {
    to.redis.emplace();
    read_table(in, schema::redis(), root, *to.redis);
    check_required(in, schema::redis(), redis->value.at, "redis");
  }
  read_table(in, schema::dead_letters(), root, to.dead_letters);
  read_table(in, schema::waiting(), root, to.waiting);
  check_waiting(in, to.waiting);
  read_table(in, schema::coordinator(), root, to.coordinator);
  if (!in.outside().node_name.empty())
    to.node.name = in.outside().node_name;
  read_cluster(in, root, to.cluster);
  read_tenants(in, root, to);
  read_pipelines(in, root, problems, to);
  for (const auto& pipeline : to.pipelines)
    if (!pipeline.name.empty())
      check_pipeline(in, to, pipeline);
  // Not before: problems name writes by their places in the file.
  std::ranges::for_each(to.pipelines, keep_own_tables);
  read_migrations(in, root, to);
  read_own_partitions(in, root, to);
  check_cluster(in, to);
}

/// The file's own problems first, each file from top to bottom.
void put_in_order(std::vector<problem>& problems, const std::string& name) {
  std::ranges::stable_sort(problems, {}, [&name](const problem& x) {
    return std::tuple{x.at.file != name, x.at.file, x.at.line, x.at.column};
  });
  if (problems.size() <= max_problems)
    return;
  auto more = problems.size() - max_problems;
  problems.resize(max_problems);
  problems.push_back({{name, 0, 0},
                      "",
                      std::format("{} more problems", more),
                      "none",
                      "mend those above first"});
}

} // namespace

std::string to_string(const problem& x) {
  auto result = to_string(x.at) + ": ";
  if (!x.path.empty())
    result += x.path + ": ";
  result += std::format("found {}, expected {}", x.found, x.expected);
  if (!x.hint.empty())
    result += "; " + x.hint;
  return printable(result);
}

std::optional<std::string>
load_options::variable(const std::string& name) const {
  if (environment)
    return environment(name);
  const auto* text = std::getenv(name.c_str());
  return text ? std::optional<std::string>{text} : std::nullopt;
}

load_result parse_config(std::string_view text, const std::string& name,
                         const load_options& options) {
  auto tree = parse_tree(text, name);
  if (!tree)
    return std::unexpected{std::vector{std::move(tree.error())}};
  std::vector<problem> problems;
  tree->at = {name, 1, 1};
  auto outside = put_postgresql_url(*tree, options);
  reader in{name, outside, problems};
  if (tree->members.empty()) {
    in.add({name, 1, 1}, "", text.empty() ? "an empty file" : "no keys",
           "[postgresql], [kafka], [[tenant]] and [pipeline.NAME]");
    return std::unexpected{std::move(problems)};
  }
  config result;
  read_root(in, *tree, problems, result);
  if (problems.empty())
    return result;
  put_in_order(problems, name);
  return std::unexpected{std::move(problems)};
}

load_result load_config(const std::filesystem::path& file,
                        const load_options& options) {
  auto text = read_regular_file(file, max_file_bytes);
  if (text)
    return parse_config(*text, file.string(), options);
  return std::unexpected{
    std::vector{problem{{file.string(), 0, 0},
                        "",
                        text.error(),
                        std::format("a file of at most {} that can be read",
                                    format_size(max_file_bytes)),
                        ""}}};
}

} // namespace millrace
