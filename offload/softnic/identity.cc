// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/identity.h"

#include "common/base/derived_mac.h"
#include "common/base/hash.h"
#include "offload/softnic/types.h"

namespace sluice::softnic {
namespace {

constexpr std::uint8_t kBus = 0x5c;
constexpr unsigned kFunctionsPerDevice = 8;

std::uint64_t seed_of(std::string_view what, std::string_view name) {
  return hash_combine(hash_bytes(what), hash_bytes(name));
}

}  // namespace

std::string_view to_string(VfPlace place) {
  switch (place) {
    case VfPlace::kHere:
      return "here";
    case VfPlace::kInPod:
      return "in-pod";
    case VfPlace::kGone:
      return "gone";
  }
  return "gone";
}

nic::PciAddress pf_address() { return {0, kBus, 0, 0}; }

nic::PciAddress vf_address(std::uint16_t index) {
  const unsigned routing_id = index + 1U;
  return {0, kBus, static_cast<std::uint8_t>(routing_id / kFunctionsPerDevice),
          static_cast<std::uint8_t>(routing_id % kFunctionsPerDevice)};
}

MacAddr vf_mac(std::string_view node, std::uint16_t index) {
  return derived_mac(hash_combine(seed_of("softnic vf", node), index));
}

std::string switch_id(std::string_view node, std::string_view uplink) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::uint64_t value = hash_combine(seed_of("softnic switch", node), hash_bytes(uplink));
  std::string text;
  for (int i = 0; i < 16; ++i, value >>= 4U) text.push_back(kDigits[value & 0xfU]);
  return text;
}

std::string vf_name(std::string_view uplink, std::uint16_t index) {
  return std::string(uplink).append("v").append(std::to_string(index));
}

std::string representor_name(std::uint16_t index) { return "rep" + std::to_string(index); }

}  // namespace sluice::softnic
