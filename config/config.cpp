#include "config/config.hpp"

#include <algorithm>
#include <format>

namespace millrace {

std::string to_string(const source_position& x) {
  auto result = x.file;
  if (x.line > 0)
    result += std::format(":{}", x.line);
  if (x.line > 0 && x.column > 0)
    result += std::format(":{}", x.column);
  return result;
}

std::string to_string(write_kind x) {
  switch (x) {
    case write_kind::append:
      return "append";
    case write_kind::upsert:
      return "upsert";
    case write_kind::update:
      return "update";
    case write_kind::remove:
      return "delete";
    case write_kind::soft_delete:
      return "soft_delete";
  }
  return "unknown";
}

std::string to_string(write_occasion x) {
  switch (x) {
    case write_occasion::record:
      return "record";
    case write_occasion::tombstone:
      return "tombstone";
  }
  return "unknown";
}

std::string to_string(name_case x) {
  switch (x) {
    case name_case::exact:
      return "exact";
    case name_case::any_case:
      return "any_case";
  }
  return "unknown";
}

std::string to_string(unmatched_policy x) {
  switch (x) {
    case unmatched_policy::reject:
      return "reject";
    case unmatched_policy::ignore:
      return "ignore";
  }
  return "unknown";
}

std::string to_string(missing_policy x) {
  switch (x) {
    case missing_policy::by_kind:
      return "by kind";
    case missing_policy::wait:
      return "wait";
    case missing_policy::reject:
      return "reject";
    case missing_policy::ignore:
      return "ignore";
  }
  return "unknown";
}

missing_policy missing_policy_of(const write_config& x) {
  if (x.on_missing != missing_policy::by_kind)
    return x.on_missing;
  // To delete what is not there is no mistake.
  auto deletes = x.kind == write_kind::remove
                 || x.kind == write_kind::soft_delete;
  return deletes ? missing_policy::ignore : missing_policy::wait;
}

std::string to_string(gap_policy x) {
  switch (x) {
    case gap_policy::verify:
      return "verify";
    case gap_policy::allow:
      return "allow";
    case gap_policy::strict:
      return "strict";
  }
  return "unknown";
}

std::string to_string(oversized_policy x) {
  switch (x) {
    case oversized_policy::keep:
      return "keep";
    case oversized_policy::cut:
      return "cut";
    case oversized_policy::halt:
      return "halt";
  }
  return "unknown";
}

std::string to_string(partition_every x) {
  switch (x) {
    case partition_every::hour:
      return "hour";
    case partition_every::day:
      return "day";
    case partition_every::week:
      return "week";
    case partition_every::month:
      return "month";
  }
  return "unknown";
}

std::string to_string(partition_key x) {
  switch (x) {
    case partition_key::timestamp:
      return "timestamp";
    case partition_key::milliseconds:
      return "milliseconds";
  }
  return "unknown";
}

std::string to_string(late_rows x) {
  switch (x) {
    case late_rows::wait:
      return "wait";
    case late_rows::reject:
      return "reject";
    case late_rows::catch_all:
      return "default";
  }
  return "unknown";
}

std::string to_string(partitioning_kind x) {
  switch (x) {
    case partitioning_kind::plain:
      return "plain";
    case partitioning_kind::hypertable:
      return "hypertable";
  }
  return "unknown";
}

std::string to_string(log_level x) {
  switch (x) {
    case log_level::trace:
      return "trace";
    case log_level::debug:
      return "debug";
    case log_level::info:
      return "info";
    case log_level::warn:
      return "warn";
    case log_level::error:
      return "error";
  }
  return "unknown";
}

std::string to_string(log_format x) {
  switch (x) {
    case log_format::text:
      return "text";
    case log_format::json:
      return "json";
  }
  return "unknown";
}

std::string to_string(ssl_mode x) {
  switch (x) {
    case ssl_mode::unset:
      return "";
    case ssl_mode::disable:
      return "disable";
    case ssl_mode::allow:
      return "allow";
    case ssl_mode::prefer:
      return "prefer";
    case ssl_mode::require:
      return "require";
    case ssl_mode::verify_ca:
      return "verify-ca";
    case ssl_mode::verify_full:
      return "verify-full";
  }
  return "unknown";
}

std::vector<std::pair<std::string, std::string>>
libpq_keywords(const postgresql_config& x) {
  std::vector<std::pair<std::string, std::string>> result;
  auto add = [&result](const char* name, const std::string& value) {
    if (!value.empty())
      result.emplace_back(name, value);
  };
  if (!x.url.empty()) {
    add("dbname", x.url.reveal());
    // Another database of the server that the URL names: libpq takes only the
    // first `dbname` for a URL, and the last one for the name.
    add("dbname", x.database);
  } else {
    add("host", x.host);
    add("port", std::to_string(x.port));
    add("dbname", x.database);
  }
  add("user", x.user);
  add("password", x.password.reveal());
  add("sslmode", to_string(x.sslmode));
  add("sslrootcert", x.sslrootcert);
  add("sslcert", x.sslcert);
  add("sslkey", x.sslkey);
  for (const auto& [name, value] : x.parameters)
    result.emplace_back(name, value.reveal());
  return result;
}

std::vector<const postgresql_config*> all_databases(const config& all) {
  std::vector<const postgresql_config*> result{&all.postgresql};
  for (const auto& x : all.databases)
    result.push_back(&x);
  return result;
}

const postgresql_config* find_database(const config& all,
                                       std::string_view name) {
  auto known = all_databases(all);
  auto i = std::ranges::find(known, name, [](const auto* x) -> const auto& {
    return x->name;
  });
  return i == known.end() ? nullptr : *i;
}

const postgresql_config& database_of(const config& all,
                                     std::string_view tenant) {
  auto i = std::ranges::find(all.tenants, tenant, &tenant_config::name);
  const auto* result = i == all.tenants.end() ? nullptr
                                              : find_database(all, i->database);
  return result ? *result : all.postgresql;
}

std::vector<const tenant_config*>
chosen_tenants(const config& all, const std::vector<std::string>& names,
               std::string_view database) {
  std::vector<const tenant_config*> result;
  for (const auto& x : all.tenants)
    if (x.database == database
        && (names.empty() || std::ranges::contains(names, x.name)))
      result.push_back(&x);
  return result;
}

std::string reading_name(std::string_view pipeline, std::string_view database) {
  std::string result{pipeline};
  if (database != control_database)
    result.append("@").append(database);
  return result;
}

std::vector<std::pair<std::string, std::string>>
librdkafka_properties(const kafka_config& x) {
  std::vector<std::pair<std::string, std::string>> result;
  if (!x.bootstrap.empty())
    result.emplace_back("bootstrap.servers", x.bootstrap);
  for (const auto& [name, value] : x.properties)
    result.emplace_back(name, value.reveal());
  return result;
}

} // namespace millrace
