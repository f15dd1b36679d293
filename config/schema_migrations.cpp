#include "config/schema.hpp"
#include "config/schema_words.hpp"
#include "config/values.hpp"

namespace millrace::schema {

namespace {

using enum option_type;

section<migrations_config> make_migrations() {
  using c = migrations_config;
  return make_section<c>(
    "migrations[]",
    "One `[[migrations]]` for each set of migrations beside those of the "
    "pipelines' packs: a folder of your own, or another set of the program. "
    "They are applied after the packs', in this order, by `millrace migrate` "
    "and, with `auto_migrate`, by nodes.",
    {
      bind<&c::set, is_pack_name>(
        {.path = "set",
         .type = text,
         .form = "the name of a set: a-z, 0-9, _ and -, at most 41 characters",
         .required = true,
         .description = "What the set is called in histories and after "
                        "`--set`. Without `folder` the program has to have a "
                        "set of that name, such as "
                        "`trading-engine-payments`."}),
      bind<&c::folder>(
        {.path = "folder",
         .type = text,
         .form = "a folder that is there, absolute or from the file's own "
                 "folder on",
         .default_note = "the program's own set of that name",
         .description = "Where the files of the set are. Every node with "
                        "`auto_migrate` needs them, and the same ones."}),
      bind<&c::tenants, is_name>({.path = "tenants",
                                  .type = text_list,
                                  .form = name_form,
                                  .default_note = "all",
                                  .description = "Whose schemas get it."}),
    });
}

} // namespace

const section<migrations_config>& migrations() {
  static const auto result = make_migrations();
  return result;
}

} // namespace millrace::schema
