// SPDX-License-Identifier: Apache-2.0
// The packets of the benchmarks: one UDP packet of 60 bytes to each of a thousand services.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/addr.h"

namespace sluice::bench {

inline constexpr std::uint32_t kDestinations = 1000, kBackends = 100;
inline constexpr Ipv4 kClient{0x0a000101}, kService{0x0a600000}, kBackend{0x0a010000};
inline constexpr MacAddr kSource{{2, 0, 0, 0, 0, 1}}, kGateway{{2, 0, 0, 0, 0, 2}};
inline constexpr std::uint16_t kClientPort = 40000, kServicePort = 80, kBackendPort = 8080;

// The frame to service `i`.
std::vector<std::uint8_t> packet(std::uint32_t i);

// All of them in a temporary pcap file (libpcap's format, big endian); "" when it can't be written.
std::string write_pcap();

}  // namespace sluice::bench
