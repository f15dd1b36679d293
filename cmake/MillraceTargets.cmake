# Compile options live in one INTERFACE target; nothing sets global flags.
add_library(millrace_options INTERFACE)
target_compile_features(millrace_options INTERFACE cxx_std_23)
target_include_directories(millrace_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(millrace_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast
  -Wnon-virtual-dtor
  $<$<BOOL:${MILLRACE_WERROR}>:-Werror>)
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_options INTERFACE
    -fsanitize=${MILLRACE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  # GCC sees uninitialised members in CAF's results once it instruments them.
  target_compile_options(millrace_options INTERFACE
    -Wno-maybe-uninitialized)
  target_link_options(millrace_options INTERFACE
    -fsanitize=${MILLRACE_SANITIZE})
endif()

# Half of the sources are tests: what they say themselves is looked at by the
# address sanitizer alone, which saves a third of their compilation. What they
# call is instrumented as a whole.
add_library(millrace_test_options INTERFACE)
if(MILLRACE_SANITIZE MATCHES undefined)
  target_compile_options(millrace_test_options INTERFACE
    -fno-sanitize=undefined)
endif()

# A library's sources eight at a time in one run of the compiler: what headers
# cost is paid once for all of them, a third of a build from nothing. Builds by
# hand and clang-tidy see each source alone.
option(MILLRACE_UNITY "Compile several sources of a library at once" OFF)

# millrace_library(NAME SOURCES … [PUBLIC libs…] [PRIVATE libs…] [ALONE …])
# One static library per folder. ALONE are those of its sources that have names
# of their own in common with others.
function(millrace_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE;ALONE" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name}
    PUBLIC millrace_options ${arg_PUBLIC}
    PRIVATE ${arg_PRIVATE})
  set_target_properties(${name} PROPERTIES
    UNITY_BUILD ${MILLRACE_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  set_source_files_properties(${arg_ALONE}
    PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(MILLRACE_UNITY)
    # What a source keeps to itself is in no main file then.
    target_compile_options(${name} PRIVATE -Wno-subobject-linkage)
  endif()
  millrace_precompile(${name})
endfunction()

# millrace_test(NAME LABEL label SOURCES … LIBS …)
# One Catch2 program per folder of tests; each test case becomes one ctest.
# Integration tests get the shared servers through the fixture "servers".
# Simulations are long: where MILLRACE_RELEASE_TESTS names a release build, its
# program is run as one ctest, and none is built here.
set(MILLRACE_RELEASE_TESTS "" CACHE PATH
  "A release build whose simulations this build's ctest runs")
add_custom_target(millrace_simulations
  COMMENT "Every test program with the label simulation")
function(millrace_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(arg_LABEL STREQUAL "simulation" AND MILLRACE_RELEASE_TESTS)
    add_test(NAME "${name}"
      COMMAND ${MILLRACE_RELEASE_TESTS}/bin/${name})
    if(NOT arg_TIMEOUT)
      set(arg_TIMEOUT 900)
    endif()
    set_tests_properties("${name}" PROPERTIES
      LABELS simulation TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 4)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  if(arg_LABEL STREQUAL "simulation")
    add_dependencies(millrace_simulations ${name})
  endif()
  target_link_libraries(${name} PRIVATE
    millrace_options millrace_test_options millrace_test_main ${arg_LIBS})
  millrace_precompile(${name})
  set(properties LABELS ${arg_LABEL})
  if(arg_TIMEOUT)
    list(APPEND properties TIMEOUT ${arg_TIMEOUT})
  else()
    list(APPEND properties TIMEOUT 120)
  endif()
  if(arg_LABEL STREQUAL "integration")
    list(APPEND properties FIXTURES_REQUIRED servers)
  endif()
  catch_discover_tests(${name}
    TEST_PREFIX "${name}: "
    DISCOVERY_MODE PRE_TEST
    PROPERTIES ${properties})
endfunction()
