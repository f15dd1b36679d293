# cmake -DOUT=file -DROOT=folder -DFILES=a,b,c -P embed.cmake
# Writes a source file that holds the SQL files as raw strings.
string(REPLACE "," ";" files "${FILES}")
set(body "")
foreach(file IN LISTS files)
  file(READ "${ROOT}/${file}" text)
  get_filename_component(set "${file}" DIRECTORY)
  get_filename_component(name "${file}" NAME)
  string(APPEND body "  {\"${set}\", \"${name}\", R\"millrace_sql(${text})millrace_sql\"},\n")
endforeach()
file(WRITE "${OUT}" "// Generated from the SQL files of this folder.

#include \"migrations/embedded.hpp\"

namespace millrace {

namespace {

constexpr embedded_migration all[] = {
${body}};

} // namespace

std::span<const embedded_migration> embedded_migrations() {
  return all;
}

} // namespace millrace
")
