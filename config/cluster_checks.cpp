// Whether the static table of the cluster fits itself, the pipelines and the
// tenants.

#include "config/checks.hpp"
#include "config/placement.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <format>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

namespace {

constexpr std::string_view unrouted = "_unrouted";

/// Each node keeps a connection to each other one.
constexpr std::size_t max_nodes = 256;

/// Of lanes and of partitions each; they are compared with each other.
constexpr std::size_t max_patterns = 4096;

std::string hint_for(std::string_view word,
                     const std::vector<std::string>& known) {
  auto near = closest(word, known);
  return near ? std::format("did you mean {}?", in_quotes(*near)) : "";
}

/// A pattern with its place in the file.
struct placed {
  std::string node;
  std::string path;
  std::string text;
  place_pattern pattern;
  source_position at;
};

std::vector<placed>
gather(const reader& in, const config& all, std::string_view key,
       std::vector<std::string> cluster_node_config::* list) {
  std::vector<placed> result;
  for (std::size_t i = 0; i < all.cluster.nodes.size(); ++i) {
    const auto& node = all.cluster.nodes[i];
    for (std::size_t j = 0; j < (node.*list).size(); ++j) {
      const auto& text = (node.*list)[j];
      auto path = std::format("cluster.static[{}].{}[{}]", i, key, j);
      if (auto pattern = parse_place(text))
        result.push_back(
          {node.node, path, text, *pattern, in.where(path, node.at)});
    }
  }
  return result;
}

void check_overlaps(reader& in, const std::vector<placed>& all) {
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (all[i].node != all[j].node
          && all[i].pattern.overlaps(all[j].pattern)) {
        in.add(all[i].at, all[i].path, in_quotes(all[i].text),
               "what no other node has",
               std::format("it overlaps {} of node {} in line {}",
                           in_quotes(all[j].text), in_quotes(all[j].node),
                           all[j].at.line));
        break;
      }
}

/// The pipelines that a pattern speaks of; none after a problem.
std::vector<const pipeline_config*> pipelines_of(reader& in, const config& all,
                                                 const placed& x) {
  std::vector<const pipeline_config*> result;
  std::vector<std::string> names;
  for (const auto& pipeline : all.pipelines) {
    names.push_back(pipeline.name);
    if (x.pattern.pipeline.empty() || x.pattern.pipeline == pipeline.name)
      result.push_back(&pipeline);
  }
  if (result.empty() && !names.empty())
    in.add(x.at, x.path,
           std::format("pipeline {}", in_quotes(x.pattern.pipeline)),
           names.size() > 10 ? "the name of a [pipeline.NAME]" : one_of(names),
           hint_for(x.pattern.pipeline, names));
  return result;
}

void check_lane_names(reader& in, const config& all, const placed& x) {
  auto pipelines = pipelines_of(in, all, x);
  if (pipelines.empty())
    return;
  std::vector<std::string> tenants;
  for (const auto& tenant : all.tenants)
    tenants.push_back(tenant.name);
  const auto& tenant = x.pattern.middle;
  if (!tenant.empty() && tenant != unrouted && !tenants.empty()
      && !std::ranges::contains(tenants, tenant)) {
    in.add(x.at, x.path, std::format("tenant {}", in_quotes(tenant)),
           tenants.size() > 10 ? "the name of a [[tenant]] or \"_unrouted\""
                               : one_of(tenants),
           hint_for(tenant, tenants));
    return;
  }
  auto lanes = 1;
  if (tenant != unrouted)
    for (const auto* pipeline : pipelines)
      lanes = std::max(lanes, pipeline->lanes);
  auto last = x.pattern.last == place_pattern::most ? x.pattern.first
                                                    : x.pattern.last;
  if (last >= lanes)
    in.add(x.at, x.path, std::format("shard {}", last),
           lanes == 1 ? "shard 0" : std::format("shards 0 to {}", lanes - 1));
}

void check_partition_names(reader& in, const config& all, const placed& x) {
  const auto& topic = x.pattern.middle;
  auto pipelines = pipelines_of(in, all, x);
  if (pipelines.empty() || topic.empty())
    return;
  std::vector<std::string> topics;
  for (const auto* pipeline : pipelines)
    for (const auto& name : pipeline->topics) {
      // A pattern of topics: which ones it finds is Kafka's to say.
      if (!is_topic(name))
        return;
      topics.push_back(name);
    }
  if (!topics.empty() && !std::ranges::contains(topics, topic))
    in.add(x.at, x.path, std::format("topic {}", in_quotes(topic)),
           topics.size() > 10 ? "a topic of the pipeline" : one_of(topics),
           hint_for(topic, topics));
}

void check_tls(reader& in, const cluster_tls_config& x) {
  auto at = in.where("cluster.tls", {in.file(), 1, 1});
  auto some = !x.certificate.empty() || !x.key.empty() || !x.authority.empty();
  for (auto [name, value] :
       {std::pair{"certificate", &x.certificate}, std::pair{"key", &x.key},
        std::pair{"authority", &x.authority}})
    if (some && value->empty())
      in.add(at, std::format("cluster.tls.{}", name), "nothing",
             "certificate, key and authority, or none of them");
}

void check_host(reader& in, const config& all, const std::string& host,
                const std::string& path, const source_position& at) {
  if (!host.empty() && !is_loopback(host) && !all.cluster.tls.enabled())
    in.add(in.where(path, at), path, in_quotes(host),
           "a loopback address (127.0.0.1, ::1 or localhost), or [cluster.tls]",
           "whoever reaches the port of a node without TLS owns the node");
}

void check_nodes(reader& in, const config& all) {
  const auto& nodes = all.cluster.nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto& x = nodes[i];
    auto path = std::format("cluster.static[{}]", i);
    auto node_path = path + ".node";
    auto address_path = path + ".address";
    if (auto address = parse_address(x.address))
      check_host(in, all, address->host, address_path, x.at);
    for (std::size_t j = 0; j < i; ++j) {
      if (!x.node.empty() && nodes[j].node == x.node)
        in.add(in.where(node_path, x.at), node_path,
               in_quotes(x.node) + " a second time", "a name of its own");
      if (!x.address.empty() && nodes[j].address == x.address)
        in.add(in.where(address_path, x.at), address_path,
               in_quotes(x.address) + " a second time",
               "an address of its own");
    }
  }
}

