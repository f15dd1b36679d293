#include "config/schema.hpp"

#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

constexpr auto loopback_form = "a loopback address (127.0.0.1, ::1 or "
                               "localhost) until nodes speak mTLS";

section<listen_config> make_listen(std::string path, std::string description,
                                   std::string port) {
  return make_section<listen_config>(
    std::move(path), std::move(description),
    {
      bind<&listen_config::listen, is_loopback>(
        {.path = "listen",
         .type = text,
         .form = loopback_form,
         .default_value = "\"127.0.0.1\"",
         .description = "Address to listen on. Other than loopback addresses "
                        "are refused until nodes speak mTLS."}),
      bind<&listen_config::port>({.path = "port",
                                  .type = integer,
                                  .default_value = std::move(port),
                                  .most = 65535,
                                  .description = "TCP port; 0 takes any free "
                                                 "one."}),
    });
}

section<node_config> make_node() {
  return make_section<node_config>(
    "node", "This process.",
    {
      bind<&node_config::name, is_node_name>(
        {.path = "name",
         .type = text,
         .form = "a name of A-Z, a-z, 0-9, dot, _ and -, at most 64 characters",
         .default_note = "the host's name",
         .description = "Name of the node in logs, metrics and "
                        "`millrace.node`."}),
      bind<&node_config::grace>(
        {.path = "grace",
         .type = duration,
         .default_value = "\"10s\"",
         .least = 100,
         .most = 10 * minute,
         .description = "How long an orderly stop may take after SIGTERM. "
                        "What is not finished then is read again at the next "
                        "start; nothing is lost."}),
      bind<&node_config::memory_bytes>(
        {.path = "memory_bytes",
         .type = size,
         .default_value = "\"512MiB\"",
         .least = 64 * mib,
         .most = 1024 * gib,
         .description = "Bound of all buffers of events in the process. A "
                        "full node reads more slowly."}),
      bind<&node_config::threads>(
        {.path = "threads",
         .type = integer,
         .default_value = "0",
         .most = 1024,
         .description = "Threads that run actors; 0 takes one per core."}),
    },
    {"admin", "cluster", "log"});
}

section<log_config> make_log() {
  return make_section<log_config>(
    "node.log", "Logs go to standard error.",
    {
      bind<&log_config::level>(
        {.path = "level",
         .type = choice,
         .default_value = "\"info\"",
         .choices = choices(log_level::trace, log_level::error),
         .description = "Least level that is logged."}),
      bind<&log_config::format>(
        {.path = "format",
         .type = choice,
         .default_value = "\"text\"",
         .choices = choices(log_format::text, log_format::json),
         .description = "key=value lines for people, or a JSON object a line "
                        "for machines."}),
    });
}

bound<postgresql_config> timeout(bound<postgresql_config> x,
                                 std::string default_value) {
  x.info.type = duration;
  x.info.default_value = std::move(default_value);
  x.info.least = 100;
  x.info.most = day;
  return x;
}

bound<postgresql_config> file(bound<postgresql_config> x) {
  x.info.type = text;
  x.info.form = path_form;
  return x;
}

std::vector<bound<postgresql_config>> postgresql_target() {
  using c = postgresql_config;
  return {
    bind<&c::url, is_postgresql_url>(
      {.path = "url",
       .type = url,
       .form = "postgresql://[user@]host[:port]/database",
       .description = "The database as a URL, in place of `host`, `port` and "
                      "`database`. A URL that holds a password comes from "
                      "`{ env = \"NAME\" }` or `{ file = \"PATH\" }`."}),
    bind<&c::host, is_plain_text>(
      {.path = "host",
       .type = text,
       .form = "a host name, an address or the folder of a socket",
       .description = "Server, or several with commas in between: the first "
                      "that takes writes is used."}),
    bind<&c::port>({.path = "port",
                    .type = integer,
                    .default_value = "5432",
                    .least = 1,
                    .most = 65535,
                    .description = "TCP port of the server."}),
    bind<&c::database, is_plain_text>(
      {.path = "database",
       .type = text,
       .form = "the name of a database",
       .description = "Database that holds the tenants' schemas and the "
                      "control schema `millrace`."}),
    bind<&c::user, is_plain_text>(
      {.path = "user",
       .type = text,
       .form = "the name of a role",
       .default_note = "libpq's: the user of the process",
       .description = "Role that writes."}),
    bind<&c::password>({.path = "password",
                        .type = option_type::secret,
                        .description = "Password of the role."}),
    bind<&c::sslmode>(
      {.path = "sslmode",
       .type = choice,
       .default_note = "libpq's: `prefer`",
       .choices = choices(ssl_mode::disable, ssl_mode::verify_full),
       .description = "How far TLS is demanded. Across a network: "
                      "`verify-full`, with `sslrootcert`."}),
    file(bind<&c::sslrootcert, is_plain_text>(
      {.path = "sslrootcert",
       .description = "Certificates that may sign the server's one; `system` "
                      "takes those of the machine."})),
    file(bind<&c::sslcert, is_plain_text>(
      {.path = "sslcert", .description = "Certificate of this client."})),
    file(bind<&c::sslkey, is_plain_text>(
      {.path = "sslkey",
       .description = "Private key of this client; readable by its owner "
                      "only."})),
    bind<&c::parameters>(
      {.path = "parameters",
       .type = properties,
       .description = "Any other libpq parameter, for example "
                      "`keepalives_idle = 30`. Passed on as it is."}),
  };
}

