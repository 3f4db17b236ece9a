# SPDX-License-Identifier: Apache-2.0
# DPDK of the system, for the few targets that may see it.
#   sluice_dpdk      librte_*'s public API (shared libraries)
#   sluice_dpdk_sdk  plus the driver headers and the internal symbols: for offload/pmd alone
include_guard(GLOBAL)

find_package(PkgConfig REQUIRED)
pkg_check_modules(DPDK REQUIRED libdpdk)

# The whole list of pkg-config is some fifty libraries; we need these.
add_library(sluice_dpdk INTERFACE)
target_include_directories(sluice_dpdk SYSTEM INTERFACE ${DPDK_INCLUDE_DIRS})
target_compile_options(sluice_dpdk INTERFACE "SHELL:-include rte_config.h" -march=corei7)
foreach(library eal ethdev mbuf mempool ring kvargs bus_vdev)
  find_library(DPDK_LIBRARY_${library} rte_${library} HINTS ${DPDK_LIBRARY_DIRS} REQUIRED)
  target_link_libraries(sluice_dpdk INTERFACE "${DPDK_LIBRARY_${library}}")
endforeach()

set(_sdk "${CMAKE_BINARY_DIR}/dpdk-sdk")
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/scripts/dpdk-sdk" "${_sdk}" RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR "scripts/dpdk-sdk could not get DPDK's driver headers (see above)")
endif()

# Headers and library must be one version: the driver's symbols have no ABI promise.
file(READ "${_sdk}/version" _sdk_version)
string(REGEX MATCH "^([0-9]+:)?([0-9]+\\.[0-9]+(\\.[0-9]+)?)" _ignored "${_sdk_version}")
if(NOT CMAKE_MATCH_2 VERSION_EQUAL DPDK_VERSION)
  message(FATAL_ERROR "DPDK is ${DPDK_VERSION} by pkg-config, its source package ${_sdk_version}")
endif()

add_library(sluice_dpdk_sdk INTERFACE)
target_include_directories(sluice_dpdk_sdk SYSTEM INTERFACE "${_sdk}/include")
target_compile_definitions(sluice_dpdk_sdk INTERFACE ALLOW_INTERNAL_API ALLOW_EXPERIMENTAL_API)
target_link_libraries(sluice_dpdk_sdk INTERFACE sluice_dpdk)
