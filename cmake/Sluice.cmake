# SPDX-License-Identifier: Apache-2.0
# What every folder's CMakeLists.txt is written with: one function a kind of target.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

add_library(sluice_options INTERFACE)
target_include_directories(sluice_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(sluice_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -fno-strict-overflow)
# Frame pointers cost little and make perf and sanitizer reports readable.
target_compile_options(sluice_options INTERFACE -fno-omit-frame-pointer)
# Warnings are errors in the ordinary builds. Sanitizers and clang (fuzzers) warn differently, partly
# wrongly, and a second opinion there must not stop a build.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE -Werror)
endif()
if(SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE
    -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()

# sluice_library(NAME SOURCES a.cc b.cc [DEPS x y] [PRIVATE_DEPS z])
# One library a folder. DEPS are what its headers include, PRIVATE_DEPS what only its sources do.
function(sluice_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE sluice_options ${ARG_PRIVATE_DEPS})
    target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_DEPS})
    target_include_directories(${name} INTERFACE "${CMAKE_SOURCE_DIR}")
  endif()
endfunction()

# sluice_program(NAME SOURCES main.cc [DEPS x y])   -> ${CMAKE_BINARY_DIR}/bin/NAME
function(sluice_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options ${ARG_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# Folders under tests/ whose subjects use threads: their tests also run under ThreadSanitizer.
set(SLUICE_TSAN_FOLDERS
  unit/common/kube unit/common/os unit/device-plugin/dra unit/device-plugin/metrics
  unit/offload/engine unit/offload/eswitch unit/offload/legs unit/offload/rpc
  unit/offload/slowpath)
foreach(folder ${SLUICE_TSAN_FOLDERS})
  if(NOT IS_DIRECTORY "${CMAKE_SOURCE_DIR}/tests/${folder}")
    message(FATAL_ERROR "SLUICE_TSAN_FOLDERS (cmake/Sluice.cmake): tests/${folder} is no folder")
  endif()
endforeach()

# One build target a label (unit_tests, component_tests, ...), for builds that want only those.
function(sluice_label_target label)
  if(NOT TARGET ${label}_tests)
    add_custom_target(${label}_tests)
  endif()
  foreach(target ${ARGN})
    add_dependencies(${label}_tests ${target})
  endforeach()
endfunction()

# sluice_test(NAME SOURCES a_test.cc [DEPS x] [LABELS unit] [PROGRAMS p])
# A doctest program, one ctest entry. Labels: unit, component, netns; asan beside netns for what the
# sanitizers' lane is to run too, as root (see tests/README.md).
# PROGRAMS are those that the test starts: built with it.
function(sluice_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS;PROGRAMS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}/tests" "${CMAKE_CURRENT_SOURCE_DIR}")
  if(folder IN_LIST SLUICE_TSAN_FOLDERS AND "unit" IN_LIST ARG_LABELS)
    list(APPEND ARG_LABELS tsan)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE sluice_options ${ARG_DEPS} sluice_test_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  if(ARG_PROGRAMS)
    add_dependencies(${name} ${ARG_PROGRAMS})
  endif()
  foreach(label ${ARG_LABELS})
    sluice_label_target(${label} ${name})
  endforeach()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300)
endfunction()

# sluice_python_test(FILE [LABELS netns])
# A unittest file, one ctest entry. SLUICE_BIN in its environment is the folder of the programs.
function(sluice_python_test file)
  cmake_parse_arguments(ARG "" "" "LABELS" ${ARGN})
  file(RELATIVE_PATH name "${CMAKE_SOURCE_DIR}/tests" "${file}")
  string(REGEX REPLACE "\\.py$" "" name "${name}")
  string(REPLACE "/" "_" name "${name}")
  add_test(NAME ${name} COMMAND /usr/bin/python3 "${file}" -v)
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 900
    ENVIRONMENT "SLUICE_BIN=${CMAKE_BINARY_DIR}/bin;SLUICE_BUILD_DIR=${CMAKE_BINARY_DIR};PYTHONPATH=${CMAKE_SOURCE_DIR}/tests/netns;PYTHONDONTWRITEBYTECODE=1")
endfunction()
