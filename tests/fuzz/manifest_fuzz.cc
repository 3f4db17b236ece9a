// SPDX-License-Identifier: Apache-2.0
// Any bytes as a manifest: an Error or a manifest that merges, never anything else.
// fuzz-deps: sluice_sources
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "offload/sources/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = sluice::sources::parse_manifest(text);
  if (!manifest) {
    if (manifest.error().message.empty()) std::abort();
    return 0;
  }
  const auto cluster = sluice::sources::merge(*manifest);
  if (!cluster) std::abort();  // parse_manifest() promises that it merges
  for (const auto& service : cluster->services) {
    for (const auto& port : service.ports) {
      if (port.port == 0) std::abort();
      for (const auto& endpoint : port.endpoints) {
        if (endpoint.ip.is_zero() || endpoint.port == 0) std::abort();
      }
    }
  }
  return 0;
}
