#include "actors/decode/binder.hpp"
#include "actors/decode/compile_rules.hpp"
#include "actors/decode/reason.hpp"

#include <algorithm>
#include <format>
#include <set>

namespace millrace {

namespace {

using namespace detail;

/// One compilation. Without tables only names and syntax are checked.
class compiler {
public:
  compiler(const pipeline_config& config,
           std::optional<std::span<const table_schema>> tables)
    : config_{config},
      tables_{tables},
      data_{std::make_unique<program_data>()},
      binder_{config, *data_, problems_},
      root_{"pipeline." + config.name},
      map_{config} {
    // nop
  }

  void run() {
    if (config_.format != "json")
      problems_.add(config_.at, root_ + ".format",
                    std::format("found \"{}\", expected \"json\"",
                                config_.format));
    data_->takes_tombstones = takes_tombstones(config_);
    tenant();
    if (config_.events.size() != 1)
      problems_.add(config_.at, root_ + ".event",
                    std::format("found {} event types, expected one",
                                config_.events.size()));
    for (std::size_t i = 0; i < config_.events.size(); ++i)
      event(config_.events[i], std::format("{}.event[{}]", root_, i));
    finish();
  }

  std::vector<compile_problem> problems() {
    return problems_.take();
  }

  std::unique_ptr<program_data> data() {
    return std::move(data_);
  }

private:
  void tenant() {
    auto path = root_ + ".tenant";
    auto x = binder_.parse(config_.tenant, path);
    if (!x)
      return;
    auto is_text = x->kind == expression_kind::text;
    if (x->kind == expression_kind::null || (is_text && x->text.empty()))
      problems_.add(config_.tenant.at, path,
                    "found nothing, expected a tenant's name");
    if (is_text)
      data_->constant_tenant = x->text;
    without_payload(*x, config_.tenant, path);
    data_->tenant_step = binder_.bind(*x);
    map_.add(*x);
  }

  void event(const event_config& event, const std::string& path) {
    if (auto x = binder_.parse(event.route, path + ".route")) {
      if (x->kind == expression_kind::null)
        problems_.add(event.route.at, path + ".route",
                      "found null, expected what chooses the lane");
      without_payload(*x, event.route, path + ".route");
      data_->route_step = binder_.bind(*x);
      map_.add(*x);
    }
    if (!event.crossed_bid.text.empty() && !event.crossed_ask.text.empty()) {
      auto bid = binder_.parse(event.crossed_bid, path + ".crossed_bid");
      auto ask = binder_.parse(event.crossed_ask, path + ".crossed_ask");
      if (bid && ask) {
        data_->crossed_bid_step = binder_.bind(*bid);
        data_->crossed_ask_step = binder_.bind(*ask);
      }
    }
    for (std::size_t i = 0; i < event.writes.size(); ++i)
      write(event.writes[i], std::format("{}.write[{}]", path, i));
  }

  /// Where there are tombstones, what decides the lane must be the same for
  /// them as for the records before: it cannot come from a payload.
  void without_payload(const expression& x, const expression_text& text,
                       const std::string& path) {
    if (data_->takes_tombstones)
      refuse_payload(x, text, path,
                     "what tombstones have too: the pipeline writes for them",
                     problems_);
  }

  void write(const write_config& write, const std::string& path) {
    auto& info = data_->infos.emplace_back();
    auto& made = data_->writes.emplace_back();
    info.table = write.table;
    info.kind = write.kind;
    info.on = write.on;
    made.on_tombstone = write.on == write_occasion::tombstone;
    auto table = find_table(write, path);
    std::set<std::string_view> seen;
    for (const auto& column : write.columns) {
      auto where = std::format("{}.columns.{}", path, column.name);
      if (!seen.insert(column.name).second)
        problems_.add(column.at, where, "found the column twice");
      auto x = binder_.parse(column.value, where);
      if (x && made.on_tombstone)
        refuse_payload(*x, column.value, where,
                       "no payload: a tombstone has none", problems_);
      auto target = table ? find_target(*table, column, where) : nullptr;
      // Without a table the names still go in, so that keys can be checked.
      info.columns.push_back(target ? *target
                                    : column_schema{.name = column.name});
      made.columns.emplace_back();
      if (x && target)
        this->column(*x, *target, column, where, made.columns.back());
      else if (x)
        binder_.bind(*x);
    }
    keys(write, path, info, made);
    if (table) {
      check_uncovered(write, path, *table, problems_);
      check_unique(write, path, *table, problems_);
    }
    output head;
    head.put_big(static_cast<int16_t>(made.columns.size()));
    made.head = head.view();
    map_.add(write);
  }