std::vector<bound<postgresql_config>> postgresql_use() {
  using c = postgresql_config;
  return {
    bind<&c::sessions>({.path = "sessions",
                        .type = integer,
                        .default_value = "4",
                        .least = 1,
                        .most = 1000,
                        .description = "Connections per tenant and node, "
                                       "unless the tenant says otherwise."}),
    timeout(bind<&c::connect_timeout>(
              {.path = "connect_timeout",
               .description = "To open a connection, log-in included."}),
            "\"10s\""),
    timeout(bind<&c::statement_timeout>(
              {.path = "statement_timeout",
               .description = "For one statement of a flush."}),
            "\"60s\""),
    timeout(bind<&c::lock_timeout>(
              {.path = "lock_timeout",
               .description = "To wait for a lock; the flush is tried again "
                              "afterwards."}),
            "\"5s\""),
    timeout(bind<&c::idle_in_transaction_timeout>(
              {.path = "idle_in_transaction_timeout",
               .description = "After which the server ends a transaction "
                              "whose client fell silent, so that a frozen "
                              "node cannot hold a lane."}),
            "\"60s\""),
    timeout(bind<&c::tcp_user_timeout>(
              {.path = "tcp_user_timeout",
               .description = "For sent bytes to be acknowledged by the other "
                              "machine before the connection counts as "
                              "lost."}),
            "\"30s\""),
    timeout(bind<&c::connection_check_interval>(
              {.path = "connection_check_interval",
               .description = "How often the server looks during a statement "
                              "whether its client is still there."}),
            "\"10s\""),
    bind<&c::auto_migrate>(
      {.path = "auto_migrate",
       .type = boolean,
       .default_value = "true",
       .description = "Apply missing migrations when the node starts. When "
                      "false, run `millrace migrate up` before."}),
  };
}

section<postgresql_config> make_postgresql() {
  auto entries = postgresql_target();
  for (auto& x : postgresql_use())
    entries.push_back(std::move(x));
  return make_section<postgresql_config>(
    "postgresql",
    "Where rows go: either `url`, or `host` and `database` with the other "
    "parts.",
    std::move(entries));
}

section<kafka_config> make_kafka() {
  return make_section<kafka_config>(
    "kafka", "Where records come from.",
    {
      bind<&kafka_config::bootstrap, is_bootstrap>(
        {.path = "bootstrap",
         .type = text,
         .form = "host:port, several with commas in between",
         .description = "Brokers to ask first. Needed unless `embedded`."}),
      bind<&kafka_config::properties>(
        {.path = "properties",
         .type = properties,
         .description = "Any librdkafka property, for example "
                        "`security.protocol = \"SASL_SSL\"`. Those that the "
                        "protocol depends on are refused: "
                        "`auto.offset.reset`, `enable.auto.commit`, "
                        "`enable.auto.offset.store`, `isolation.level`, "
                        "`enable.partition.eof`, `check.crcs`, "
                        "`allow.auto.create.topics`."}),
      bind<&kafka_config::metadata_interval>(
        {.path = "metadata_interval",
         .type = duration,
         .default_value = "\"30s\"",
         .least = 100,
         .most = hour,
         .description = "How often a node looks for topics and partitions "
                        "that are new, and for topics that were adopted."}),
      bind<&kafka_config::allow_unidentified_topics>(
        {.path = "allow_unidentified_topics",
         .type = boolean,
         .default_value = "false",
         .description = "Read topics of brokers that have no topic ids "
                        "(before 2.8). A topic that is deleted and made again "
                        "is then not noticed: its records can be taken for "
                        "those of the old one, or be left out."}),
      bind<&kafka_config::embedded>(
        {.path = "embedded",
         .type = boolean,
         .default_value = "false",
         .description = "Use a broker inside the process in place of a "
                        "cluster. For demos and tests: it keeps nothing on "
                        "disk."}),
    });
}

