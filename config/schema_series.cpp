#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<series_config> make_series() {
  using c = series_config;
  constexpr auto column = "the name of a column, at most 63 bytes";
  return make_section<c>(
    "pipeline.*.series[]",
    "One `[[pipeline.NAME.series]]` for tables that grow with time, in all "
    "schemas of the pipeline's tenants: what `millrace db stats` tells of "
    "them, and by which column `millrace db clean` knows what is old. Tables "
    "of a `[[pipeline.NAME.partition]]` need none to be cleaned. Beside "
    "`pack` it takes the place of what the pack says of these tables.",
    {
      bind<&c::tables, is_identifier>(
        {.path = "tables",
         .type = text_list,
         .form = "the name of a table without schema, at most 63 bytes",
         .required = true,
         .description = "Tables to which it applies."}),
      bind<&c::time, is_identifier>(
        {.path = "time",
         .type = text,
         .form = column,
         .default_note = "the column that the table is partitioned by",
         .description = "The timestamp that says when a row was true."}),
      bind<&c::symbol, is_identifier>(
        {.path = "symbol",
         .type = text,
         .form = column,
         .default_note = "none",
         .description = "What a row is about, such as the instrument: the "
                        "largest and the latest are told."}),
      bind<&c::exchange, is_identifier>(
        {.path = "exchange",
         .type = text,
         .form = column,
         .default_note = "none",
         .description = "Where a row comes from: rows are told for each."}),
      bind<&c::exchange_name, is_identifier>(
        {.path = "exchange_name",
         .type = text,
         .form = column,
         .default_note = "the value of `exchange` itself",
         .description = "What an `exchange` is called: a column of the table "
                        "that a foreign key of `exchange` names."}),
    });
}

} // namespace

const section<series_config>& series() {
  static const auto result = make_series();
  return result;
}

} // namespace millrace::schema
