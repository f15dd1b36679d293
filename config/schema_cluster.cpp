// The options of a cluster: where nodes listen, who they are, what is placed
// on them.

#include "config/placement.hpp"
#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<listen_config> make_cluster() {
  return make_section<listen_config>(
    "node.cluster",
    "Where this node listens for the other nodes of `[[cluster.static]]`. "
    "Without effect when that table is missing.",
    {
      bind<&listen_config::listen, is_plain_text>(
        {.path = "listen",
         .type = text,
         .form = "an address of this machine",
         .default_note = "the host of its own `cluster.static.address`",
         .description = "Address to listen on. Other than loopback addresses "
                        "need `[cluster.tls]`."}),
      bind<&listen_config::port>(
        {.path = "port",
         .type = integer,
         .default_note = "the port of its own `cluster.static.address`",
         .most = 65535,
         .description = "TCP port to listen on; 0 takes the one of the "
                        "address."}),
    });
}

section<cluster_tls_config> make_cluster_tls() {
  using c = cluster_tls_config;
  return make_section<c>(
    "cluster.tls",
    "TLS between nodes, where both sides show a certificate. Needed for other "
    "than loopback addresses. The authority is one of the cluster's own: it "
    "alone says who is a node, host names are not compared.",
    {
      bind<&c::certificate, is_plain_text>(
        {.path = "certificate",
         .type = text,
         .form = path_form,
         .description = "Certificate of this node, in PEM."}),
      bind<&c::key, is_plain_text>(
        {.path = "key",
         .type = text,
         .form = path_form,
         .description = "Private key of this node, in PEM, without a "
                        "passphrase."}),
      bind<&c::authority, is_plain_text>(
        {.path = "authority",
         .type = text,
         .form = path_form,
         .description = "Certificates that may sign those of the nodes, in "
                        "PEM."}),
    });
}

section<cluster_node_config> make_cluster_static() {
  using c = cluster_node_config;
  return make_section<c>(
    "cluster.static[]",
    "One `[[cluster.static]]` for each node, the same in every node's file; "
    "without any, a node is alone and does everything. A lane or partition "
    "that nobody lists belongs to the node that a fixed hash of its name and "
    "the nodes' names picks; two nodes may not list the same. In a pattern, "
    "`*` stands for any name or number, and at the end for all that follows: "
    "`ticks/*` is all of pipeline `ticks`. Numbers may be ranges: `0-3`.",
    {
      bind<&c::node, is_node_name>(
        {.path = "node",
         .type = text,
         .form = "a name of A-Z, a-z, 0-9, dot, _ and -, at most 64 characters",
         .required = true,
         .description = "The node's `node.name`, unique."}),
      bind<&c::address, is_address>(
        {.path = "address",
         .type = text,
         .form = "host:port",
         .required = true,
         .description = "Where the other nodes reach it. Other than loopback "
                        "addresses need `[cluster.tls]`."}),
      bind<&c::lanes, is_lane_pattern>(
        {.path = "lanes",
         .type = text_list,
         .form = "PIPELINE/TENANT/SHARDS such as \"ticks/demo/0-3\", or "
                 "\"ticks/*\"",
         .default_note = "what the hash picks",
         .description = "Lanes that this node writes."}),
      bind<&c::partitions, is_partition_pattern>(
        {.path = "partitions",
         .type = text_list,
         .form = "PIPELINE/TOPIC/PARTITIONS such as \"ticks/ticks/0-3\", or "
                 "\"ticks/*\"",
         .default_note = "what the hash picks",
         .description = "Partitions that this node reads."}),
    });
}

} // namespace

const section<listen_config>& cluster() {
  static const auto result = make_cluster();
  return result;
}

const section<cluster_tls_config>& cluster_tls() {
  static const auto result = make_cluster_tls();
  return result;
}

const section<cluster_node_config>& cluster_static() {
  static const auto result = make_cluster_static();
  return result;
}

} // namespace millrace::schema