section<redis_config> make_redis() {
  return make_section<redis_config>(
    "redis", "Caches to keep honest. Optional as a whole.",
    {
      bind<&redis_config::url, is_redis_url>(
        {.path = "url",
         .type = url,
         .form = "redis://host[:port][/number]",
         .required = true,
         .description = "The server as `redis://`, `rediss://` (TLS) or "
                        "`unix://` URL."}),
      bind<&redis_config::password>({.path = "password",
                                     .type = option_type::secret,
                                     .description = "Password of the "
                                                    "server."}),
    });
}

section<dead_letters_config> make_dead_letters() {
  return make_section<dead_letters_config>(
    "dead_letters",
    "What `millrace dlq prune` leaves. A node removes no dead letters by "
    "itself.",
    {
      bind<&dead_letters_config::keep>(
        {.path = "keep",
         .type = duration,
         .default_value = "\"90d\"",
         .least = hour,
         .most = 36'500 * day,
         .description = "Age of the oldest dead letters."}),
      bind<&dead_letters_config::max_bytes>(
        {.path = "max_bytes",
         .type = size,
         .default_value = "\"10GiB\"",
         .least = mib,
         .most = 1024 * 1024 * gib,
         .description = "Bytes of their keys, headers and values; beyond, the "
                        "oldest go."}),
    });
}

section<tenant_config> make_tenant() {
  return make_section<tenant_config>(
    "tenant[]",
    "One `[[tenant]]` for each owner of data. At least one is needed.",
    {
      bind<&tenant_config::name, is_name>(
        {.path = "name",
         .type = text,
         .form = name_form,
         .required = true,
         .description = "Name of the tenant, unique."}),
      bind<&tenant_config::schema, is_schema>(
        {.path = "schema",
         .type = text,
         .form = "the name of a schema: a-z, 0-9 and _, at most 48 "
                 "characters, neither millrace nor pg_...",
         .default_note = "`tenant_` and the name",
         .description = "Schema that holds the tenant's tables, unique."}),
      bind<&tenant_config::sessions>(
        {.path = "sessions",
         .type = integer,
         .default_note = "`postgresql.sessions`",
         .least = 1,
         .most = 1000,
         .description = "Connections for this tenant per node."}),
    });
}

} // namespace

const section<node_config>& node() {
  static const auto result = make_node();
  return result;
}

const section<listen_config>& admin() {
  static const auto result
    = make_listen("node.admin", "HTTP: health, metrics, inspection.", "9650");
  return result;
}

const section<log_config>& log() {
  static const auto result = make_log();
  return result;
}

const section<postgresql_config>& postgresql() {
  static const auto result = make_postgresql();
  return result;
}

const section<kafka_config>& kafka() {
  static const auto result = make_kafka();
  return result;
}

const section<redis_config>& redis() {
  static const auto result = make_redis();
  return result;
}

const section<dead_letters_config>& dead_letters() {
  static const auto result = make_dead_letters();
  return result;
}

const section<tenant_config>& tenant() {
  static const auto result = make_tenant();
  return result;
}

std::vector<const section_info*> all() {
  return {&node(),       &admin(),          &cluster(),    &log(),
          &postgresql(), &kafka(),          &redis(),      &dead_letters(),
          &tenant(),     &pipeline(),       &limits(),     &event(),
          &write(),      &cluster_static(), &cluster_tls()};
}

const std::vector<std::string>& roots() {
  static const std::vector<std::string> result{"node",         "postgresql",
                                               "kafka",        "redis",
                                               "dead_letters", "tenant",
                                               "pipeline",     "cluster"};
  return result;
}

} // namespace millrace::schema
