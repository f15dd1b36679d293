#include "nodes/homes.hpp"

#include "actors/store/sql_values.hpp"
#include "nodes/shares.hpp"

#include <optional>
#include <string>
#include <utility>

namespace millrace {

namespace {

using nothing_or_failure = std::expected<void, prepare_failure>;

/// At the pipeline's first start: nobody has read anything yet.
nothing_or_failure record_home(connection& control, const std::string& pipeline,
                               const std::string& tenant,
                               const postgresql_config& home) {
  auto done = control.query("INSERT INTO millrace.tenant_home (pipeline, "
                            "tenant, database) VALUES ($1, $2, $3) ON CONFLICT "
                            "DO NOTHING",
                            {pipeline, tenant, home.name});
  if (!done)
    return cannot_prepare(done.error(),
                          "recording the database of tenant " + tenant);
  return {};
}

/// Records where tenants are when the pipeline starts for the first time. Later
/// that is a change of the map.
nothing_or_failure settle(connection& control, const config& all,
                          const prepared_pipeline& pipeline) {
  const auto& name = pipeline.config.name;
  auto stored = control.query("SELECT 1 FROM millrace.pipeline WHERE pipeline "
                              "= $1",
                              {name});
  if (!stored)
    return cannot_prepare(stored.error(), "reading where tenants are");
  if (!stored->rows.empty())
    return {};
  for (const auto& x : pipeline.share->elsewhere)
    if (auto done = record_home(control, name, x.name,
                                database_of(all, x.name));
        !done)
      return done;
  return {};
}

} // namespace

nothing_or_failure check_identity(connection& conn,
                                  const postgresql_config& database) {
  // Two statements: the first one may wait for another node's, and its
  // snapshot does not show what that one wrote.
  auto known = conn.query("INSERT INTO millrace.identity (name) VALUES ($1) ON "
                          "CONFLICT DO NOTHING",
                          {database.name});
  if (known)
    known = conn.query("SELECT name FROM millrace.identity");
  if (!known)
    return cannot_prepare(known.error(), "reading which database this is");
  auto name = known->rows.at(0)[0].value_or("");
  if (name == database.name)
    return {};
  return cannot_prepare("[" + section_of(database)
                        + "] leads to a database that is known as '" + name
                        + "': each database has one name, and one section");
}

nothing_or_failure settle_homes(connection& control, const config& all,
                                std::vector<prepared_pipeline>& pipelines) {
  for (auto& pipeline : pipelines) {
    if (!pipeline.share)
      continue;
    if (auto done = settle(control, all, pipeline); !done)
      return done;
    auto rows = control.query("SELECT tenant, topic, partition, start FROM "
                              "millrace.tenant_start WHERE pipeline = $1",
                              {pipeline.config.name});
    if (!rows)
      return cannot_prepare(rows.error(), "reading where tenants begin");
    for (const auto& row : rows->rows)
      pipeline.share_starts.push_back(
        {std::string{text_of(row[0])},
         {uuid_of(row[1]), partition{int32_of(row[2])}},
         offset{int_of(row[3])}});
  }
  return {};
}

namespace {

/// Copies the tenant's bounds from the control database.
nothing_or_failure
fetch_home(connection& conn, connection& control, const std::string& pipeline,
           const postgresql_config& database, const std::string& tenant) {
  auto home = control.query("SELECT 1 FROM millrace.tenant_home WHERE pipeline "
                            "= $1 AND tenant = $2 AND database = $3",
                            {pipeline, tenant, database.name});
  // Its schema may be on its way: the two are prepared side by side.
  if (!home && home.error().code == store_errc::misconfigured)
    return cannot_prepare("the control database is not prepared yet", true);
  if (!home)
    return cannot_prepare(home.error(),
                          "asking the control database for tenant " + tenant);
  if (home->rows.empty())
    return cannot_prepare("the control database does not know yet that tenant "
                            + tenant + " is in database '" + database.name
                            + "'; 'millrace lanes change' tells it",
                          true);
  auto starts = control.query("SELECT topic, partition, start FROM "
                              "millrace.tenant_start WHERE pipeline = $1 AND "
                              "tenant = $2",
                              {pipeline, tenant});
  if (!starts)
    return cannot_prepare(starts.error(), "reading where tenants begin");
  for (const auto& row : starts->rows)
    if (auto done = conn.query(
          "INSERT INTO millrace.tenant_start (pipeline, tenant, topic, "
          "partition, start) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO "
          "NOTHING",
          {pipeline, tenant, row[0], row[1], row[2]});
        !done)
      return cannot_prepare(done.error(), "noting where tenants begin");
  return {};
}

} // namespace

nothing_or_failure fetch_homes(connection& conn, const config& all,
                               const postgresql_config& database,
                               const std::vector<prepared_pipeline>& pipelines,
                               const database_opener& open) {
  std::optional<connection> control;
  for (const auto& pipeline : pipelines) {
    const auto& name = pipeline.config.name;
    // Without a reading for the control database nobody else had the records.
    if (!is_read_for(all, pipeline.config, control_database))
      continue;
    for (const auto& tenant : pipeline.tenants) {
      auto lanes = conn.query("SELECT 1 FROM millrace.lane WHERE pipeline = $1 "
                              "AND tenant = $2 LIMIT 1",
                              {name, tenant.name});
      if (!lanes)
        return cannot_prepare(lanes.error(), "looking for lanes");
      if (!lanes->rows.empty())
        continue;
      if (!control) {
        auto opened = open(all.postgresql);
        if (!opened)
          return cannot_prepare(opened.error(),
                                "asking the control database for "
                                "tenants that are new");
        control.emplace(std::move(*opened));
      }
      if (auto done = fetch_home(conn, *control, name, database, tenant.name);
          !done)
        return done;
    }
  }
  return {};
}

} // namespace millrace
