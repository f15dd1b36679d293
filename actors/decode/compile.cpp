#include "actors/decode/binder.hpp"
#include "actors/decode/column_compiler.hpp"
#include "actors/decode/compile_rules.hpp"

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
    for (const auto& x : config_.events)
      data_->takes_tombstones = data_->takes_tombstones || takes_tombstones(x);
    tenant();
    event_type();
    data_->one_event = is_plain(config_);
    data_->reject_unmatched = config_.unmatched == unmatched_policy::reject;
    if (config_.events.empty())
      problems_.add(config_.at, root_ + ".event",
                    "found no events, expected at least one");
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
    without_payload(*x, config_.tenant, path, data_->takes_tombstones);
    data_->tenant_step = binder_.bind(*x);
    map_.add(*x);
  }

  void event_type() {
    if (config_.event_type.text.empty())
      return;
    auto path = root_ + ".event_type";
    auto x = binder_.parse(config_.event_type, path);
    if (!x)
      return;
    without_payload(*x, config_.event_type, path, data_->takes_tombstones);
    data_->type_step = binder_.bind(*x);
    map_.add_type(*x);
  }

  void event(const event_config& event, const std::string& path) {
    auto number = static_cast<int>(data_->events.size());
    auto& made = data_->events.emplace_back();
    made.takes_tombstones = takes_tombstones(event);
    add_candidate(event, number);
    map_.add(event);
    // Which event it is must be known for a tombstone as for any record.
    if (auto x = condition(event.when, path + ".when", {})) {
      without_payload(*x, event.when, path + ".when", data_->takes_tombstones);
      made.when = binder_.bind(*x);
      map_.add_when(*x);
    }
    route(event, path, made);
    if (!event.crossed_bid.text.empty() && !event.crossed_ask.text.empty()) {
      auto bid = binder_.parse(event.crossed_bid, path + ".crossed_bid");
      auto ask = binder_.parse(event.crossed_ask, path + ".crossed_ask");
      if (bid && ask) {
        made.crossed_bid = binder_.bind(*bid);
        made.crossed_ask = binder_.bind(*ask);
      }
    }
    for (std::size_t i = 0; i < event.writes.size(); ++i) {
      made.writes.push_back(data_->writes.size());
      write(event, event.writes[i], std::format("{}.write[{}]", path, i));
    }
  }

  void route(const event_config& event, const std::string& path,
             event_program& made) {
    if (event.every && event.route.text.empty())
      return;
    auto x = binder_.parse(event.route, path + ".route");
    if (!x)
      return;
    if (x->kind == expression_kind::null)
      problems_.add(event.route.at, path + ".route",
                    "found null, expected what chooses the lane");
    without_payload(*x, event.route, path + ".route", made.takes_tombstones);
    made.route = binder_.bind(*x);
    if (event.every && data_->stray_route < 0)
      data_->stray_route = made.route;
    map_.add(*x);
  }

  /// Says for which types the event is to be tried.
  void add_candidate(const event_config& event, int number) {
    if (event.every) {
      data_->every.push_back(number);
      return;
    }
    if (config_.event_type.text.empty()) {
      data_->untyped.push_back(number);
      return;
    }
    auto types = event.types;
    if (types.empty())
      types.push_back(event.name);
    for (const auto& type : types) {
      auto at = data_->types.find(type);
      if (at < 0) {
        at = static_cast<int>(data_->by_type.size());
        data_->types.add(type, at);
        data_->by_type.emplace_back();
      }
      data_->by_type[static_cast<std::size_t>(at)].push_back(number);
    }
  }

  std::optional<expression> condition(const expression_text& text,
                                      const std::string& path,
                                      const item_scope& items) {
    if (text.text.empty())
      return std::nullopt;
    return binder_.parse_condition(text, path, items);
  }

  /// Where there are tombstones, what decides the lane must be the same for
  /// them as for the records before: it cannot come from a payload.
  void without_payload(const expression& x, const expression_text& text,
                       const std::string& path, bool tombstones) {
    if (tombstones)
      refuse_payload(x, text, path,
                     "what tombstones have too: the pipeline writes for them",
                     problems_);
  }

  void write(const event_config& event, const write_config& write,
             const std::string& path) {
    auto& info = data_->infos.emplace_back();
    auto& made = data_->writes.emplace_back();
    info.table = write.table;
    info.event = event.name;
    info.kind = write.kind;
    info.on = write.on;
    made.on_tombstone = write.on == write_occasion::tombstone;
    made.always = write.always;
    map_.add(write);
    item_scope items;
    each(write, path, items, made);
    if (auto x = condition(write.when, path + ".when", items)) {
      if (made.on_tombstone)
        refuse_payload(*x, write.when, path + ".when",
                       "no payload: a tombstone has none", problems_);
      made.when = binder_.bind(*x, items);
      map_.add_when(*x);
    }
    auto table = tables_ ? find_table(write, path, *tables_, problems_)
                         : nullptr;
    std::set<std::string_view> seen;
    for (const auto& column : write.columns) {
      auto where = std::format("{}.columns.{}", path, column.name);
      if (!seen.insert(column.name).second)
        problems_.add(column.at, where, "found the column twice");
      auto x = binder_.parse(column.value, where, items);
      if (x && made.on_tombstone)
        refuse_payload(*x, column.value, where,
                       "no payload: a tombstone has none", problems_);
      auto target = table ? find_target(*table, column, where, problems_)
                          : nullptr;
      // Without a table the names still go in, so that keys can be checked.
      info.columns.push_back(target ? *target
                                    : column_schema{.name = column.name});
      made.columns.emplace_back();
      if (x && target)
        columns_.compile(*x, {*target, column.value, where, items},
                         checked_by_columns(write), made.columns.back());
      else if (x)
        binder_.bind(*x, items);
    }
    keys(write, path, info, made);
    if (table) {
      check_uncovered(write, path, *table, problems_);
      check_unique(write, path, *table, problems_);
    }
    output head;
    head.put_big(static_cast<int16_t>(made.columns.size()));
    made.head = head.view();
  }

  void each(const write_config& write, const std::string& path,
            item_scope& items, write_program& made) {
    if (write.each.text.empty())
      return;
    auto where = path + ".each";
    auto loops = binder_.parse_loops(write.each, where, items, made.each);
    if (!loops)
      return;
    if (made.on_tombstone)
      problems_.add(write.each.at, where,
                    "found loops, expected no payload: a tombstone has none");
    map_.add_each(*loops);
  }

  /// Whether the encoders of a write's columns see the numbers of every
  /// payload, so that the scan need not look at them.
  bool checked_by_columns(const write_config& write) const {
    return data_->one_event && write.when.text.empty()
           && write.each.text.empty() && write.on == write_occasion::record;
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

  // -- fingerprints -----------------------------------------------------------

  void finish() {
    data_->map_fingerprint = map_.hash();
    const auto& limits = config_.limits;
    data_->max_record_bytes = static_cast<std::size_t>(limits.max_record_bytes);
    data_->oversized = limits.oversized;
    data_->max_event_rows = static_cast<std::size_t>(limits.max_event_rows);
    data_->max_event_bytes = static_cast<std::size_t>(limits.max_event_bytes);
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
  column_compiler columns_{*data_, binder_, problems_};
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
  for (auto& event : data->events)
    event.writes.clear();
  data->shape = fingerprint(std::span<const table_columns>{});
  return std::make_shared<const program>(std::move(data));
}

std::vector<compile_problem> check_expressions(const pipeline_config& config) {
  compiler run{config, std::nullopt};
  run.run();
  return run.problems();
}

} // namespace millrace