void check_self(reader& in, const config& all) {
  const auto& nodes = all.cluster.nodes;
  const auto& self = all.node.name;
  // Without a name in the file it is the host's, or comes from outside: the
  // node looks when it starts.
  if (nodes.empty() || self.empty()
      || std::ranges::contains(nodes, self, &cluster_node_config::node))
    return;
  std::vector<std::string> names;
  for (const auto& x : nodes)
    names.push_back(x.node);
  in.add(in.where("node.name", nodes.front().at), "node.name", in_quotes(self),
         names.size() > 10 ? "a node of [[cluster.static]]" : one_of(names),
         hint_for(self, names));
}

} // namespace

void check_cluster(reader& in, const config& all) {
  const auto& nodes = all.cluster.nodes;
  if (nodes.size() > max_nodes) {
    in.add(nodes.front().at, "cluster.static",
           std::format("{} nodes", nodes.size()),
           std::format("at most {}", max_nodes));
    return;
  }
  check_host(in, all, all.node.cluster.listen, "node.cluster.listen", {});
  check_tls(in, all.cluster.tls);
  check_nodes(in, all);
  check_self(in, all);
  auto lanes = gather(in, all, "lanes", &cluster_node_config::lanes);
  auto partitions = gather(in, all, "partitions",
                           &cluster_node_config::partitions);
  if (std::max(lanes.size(), partitions.size()) > max_patterns) {
    in.add(nodes.front().at, "cluster.static",
           std::format("{} patterns", lanes.size() + partitions.size()),
           std::format("at most {} of lanes and of partitions each",
                       max_patterns));
    return;
  }
  if (!all.kafka.group.empty() && !partitions.empty())
    in.add(partitions.front().at, partitions.front().path,
           in_quotes(partitions.front().text), "nothing here",
           "kafka.group shares the partitions out");
  for (const auto& x : lanes)
    check_lane_names(in, all, x);
  for (const auto& x : partitions)
    check_partition_names(in, all, x);
  check_overlaps(in, lanes);
  check_overlaps(in, partitions);
}

} // namespace millrace
