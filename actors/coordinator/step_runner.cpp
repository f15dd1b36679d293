#include "actors/coordinator/step_runner.hpp"

#include "actors/store/sql_text.hpp"
#include "actors/store/sql_values.hpp"
#include "messages/sha256.hpp"

#include <format>
#include <utility>

namespace millrace {

namespace {

std::unexpected<store_error> refuse(std::string why) {
  return std::unexpected{store_error{store_errc::refused, {}, std::move(why)}};
}

/// Whether the steps that are done are still the first ones of the file.
std::optional<std::string>
mismatch(const std::vector<migration_step>& done,
         const std::vector<sql_statement>& statements) {
  for (const auto& x : done) {
    if (!x.done)
      continue;
    auto i = static_cast<std::size_t>(x.step) - 1;
    if (i >= statements.size() || sha256_hex(statements[i].text) != x.checksum)
      return std::format(
        "step {} is done, but the file was changed since: restore the steps "
        "that are done as they were; those behind them may change",
        x.step);
  }
  return std::nullopt;
}

} // namespace

step_runner::step_runner(migration_session& session, history_tables& history,
                         const std::string& set)
  : session_{session},
    history_{history},
    set_{set},
    objects_{session.conn(), session.target().schema} {
}

store_result<void>
step_runner::run(const migration& file, migration_direction direction,
                 const std::function<store_result<void>()>& finish) {
  auto statements = split_sql(direction == migration_direction::up ? file.up
                                                                   : file.down);
  if (!statements)
    return refuse(statements.error());
  // Before anything is done.
  for (const auto& x : *statements)
    if (auto step = classify_step(x); step.kind == step_kind::refused)
      return refuse(
        std::format("line {} of its section: {}", x.line, step.problem));
  auto before = history_.steps(set_, file, direction);
  if (!before)
    return std::unexpected{std::move(before.error())};
  if (auto wrong = mismatch(*before, *statements))
    return refuse(*wrong);
  for (std::size_t i = 0; i < statements->size(); ++i) {
    const auto& statement = (*statements)[i];
    auto number = static_cast<int32_t>(i) + 1;
    auto begun = false;
    auto done = false;
    for (const auto& x : *before)
      if (x.step == number) {
        done = x.done;
        begun = x.checksum == sha256_hex(statement.text);
      }
    if (done) {
      session_.tell(std::format("step {} is done already", number));
      continue;
    }
    session_.tell(std::format("step {} of {}: {}", number, statements->size(),
                              statement.text));
    auto ran = run_step(file, direction, statement, number, begun);
    if (!ran)
      return std::unexpected{
        store_error{ran.error().code, ran.error().sqlstate,
                    std::format("step {} of {}: {}", number, statements->size(),
                                ran.error().message)}};
  }
  return session_.transaction([&]() -> store_result<void> {
    if (auto forgotten = history_.forget_steps(set_, file); !forgotten)
      return forgotten;
    return finish();
  });
}

store_result<void> step_runner::run_step(const migration& file,
                                         migration_direction direction,
                                         const sql_statement& statement,
                                         int32_t number, bool begun) {
  migration_step note{number, sha256_hex(statement.text), false};
  auto step = classify_step(statement);
  if (step.kind == step_kind::transactional)
    return session_.transaction([&]() -> store_result<void> {
      if (auto noted = history_.note_begun(set_, file, direction, note); !noted)
        return noted;
      if (auto ran = session_.conn().run(statement.text); !ran)
        return ran;
      return history_.note_done(set_, file, number);
    });
  // Behind the note, what is there counts as this step's.
  if (!begun)
    if (auto fits = objects_.check(step); !fits)
      return fits;
  if (auto noted = history_.note_begun(set_, file, direction, note); !noted)
    return noted;
  if (auto ran = perform(step, statement.text, begun); !ran)
    return ran;
  return history_.note_done(set_, file, number);
}

store_result<void> step_runner::perform(const concurrent_step& step,
                                        const std::string& text, bool begun) {
  switch (step.kind) {
    case step_kind::create_index:
      return create_index(step, text, begun);
    case step_kind::drop_index:
      return drop_index(step, text, begun);
    case step_kind::reindex:
      return reindex(text);
    case step_kind::detach_partition:
      return detach(step, text, begun);
    default:
      return session_.retry([&] {
        return session_.outside(text, session_.options().lock_timeout);
      });
  }
}

// -- indexes ------------------------------------------------------------------

namespace {

/// Partitions that lack a part of the index $1: schema, name, relkind.
constexpr auto find_bare_partitions
  = "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_index parent "
    "JOIN pg_catalog.pg_inherits h ON h.inhparent = parent.indrelid JOIN "
    "pg_catalog.pg_class c ON c.oid = h.inhrelid JOIN pg_catalog.pg_namespace "
    "n ON n.oid = c.relnamespace WHERE parent.indexrelid = $1::regclass AND "
    "NOT h.inhdetachpending AND c.relkind <> 'f' AND NOT EXISTS (SELECT 1 FROM "
    "pg_catalog.pg_inherits part JOIN pg_catalog.pg_index child ON "
    "child.indexrelid = part.inhrelid WHERE part.inhparent = parent.indexrelid "
    "AND child.indrelid = c.oid) ORDER BY 1, 2";

std::string create_text(const concurrent_step& step, std::string_view how,
                        const std::string& index, const std::string& table) {
  return std::format("CREATE {}INDEX {}{} ON {} {}",
                     step.unique ? "UNIQUE " : "", how, index, table,
                     step.rest);
}

} // namespace

store_result<void> step_runner::create_index(const concurrent_step& step,
                                             const std::string& text,
                                             bool begun) {
  auto table = objects_.relation(step.table);
  if (!table)
    return std::unexpected{std::move(table.error())};
  // PostgreSQL says best what is wrong with it.
  if (table->empty())
    return session_.outside(text, std::nullopt);
  std::string schema{text_of((*table)[0])};
  if ((*table)[1] != "p")
    return build_index(schema, step.object_name, text, begun || step.lenient);
  return create_on_partitions(step, schema);
}

/// `mine`: an index of this name that is whole is what the step is to make.
store_result<void>
step_runner::build_index(const std::string& schema, const std::string& name,
                         const std::string& text, bool mine) {
  auto built = session_.retry([&]() -> store_result<void> {
    auto index = objects_.index(schema, name);
    if (!index)
      return std::unexpected{std::move(index.error())};
    if (!index->empty() && bool_of((*index)[0]) && mine)
      return {};
    if (!index->empty() && !bool_of((*index)[0])) {
      session_.tell("dropping the invalid index " + name);
      auto dropped = session_.outside("DROP INDEX CONCURRENTLY "
                                        + quote_identifier(schema, name),
                                      std::nullopt);
      if (!dropped)
        return dropped;
    }
    return session_.outside(text, std::nullopt);
  });
  if (!built && session_.conn().is_open())
    drop_invalid(schema, name);
  return built;
}

/// Half an index slows writes down and serves nobody. Best effort: the next run
/// looks for it again.
void step_runner::drop_invalid(const std::string& schema,
                               const std::string& name) {
  auto index = objects_.index(schema, name);
  if (!index || index->empty() || bool_of((*index)[0]))
    return;
  auto dropped = session_.outside("DROP INDEX CONCURRENTLY "
                                    + quote_identifier(schema, name),
                                  session_.options().lock_timeout);
  if (!dropped)
    session_.tell("the invalid index " + name
                  + " is left: " + text_of_error(dropped.error()));
}

store_result<void>
step_runner::create_on_partitions(const concurrent_step& step,
                                  const std::string& schema) {
  auto parent_index = quote_identifier(schema, step.object_name);
  auto made = session_.transaction([&] {
    return session_.conn().run(create_text(step, "IF NOT EXISTS ",
                                           quote_identifier(step.object_name),
                                           "ONLY " + step.table));
  });
  if (!made)
    return made;
  // Partitions that come meanwhile get their part by themselves.
  for (;;) {
    auto bare = session_.conn().query(find_bare_partitions, {parent_index});
    if (!bare)
      return std::unexpected{std::move(bare.error())};
    if (bare->rows.empty())
      break;
    for (const auto& x : bare->rows)
      if (auto done = create_on_partition(step, parent_index, x); !done)
        return done;
  }
  auto index = objects_.index(schema, step.object_name);
  if (!index)
    return std::unexpected{std::move(index.error())};
  if (index->empty() || !bool_of((*index)[0]))
    return refuse("the index " + step.object_name
                  + " is not valid though all partitions have their part");
  return {};
}

store_result<void>
step_runner::create_on_partition(const concurrent_step& step,
                                 const std::string& parent_index,
                                 const sql_row& row) {
  std::string home{text_of(row[0])};
  std::string name{text_of(row[1])};
  auto part = step;
  part.object_name = partition_index_name(name, step.object_name);
  part.object = quote_identifier(part.object_name);
  part.table = quote_identifier(home, name);
  session_.tell("index " + part.object_name);
  auto made = row[2] == "p" ? create_on_partitions(part, home)
                            : build_index(home, part.object_name,
                                          create_text(part, "CONCURRENTLY ",
                                                      part.object, part.table),
                                          true);
  if (!made)
    return made;
  return session_.transaction([&] {
    return session_.conn().run("ALTER INDEX " + parent_index
                               + " ATTACH PARTITION "
                               + quote_identifier(home, part.object_name));
  });
}

store_result<void> step_runner::drop_index(const concurrent_step& step,
                                           const std::string& text,
                                           bool begun) {
  auto found = objects_.relation(step.object);
  if (!found)
    return std::unexpected{std::move(found.error())};
  if (found->empty() && begun)
    return {};
  // PostgreSQL cannot drop it concurrently on a partitioned table.
  if (!found->empty() && (*found)[1] == "I")
    return session_.transaction(
      [&] { return session_.conn().run("DROP INDEX " + step.object); });
  return session_.retry([&] { return session_.outside(text, std::nullopt); });
}

/// What an interrupted run has left is invalid and called `…_ccnew`.
store_result<void> step_runner::reindex(const std::string& text) {
  return session_.retry([&]() -> store_result<void> {
    auto left = session_.conn().query(
      "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i JOIN "
      "pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN "
      "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT "
      "i.indisvalid AND c.relkind = 'i' AND c.relname ~ '_cc(new|old)[0-9]*$' "
      "AND n.nspname = $1",
      {session_.target().schema});
    if (!left)
      return std::unexpected{std::move(left.error())};
    for (const auto& row : left->rows) {
      auto dropped = session_.outside("DROP INDEX CONCURRENTLY "
                                        + quote_identifier(text_of(row[0]),
                                                           text_of(row[1])),
                                      std::nullopt);
      if (!dropped)
        return dropped;
    }
    return session_.outside(text, std::nullopt);
  });
}

// -- partitions ---------------------------------------------------------------

store_result<void> step_runner::detach(const concurrent_step& step,
                                       const std::string& text, bool begun) {
  return session_.retry([&]() -> store_result<void> {
    auto part = objects_.relation(step.object);
    if (!part)
      return std::unexpected{std::move(part.error())};
    auto attached = !part->empty() && (*part)[2];
    if (!attached && begun)
      return {};
    begun = true;
    // An attempt that was ended in its second half.
    auto pending = attached && bool_of((*part)[2]);
    auto statement = pending
                       ? "ALTER TABLE " + step.table + " DETACH PARTITION "
                           + step.object + " FINALIZE"
                       : text;
    return session_.outside(statement, std::nullopt);
  });
}

} // namespace millrace
