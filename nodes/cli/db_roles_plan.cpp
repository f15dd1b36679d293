#include "nodes/cli/db_roles_plan.hpp"

#include "actors/store/sql_text.hpp"

#include <format>

namespace millrace::cli {

namespace {

constexpr std::string_view granted_control = "millrace";
constexpr std::string_view may_write = "SELECT, INSERT, UPDATE, DELETE";

std::string role_name(std::string_view prefix, std::string_view tenant,
                      std::string_view what) {
  return tenant.empty() ? std::format("{}_{}", prefix, what)
                        : std::format("{}_{}_{}", prefix, tenant, what);
}

class role_planning {
public:
  explicit role_planning(const role_request& x) : x_{x} {
  }

  void make(const std::string& role) {
    if (!x_.known.contains(role))
      add("CREATE ROLE {} NOLOGIN", quote_identifier(role));
  }

  /// `to` may write the schema's tables, those of later migrations too.
  void let_write(const std::string& to, std::string_view schema) {
    let(to, schema, may_write);
    auto role = quote_identifier(to);
    auto in = quote_identifier(schema);
    add("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}", in, role);
    add("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT USAGE, SELECT "
        "ON SEQUENCES TO {}",
        quote_identifier(x_.owner), in, role);
    add("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {} TO {}", in, role);
    add("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT EXECUTE ON "
        "FUNCTIONS TO {}",
        quote_identifier(x_.owner), in, role);
  }

  void let_read(const std::string& to, std::string_view schema) {
    let(to, schema, "SELECT");
  }

  void join(const std::string& member, const std::string& group) {
    add("GRANT {} TO {}", quote_identifier(group), quote_identifier(member));
  }

  void shut(std::string_view schema) {
    add("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {} FROM PUBLIC",
        quote_identifier(schema));
  }

  std::vector<std::string> take() {
    return std::move(all_);
  }

private:
  template <class... Args>
  void add(std::format_string<Args...> text, Args&&... args) {
    all_.push_back(std::format(text, std::forward<Args>(args)...));
  }

  void let(const std::string& to, std::string_view schema,
           std::string_view what) {
    auto role = quote_identifier(to);
    auto in = quote_identifier(schema);
    add("GRANT USAGE ON SCHEMA {} TO {}", in, role);
    add("GRANT {} ON ALL TABLES IN SCHEMA {} TO {}", what, in, role);
    add("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT {} ON TABLES "
        "TO {}",
        quote_identifier(x_.owner), in, what, role);
  }

  const role_request& x_;
  std::vector<std::string> all_;
};

} // namespace

std::string ingest_role(std::string_view prefix, std::string_view tenant) {
  return role_name(prefix, tenant, "ingest");
}

std::string reader_role(std::string_view prefix, std::string_view tenant) {
  return role_name(prefix, tenant, "reader");
}

std::vector<std::string> role_statements(const role_request& x) {
  role_planning work{x};
  auto ingest = ingest_role(x.prefix);
  auto reader = reader_role(x.prefix);
  work.make(ingest);
  work.make(reader);
  work.shut(granted_control);
  work.let_write(ingest, granted_control);
  work.let_read(reader, granted_control);
  for (const auto* tenant : x.tenants) {
    auto writes = ingest_role(x.prefix, tenant->name);
    auto reads = reader_role(x.prefix, tenant->name);
    work.make(writes);
    work.make(reads);
    // A lane's progress commits with its rows.
    work.let_write(writes, granted_control);
    work.let_write(writes, tenant->schema);
    work.let_read(reads, tenant->schema);
    work.join(ingest, writes);
    work.join(reader, reads);
  }
  return work.take();
}

} // namespace millrace::cli
