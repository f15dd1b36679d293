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

# The threads of librdkafka, for the thread sanitizer to know them. Their first
# function brings the others.
if(MILLRACE_SANITIZE MATCHES thread)
  add_library(millrace_c11_threads STATIC
    ${PROJECT_SOURCE_DIR}/tests/support/c11_threads.cpp)
  target_compile_features(millrace_c11_threads PRIVATE cxx_std_23)
  target_link_options(millrace_c11_threads INTERFACE
    -Wl,--undefined=thrd_create)
  target_link_libraries(millrace_options INTERFACE millrace_c11_threads)
endif()

# Which code an input reached, see tests/fuzz.
if(MILLRACE_FUZZ)
  target_compile_options(millrace_options INTERFACE
    -fsanitize-coverage=trace-pc,trace-cmp)
endif()

# Half of the sources are tests: what they say themselves is looked at by the
# address sanitizer alone, which saves a third of their compilation. What they
# call is instrumented as a whole.
add_library(millrace_test_options INTERFACE)
if(MILLRACE_SANITIZE MATCHES undefined)
  target_compile_options(millrace_test_options INTERFACE
    -fno-sanitize=undefined)
endif()

# Tests wait for nodes more than for the compiler: where this is set, libraries
# are compiled with it, and tests as the build type says.
set(MILLRACE_LIBRARY_OPTIMISATION "" CACHE STRING
  "How to optimise libraries, such as -O1; empty: as the build type says")
add_library(millrace_library_options INTERFACE)
target_compile_options(millrace_library_options INTERFACE
  ${MILLRACE_LIBRARY_OPTIMISATION})

# A library's sources eight at a time in one run of the compiler: what headers
# cost is paid once for all of them, a third of a build from nothing. Builds by
# hand and clang-tidy see each source alone.
option(MILLRACE_UNITY "Compile several sources of a library at once" OFF)

# millrace_together(OUT NAME SOURCES … ALONE …): what to compile instead of these
# sources. CMake's own way (UNITY_BUILD) names them by where the tree stands, and
# a compiler cache would not know them again in another clone.
function(millrace_together out name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;ALONE")
  set(result ${arg_ALONE})
  set(content "")
  set(count 0)
  foreach(source IN LISTS arg_SOURCES)
    get_filename_component(place ${source} ABSOLUTE)
    file(RELATIVE_PATH inside ${PROJECT_BINARY_DIR} ${place})
    if(source IN_LIST arg_ALONE)
      continue()
    elseif(NOT inside MATCHES "^\\.\\./")
      # Generated ones stay alone.
      list(APPEND result ${source})
      continue()
    endif()
    file(RELATIVE_PATH name_in_tree ${PROJECT_SOURCE_DIR} ${place})
    math(EXPR first "${count} % 8")
    math(EXPR batch "${count} / 8")
    math(EXPR count "${count} + 1")
    if(first EQUAL 0)
      set(content "")
      set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}_${batch}.cpp)
      list(APPEND result ${file})
    endif()
    string(APPEND content "#include \"${name_in_tree}\"\n")
    file(CONFIGURE OUTPUT ${file} CONTENT "${content}" @ONLY)
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

# millrace_library(NAME SOURCES … [PUBLIC libs…] [PRIVATE libs…] [ALONE …])
# One static library per folder. ALONE are those of its sources that have names
# of their own in common with others.
function(millrace_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE;ALONE" ${ARGN})
  set(compiled ${arg_SOURCES})
  if(MILLRACE_UNITY)
    millrace_together(compiled ${name}
      SOURCES ${arg_SOURCES} ALONE ${arg_ALONE})
  endif()
  add_library(${name} STATIC ${compiled})
  set_target_properties(${name} PROPERTIES MILLRACE_SOURCES "${arg_SOURCES}")
  target_link_libraries(${name}
    PUBLIC millrace_options ${arg_PUBLIC}
    PRIVATE millrace_library_options ${arg_PRIVATE})
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
