// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/pmd/traffic.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::bench {
namespace {

void put(std::vector<std::uint8_t>& out, std::uint32_t value, int bytes) {
  while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
}

std::uint16_t checksum(const std::uint8_t* at, std::size_t n) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < n; i += 2) {
    sum += static_cast<std::uint32_t>(at[i] << 8 | at[i + 1]);
  }
  while (sum >> 16U != 0) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace

std::vector<std::uint8_t> packet(std::uint32_t i) {
  std::vector<std::uint8_t> p;
  p.reserve(60);
  for (const auto& mac : {kGateway, kSource}) {
    for (const auto byte : mac.bytes) p.push_back(byte);
  }
  put(p, 0x0800, 2);
  put(p, 0x4500002e, 4);  // 46 bytes of IP
  put(p, i, 2);
  put(p, 0, 2);
  put(p, 0x40110000, 4);  // TTL 64, UDP
  put(p, kClient.value, 4);
  put(p, kService.value + i, 4);
  const std::uint16_t sum = checksum(p.data() + 14, 20);
  p[24] = static_cast<std::uint8_t>(sum >> 8U);
  p[25] = static_cast<std::uint8_t>(sum);
  put(p, kClientPort, 2);
  put(p, kServicePort, 2);
  put(p, 26, 2);
  put(p, 0xbeef, 2);  // a checksum to be updated; nobody here verifies it
  p.resize(60, 0);
  return p;
}

std::string write_pcap() {
  std::vector<std::uint8_t> file;
  put(file, 0xa1b2c3d4, 4);
  put(file, 2, 2);
  put(file, 4, 2);
  put(file, 0, 4);
  put(file, 0, 4);
  put(file, 65535, 4);
  put(file, 1, 4);  // Ethernet
  for (std::uint32_t i = 0; i < kDestinations; ++i) {
    const auto p = packet(i);
    put(file, i, 4);
    put(file, 0, 4);
    put(file, 60, 4);
    put(file, 60, 4);
    file.insert(file.end(), p.begin(), p.end());
  }
  std::string name = (std::filesystem::temp_directory_path() / "slbench-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  if (fd < 0) return {};
  ::close(fd);
  std::ofstream(name, std::ios::binary)
      .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
  return name;
}

}  // namespace sluice::bench
