// The tables [postgresql] and [database.NAME].

#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

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
                      "`keepalives_idle = 30` (in seconds; 10 unless given; "
                      "the server's side of a connection gets it as well). "
                      "Passed on as it is."}),
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
    bind<&c::max_sessions>(
      {.path = "max_sessions",
       .type = integer,
       .default_value = "40",
       .least = 1,
       .most = 10'000,
       .description = "Connections per node to this database: those of all "
                      "tenants, and two for questions about lanes and floors. "
                      "It may be less than the tenants' `sessions` together: "
                      "then they take turns. Not counted: one while tables "
                      "are read at a start, one of the keeper of dead letters "
                      "while it looks, one for the lease of the coordinator, "
                      "and two more while this node coordinates."}),
    bind<&c::max_flushes>(
      {.path = "max_flushes",
       .type = integer,
       .default_value = "8",
       .least = 1,
       .most = 10'000,
       .description = "Transactions that write rows into this database at the "
                      "same time, of all tenants on a node. Lanes that wait "
                      "for their turn go on collecting, so that a busy server "
                      "gets fewer and larger ones. More for a server with "
                      "many processors, or one that is far away."}),
    timeout(bind<&c::session_idle_timeout>(
              {.path = "session_idle_timeout",
               .description = "After which a connection without work is "
                              "closed; the next work opens one again."}),
            "\"5m\""),
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

section<postgresql_config> make_database() {
  auto entries = postgresql_target();
  for (auto& x : postgresql_use()) {
    x.info.default_note = "`postgresql." + x.info.path + "`";
    entries.push_back(std::move(x));
  }
  return make_section<postgresql_config>(
    "database.*",
    "A database beside `[postgresql]`, for the tenants that name it. With "
    "neither `url` nor `host` it is another database of the same server: then "
    "all that is not given is as in `[postgresql]`.",
    std::move(entries));
}

} // namespace

const section<postgresql_config>& postgresql() {
  static const auto result = make_postgresql();
  return result;
}

const section<postgresql_config>& database() {
  static const auto result = make_database();
  return result;
}

} // namespace millrace::schema