  // -- tables -----------------------------------------------------------------

  const table_schema* find_table(const write_config& write,
                                 const std::string& path) {
    if (!tables_)
      return nullptr;
    std::vector<std::string> known;
    for (const auto& table : *tables_) {
      if (table.name == write.table
          || table.schema + '.' + table.name == write.table)
        return &table;
      known.push_back(table.name);
    }
    problems_.add(write.at, path + ".table",
                  std::format("found \"{}\", expected a table that exists{}",
                              write.table, did_you_mean(write.table, known)));
    return nullptr;
  }

  const column_schema* find_target(const table_schema& table,
                                   const column_config& column,
                                   const std::string& where) {
    auto target = find_column(table, column.name);
    if (!target) {
      std::vector<std::string> known;
      for (const auto& x : table.columns)
        known.push_back(x.name);
      problems_.add(column.at, where,
                    std::format("found a column that {} does not have{}",
                                table.name, did_you_mean(column.name, known)));
      return nullptr;
    }
    if (target->generated) {
      problems_.add(column.at, where,
                    "found a generated column, expected one that can be "
                    "written");
      return nullptr;
    }
    if (!encoder_for(*target)) {
      problems_.add(column.at, where,
                    std::format("found a column of type {}, which has no "
                                "binary encoder",
                                target->type));
      return nullptr;
    }
    return target;
  }

  // -- keys -------------------------------------------------------------------

  void keys(const write_config& write, const std::string& path,
            write_info& info, write_program& made) {
    auto finds_rows = write.kind != write_kind::append;
    auto where = path + ".key";
    made.key_must_be_known = finds_rows;
    if (finds_rows && write.key.empty())
      problems_.add(write.at, where,
                    std::format("found no key, expected the columns that the "
                                "{} finds its row by",
                                name_of(write.kind)));
    for (const auto& name : write.key) {
      auto i = column_index(info, name);
      if (i < 0) {
        problems_.add(write.at, where,
                      std::format("found \"{}\", expected a column of this "
                                  "write",
                                  name));
        continue;
      }
      auto at = static_cast<std::size_t>(i);
      if (std::ranges::find(info.key, at) != info.key.end())
        problems_.add(write.at, where, std::format("found \"{}\" twice", name));
      if (tables_ && !fits_key(made.columns[at].how))
        problems_.add(write.at, where,
                      std::format("found \"{}\" of type {}, expected a type "
                                  "whose equality is that of its bytes",
                                  name, info.columns[at].type));
      info.key.push_back(at);
    }
    made.key = info.key;
    if (write.only_if_newer.empty())
      return;
    info.guard = column_index(info, write.only_if_newer);
    if (write.kind == write_kind::append || write.kind == write_kind::remove)
      problems_.add(write.at, path + ".only_if_newer",
                    "found a version guard, expected none: an append or a "
                    "delete leaves no row that could be older");
    else if (info.guard < 0)
      problems_.add(write.at, path + ".only_if_newer",
                    std::format("found \"{}\", expected a column of this "
                                "write",
                                write.only_if_newer));
  }

  static int column_index(const write_info& info, std::string_view name) {
    auto at = std::ranges::find(info.columns, name, &column_schema::name);
    return at == info.columns.end()
             ? -1
             : static_cast<int>(at - info.columns.begin());
  }

  // -- columns ----------------------------------------------------------------

  void column(const expression& x, const column_schema& target,
              const column_config& from, const std::string& where,
              column_program& out) {
    out.how = *encoder_for(target);
    out.nullable = target.nullable;
    out.label = std::format("column {} ({}) from {}", target.name,
                            type_name(target), to_string(x));
    check_types(x, out.how, target, from, where);
    switch (x.kind) {
      case expression_kind::path:
        out.source = column_source::slot;
        out.slot = binder_.slot_of(x.path);
        checked_by(out.how, out.slot);
        return;
      case expression_kind::text:
      case expression_kind::number:
      case expression_kind::boolean:
      case expression_kind::null:
        out.source = column_source::constant;
        constant(x, target, from, where, out);
        return;
      case expression_kind::code:
        if (x.arguments.front().kind == expression_kind::path) {
          out.source = column_source::code;
          out.slot = binder_.slot_of(x.arguments.front().path);
          out.table = binder_.table_of(x.text);
          out.codes = encoded_codes(out);
          return;
        }
        [[fallthrough]];
      default:
        out.source = x.kind == expression_kind::partition
                       ? column_source::partition
                     : x.kind == expression_kind::offset ? column_source::offset
                                                         : column_source::step;
        out.step = binder_.bind(x);
    }
  }

