#include "nodes/cli/live_checks.hpp"

#include "actors/source/discovery.hpp"
#include "actors/source/kafka_client.hpp"
#include "actors/source/partition_feed.hpp"
#include "nodes/prepare.hpp"
#include "nodes/shares.hpp"

#include <algorithm>
#include <format>
#include <set>

namespace millrace::cli {

namespace {

/// Gathers what one server's checks find.
class reporter {
public:
  explicit reporter(std::string server) : server_{std::move(server)} {
  }

  void error(std::string text) {
    report_.all.push_back(make_error(std::move(text)));
  }

  void error(const source_position& at, std::string path, std::string text) {
    auto line = to_string(at) + ": " + path + ": " + text;
    report_.all.push_back(
      {severity::error, std::move(line), at, std::move(path), {}, {}, {}});
  }

  void warning(std::string text) {
    report_.all.push_back(make_warning(std::move(text)));
  }

  void unreachable(const std::string& why) {
    report_.unreachable = true;
    warning(server_ + " was not asked: " + why);
  }

  live_report take() {
    return std::move(report_);
  }

private:
  std::string server_;
  live_report report_;
};

bool passing(const store_error& x) {
  return x.code == store_errc::unavailable || x.code == store_errc::retry
         || x.code == store_errc::back_off;
}

/// Sets that lack a migration somewhere; their tables may not be there yet.
using incomplete_sets = std::set<std::string>;

/// Looks at one set in one schema. Returns whether it is complete.
bool check_migrations(migrator& worker, const migration_job& job,
                      const postgresql_config& database, reporter& to) {
  auto files = files_of(job);
  if (!files) {
    if (job.folder.empty())
      to.error(files.error());
    return false;
  }
  auto where = "schema '" + job.target.schema + "'";
  if (database.name != control_database)
    where += " of database '" + database.name + "'";
  auto status = worker.status(*files, job.target);
  if (!status) {
    to.error("migrations of '" + job.set + "' in " + where + ": "
             + status.error());
    return false;
  }
  auto count = [&](migration_state x) {
    return std::ranges::count(*status, x, &migration_status::state);
  };
  if (auto n = count(migration_state::edited) + count(migration_state::unknown);
      n > 0)
    to.error(std::format("{}: {} applied migration(s) of '{}' differ from this "
                         "program's; 'millrace migrate status' names them",
                         where, n, job.set));
  auto missing = count(migration_state::pending);
  if (missing == 0)
    return true;
  auto text = std::format("{} lacks {} migration(s) of '{}', so its tables "
                          "were not checked: ",
                          where, missing, job.set);
  if (database.auto_migrate)
    to.warning(text + "a node applies them when it starts");
  else
    to.error(text + "run 'millrace migrate up', or set " + section_of(database)
             + ".auto_migrate = true");
  return false;
}

} // namespace

live_report check_live_database(const config& all,
                                const postgresql_config& database,
                                std::chrono::milliseconds patience) {
  auto name = database.name == control_database
                ? std::string{"PostgreSQL"}
                : "database '" + database.name + '\'';
  reporter to{name};
  auto settings = make_session_config(database);
  settings.application_name = "millrace validate";
  settings.connect_timeout = std::min(settings.connect_timeout, patience);
  auto conn = connection::open(settings);
  if (!conn) {
    if (passing(conn.error()))
      to.unreachable(conn.error().message);
    else
      to.error(name + ": " + conn.error().message);
    return to.take();
  }
  migrator worker{*conn, database.lock_timeout};
  incomplete_sets incomplete;
  for (const auto& job : migration_jobs(all, database))
    if (!check_migrations(worker, job, database, to))
      incomplete.insert(job.set);
  for (const auto& pipeline : all.pipelines) {
    auto set = migration_set_of(pipeline);
    if (!is_read_for(all, pipeline, database.name)
        || (!set.empty() && incomplete.contains(set)))
      continue;
    auto result = prepare_pipeline(*conn, all, database, pipeline);
    if (result)
      continue;
    for (const auto& text : result.error().problems)
      if (result.error().passing)
        to.unreachable(text);
      else
        to.error(text);
  }
  return to.take();
}

namespace {

/// False when the cluster did not answer: the next question would only take as
/// long.
bool check_topic(kafka_client& client, const pipeline_config& pipeline,
                 const std::string& topic, std::chrono::milliseconds patience,
                 reporter& to) {
  auto path = "pipeline." + pipeline.name + ".topics";
  auto info = client.describe_topic(topic, patience);
  if (info && !info->id)
    to.error(pipeline.at, path,
             "the brokers tell no id for '" + topic
               + "', so that it could be recreated unnoticed; they must be 2.8 "
                 "or newer, or kafka.allow_unidentified_topics must be true");
  if (info)
    return true;
  if (info.error().code == kafka_errc::unreachable
      || info.error().code == kafka_errc::timed_out) {
    to.unreachable(info.error().message);
    return false;
  }
  to.error(pipeline.at, path,
           info.error().code == kafka_errc::topic_missing
             ? "found '" + topic
                 + "', expected a topic that the cluster has; create it, or "
                   "mend the name"
             : info.error().message);
  return true;
}

/// Whether each pattern matches something, by one list of all topics.
bool check_patterns(kafka_client& client, const pipeline_config& pipeline,
                    std::chrono::milliseconds patience, reporter& to) {
  if (!topic_selector{pipeline.topics}.has_patterns())
    return true;
  auto all = client.topics(patience);
  if (!all) {
    to.unreachable(all.error().message);
    return false;
  }
  for (const auto& text : pipeline.topics)
    if (topic_pattern::is_pattern(text)
        && topic_selector{{text}}.select(*all).empty())
      to.warning("pipeline." + pipeline.name + ".topics: no topic matches '"
                 + text + "' yet");
  return true;
}

} // namespace

live_report check_live_kafka(const config& all,
                             std::chrono::milliseconds patience) {
  reporter to{"Kafka"};
  if (all.kafka.embedded)
    return to.take();
  auto client = kafka_client::open(librdkafka_properties(all.kafka),
                                   all.kafka.allow_unidentified_topics);
  if (!client) {
    to.error("kafka: " + client.error().message);
    return to.take();
  }
  for (const auto& pipeline : all.pipelines) {
    if (!check_patterns(*client, pipeline, patience, to))
      return to.take();
    topic_selector selector{pipeline.topics};
    for (const auto& topic : selector.names())
      if (!check_topic(*client, pipeline, topic, patience, to))
        return to.take();
  }
  return to.take();
}

program_ptr live_program(const config& all, const pipeline_config& pipeline,
                         std::chrono::milliseconds patience) {
  for (const auto* database : all_databases(all)) {
    if (!is_read_for(all, pipeline, database->name))
      continue;
    auto settings = make_session_config(*database);
    settings.application_name = "millrace validate";
    settings.connect_timeout = std::min(settings.connect_timeout, patience);
    auto conn = connection::open(settings);
    if (!conn)
      continue;
    auto result = prepare_pipeline(*conn, all, *database, pipeline);
    // Without a tenant of its own a database knows no tables.
    if (result
        && std::ranges::any_of(result->tenants, [](const boot_tenant& x) {
             return x.name != unrouted_tenant;
           }))
      return result->program;
  }
  return nullptr;
}

} // namespace millrace::cli
