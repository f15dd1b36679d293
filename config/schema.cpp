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
    "What of the dead letters is kept. A node removes what is beyond, and so "
    "does `millrace dlq prune`.",
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
      bind<&dead_letters_config::prune_interval>(
        {.path = "prune_interval",
         .type = duration,
         .default_value = "\"1h\"",
         .least = 0,
         .most = 365 * day,
         .description = "How often a node removes what is beyond `keep` and "
                        "`max_bytes`, one node at a time. It warns from 80 % "
                        "of `max_bytes` on and 7 days before `keep`. 0: only "
                        "`millrace dlq prune` removes any."}),
    });
}

/// What needs no quotes in the options of a session.
bool is_role(std::string_view x) {
  return is_node_name(x) && x.size() <= 63 && !x.contains('.');
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
         .description = "Schema that holds the tenant's tables, unique "
                        "within its database."}),
      bind<&tenant_config::database, is_name>(
        {.path = "database",
         .type = text,
         .form = "the name of a [database.NAME]",
         .default_note = "that of `[postgresql]`",
         .description = "Database that holds the tenant's rows. A tenant that "
                        "has been written cannot be given another one."}),
      bind<&tenant_config::sessions>(
        {.path = "sessions",
         .type = integer,
         .default_note = "`postgresql.sessions`",
         .least = 1,
         .most = 1000,
         .description = "Connections for this tenant per node."}),
      bind<&tenant_config::role, is_role>(
        {.path = "role",
         .type = text,
         .form = "the name of a role: letters, digits, _ and -, at most 63 "
                 "characters",
         .default_note = "the role that logs in",
         .description = "Role that the tenant's sessions take on (`SET ROLE`), "
                        "so that they can do no more than it may. The role "
                        "that logs in must be a member."}),
      bind<&tenant_config::max_bytes>(
        {.path = "max_bytes",
         .type = size,
         .default_note = "no limit but `node.memory_bytes`",
         .least = mib,
         .most = 1024 * gib,
         .description = "Bytes of the tenant that a node has on their way to "
                        "its lanes. Beyond, each lane of a partition still "
                        "gets one batch at a time."}),
      bind<&tenant_config::max_bytes_per_second>(
        {.path = "max_bytes_per_second",
         .type = size,
         .default_note = "no limit",
         .least = kib,
         .most = 1024 * gib,
         .description = "Bytes of the tenant that a node sends to lanes in a "
                        "second, in the long run. What is beyond waits in "
                        "Kafka."}),
      bind<&tenant_config::max_rows_per_second>(
        {.path = "max_rows_per_second",
         .type = integer,
         .default_note = "no limit",
         .least = 1,
         .most = 1'000'000'000,
         .description = "The same in rows, rejects included."}),
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
  return {&node(),           &admin(),      &cluster(),       &log(),
          &postgresql(),     &database(),   &kafka(),         &redis(),
          &dead_letters(),   &waiting(),    &coordinator(),   &tenant(),
          &pipeline(),       &limits(),     &event(),         &write(),
          &partition(),      &series(),     &own_partition(), &migrations(),
          &cluster_static(), &cluster_tls()};
}

const std::vector<std::string>& roots() {
  static const std::vector<std::string> result{
    "node",         "postgresql", "database", "kafka",   "redis",
    "dead_letters", "tenant",     "pipeline", "cluster", "waiting",
    "coordinator",  "migrations", "partition"};
  return result;
}

} // namespace millrace::schema
