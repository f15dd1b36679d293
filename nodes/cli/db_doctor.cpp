#include "nodes/cli/db_doctor.hpp"

#include "actors/cluster/json_writer.hpp"
#include "config/values.hpp"
#include "nodes/cli/db_session.hpp"
#include "nodes/cli/doctor_reader.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <utility>

namespace millrace::cli {

namespace {

void write_findings(json_writer& out, const std::string& database,
                    const std::vector<doctor_finding>& all) {
  out.begin_object();
  out.key("database").string(database);
  out.key("findings").begin_array();
  for (const auto& x : all) {
    out.begin_object();
    out.key("severity").string(to_string(x.level));
    out.key("check").string(x.check);
    out.key("message").string(x.text);
    out.key("mend").string(x.mend);
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

/// What is found in all databases.
class consultation {
public:
  consultation(const db_doctor_arguments& what, console& to)
    : what_{what},
      to_{to} {
    json_.begin_object().key("databases").begin_array();
  }

  void visit(const admin_session& session) {
    auto conn = open_patient(session);
    if (!conn)
      return fail(conn.error());
    const auto& database = *find_database(*session.all, session.database);
    auto facts = doctor_reader{*conn, *session.all, database}.read();
    if (!facts)
      return fail(admin_fail(facts.error()).error());
    auto all = diagnose(*facts);
    write_findings(json_, session.database, all);
    text_ += doctor_text(session.database, all);
    sound_ = sound_ && std::ranges::none_of(all, [this](const auto& x) {
               return x.level == severity::error || what_.strict;
             });
  }

  void fail(const admin_failure& x) {
    std::ranges::copy(x.all, std::back_inserter(failures_));
    code_ = x.code;
  }

  exit_code end() {
    json_.end_array();
    json_.key("healthy").boolean(sound_ && failures_.empty());
    json_.key("failures").begin_array();
    for (const auto& x : failures_)
      json_.string(x.text);
    json_.end_array().end_object();
    if (to_.json()) {
      to_.out(json_.str() + '\n');
    } else {
      to_.out(text_);
      to_.tell(failures_);
    }
    return code_ == exit_code::ok && !sound_ ? exit_code::failed : code_;
  }

private:
  const db_doctor_arguments& what_;
  console& to_;
  json_writer json_;
  std::string text_;
  findings failures_;
  bool sound_ = true;
  exit_code code_ = exit_code::ok;
};

} // namespace

std::string doctor_text(const std::string& database,
                        const std::vector<doctor_finding>& all) {
  auto result = printable(database)
                + (all.empty() ? std::string{": sound\n"} : std::string{":\n"});
  for (const auto& x : all)
    result += std::format("  {}: {}: {}\n    mend: {}\n", to_string(x.level),
                          x.check, printable(x.text), printable(x.mend));
  return result;
}

exit_code run_db_doctor(const db_doctor_arguments& what, console& to) {
  auto sessions = open_admins(what);
  if (!sessions)
    return tell(sessions.error(), to);
  consultation all{what, to};
  for (auto& session : sessions->open) {
    session.conn.close();
    all.visit(session);
  }
  if (sessions->lacking)
    all.fail(*sessions->lacking);
  return all.end();
}

} // namespace millrace::cli
