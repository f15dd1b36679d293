#include "actors/store/admin_action.hpp"

#include "actors/store/sql_values.hpp"

#include <utility>

namespace millrace {

namespace {

store_result<int64_t> insert(connection& conn, const admin_note& note,
                             const std::string& object,
                             const std::optional<std::string>& before,
                             const std::optional<std::string>& after) {
  auto done = conn.query(
    "INSERT INTO millrace.admin_action (os_user, host, command, object, "
    "reason, before, after) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb) "
    "RETURNING id",
    {note.os_user, note.host, note.command, object, note.reason, before,
     after});
  if (!done)
    return std::unexpected{std::move(done.error())};
  return int_of(done->rows.at(0)[0]);
}

} // namespace

store_result<void> record_action(connection& conn, const admin_note& note,
                                 const std::string& object,
                                 const std::optional<std::string>& before,
                                 const std::optional<std::string>& after) {
  return insert(conn, note, object, before, after).transform([](int64_t) {});
}

store_result<int64_t> begin_action(connection& conn, const admin_note& note,
                                   const std::string& object,
                                   const std::string& before) {
  return insert(conn, note, object, before, {});
}

store_result<void> end_action(connection& conn, int64_t id,
                              const std::string& after) {
  auto done
    = conn.query("UPDATE millrace.admin_action SET after = $2::jsonb WHERE id "
                 "= $1::bigint",
                 {std::to_string(id), after});
  if (!done)
    return std::unexpected{std::move(done.error())};
  return {};
}

} // namespace millrace