  /// Encoders of numbers check their text, so the scan may leave it to them.
  void checked_by(const encoder& how, int slot) {
    if (how.kind <= encoder_kind::numeric)
      data_->number_checked_later[static_cast<std::size_t>(slot)] = 1;
  }

  void constant(const expression& x, const column_schema& target,
                const column_config& from, const std::string& where,
                column_program& out) {
    output field;
    auto value = constant_value(x);
    if (!value.is_null()) {
      if (auto wrong = encode(out.how, value, field, space_))
        problems_.add(inside(from.value, x.at), where,
                      std::format("found {} for {}, expected {}",
                                  describe(value), type_name(target), wrong));
    } else if (target.nullable) {
      field.put_null();
    } else {
      problems_.add(inside(from.value, x.at), where,
                    "found null for a column that is NOT NULL");
    }
    out.constant = field.view();
  }

  std::vector<std::string> encoded_codes(const column_program& column) {
    std::vector<std::string> result;
    for (const auto& x :
         data_->tables[static_cast<std::size_t>(column.table)].values) {
      output field;
      // One that does not fit is among the problems already.
      if (!encode(column.how, x, field, space_))
        result.emplace_back(field.view());
    }
    return result;
  }

  /// What can be known of types before there is a record.
  void check_types(const expression& x, const encoder& how,
                   const column_schema& target, const column_config& from,
                   const std::string& where) {
    if (x.kind == expression_kind::code) {
      check_codes(x, how, target, from, where);
      return;
    }
    if (x.kind == expression_kind::coalesce
        || x.kind == expression_kind::required) {
      for (const auto& argument : x.arguments)
        check_types(argument, how, target, from, where);
      return;
    }
    if (!fits(x.kind, how.kind))
      problems_.add(inside(from.value, x.at), where,
                    std::format("found {}, expected what fits type {}",
                                to_string(x), type_name(target)));
  }

  void check_codes(const expression& x, const encoder& how,
                   const column_schema& target, const column_config& from,
                   const std::string& where) {
    const auto& table
      = data_->tables[static_cast<std::size_t>(binder_.table_of(x.text))];
    for (const auto& value : table.values) {
      output field;
      if (auto wrong = encode(how, value, field, space_))
        problems_.add(inside(from.value, x.at), where,
                      std::format("found {} in the code table {} for type {}, "
                                  "expected {}",
                                  describe(value), table.name,
                                  type_name(target), wrong));
    }
  }

  // -- fingerprints -----------------------------------------------------------

  void finish() {
    data_->map_fingerprint = map_.hash();
    data_->max_record_bytes
      = static_cast<std::size_t>(config_.limits.max_record_bytes);
    std::vector<table_columns> columns;
    for (const auto& info : data_->infos)
      columns.push_back({info.table, info.columns});
    data_->shape = fingerprint(columns);
    // The steps stand still from here on: constants may point into them.
    for (auto& step : data_->steps)
      if (!step.constant.is_null())
        step.constant.text = step.text;
  }

  const pipeline_config& config_;
  std::optional<std::span<const table_schema>> tables_;
  std::unique_ptr<program_data> data_;
  problem_list problems_;
  binder binder_;
  std::string root_;
  map_text map_;
  workspace space_;
};

} // namespace

using compile_result = std::expected<program_ptr, std::vector<compile_problem>>;

compile_result compile(const pipeline_config& config,
                       std::span<const table_schema> tables) {
  compiler run{config, tables};
  run.run();
  if (auto problems = run.problems(); !problems.empty())
    return std::unexpected{std::move(problems)};
  return std::make_shared<const program>(run.data());
}

compile_result compile_routing(const pipeline_config& config) {
  compiler run{config, std::nullopt};
  run.run();
  if (auto problems = run.problems(); !problems.empty())
    return std::unexpected{std::move(problems)};
  auto data = run.data();
  data->infos.clear();
  data->writes.clear();
  data->shape = fingerprint(std::span<const table_columns>{});
  return std::make_shared<const program>(std::move(data));
}

std::vector<compile_problem> check_expressions(const pipeline_config& config) {
  compiler run{config, std::nullopt};
  run.run();
  return run.problems();
}

} // namespace millrace
