# Headers that nearly every source includes, parsed once instead of 350 times:
# a fifth of what a build from nothing costs. Sources still include what they
# use: builds by hand and clang-tidy see them without this.
#
# GCC takes a precompiled header only where options are the same, so targets
# that need other ones are better left alone: they build, only more slowly.
option(MILLRACE_PRECOMPILE "Precompile the standard library, CAF and Catch2" OFF)
if(NOT MILLRACE_PRECOMPILE)
  function(millrace_precompile target)
  endfunction()
  return()
endif()

set(millrace_standard_headers
  <algorithm> <array> <charconv> <chrono> <cstddef> <cstdint> <deque>
  <expected> <filesystem> <format> <functional> <map> <memory> <mutex>
  <optional> <random> <set> <span> <stdexcept> <string> <string_view> <thread>
  <utility> <vector>)

# millrace_precompiled(NAME HEADERS … LIBS …)
function(millrace_precompiled name)
  cmake_parse_arguments(arg "" "" "HEADERS;LIBS" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp CONTENT "")
  add_library(${name} STATIC ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE millrace_options ${arg_LIBS})
  target_precompile_headers(${name} PRIVATE
    ${millrace_standard_headers} ${arg_HEADERS})
endfunction()

millrace_precompiled(millrace_precompiled_plain
  LIBS millrace_library_options)
millrace_precompiled(millrace_precompiled_actors
  HEADERS <caf/actor_system.hpp> <caf/event_based_actor.hpp>
    <caf/scoped_actor.hpp> <caf/send.hpp> <caf/typed_actor.hpp>
    <caf/typed_event_based_actor.hpp> <caf/typed_response_promise.hpp>
  LIBS millrace_library_options CAF::core)
millrace_precompiled(millrace_precompiled_tests
  HEADERS <catch2/catch_test_macros.hpp>
    <catch2/generators/catch_generators.hpp>
    <catch2/matchers/catch_matchers_string.hpp>
  LIBS millrace_test_options Catch2::Catch2)

# Gives a target the headers that fit what it is linked with.
function(millrace_precompile target)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  if(millrace_test_main IN_LIST libraries)
    set(headers millrace_precompiled_tests)
  elseif(CAF::core IN_LIST libraries)
    set(headers millrace_precompiled_actors)
  else()
    set(headers millrace_precompiled_plain)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${headers})
endfunction()
