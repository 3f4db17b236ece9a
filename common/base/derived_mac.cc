// SPDX-License-Identifier: Apache-2.0
#include "common/base/derived_mac.h"

namespace sluice {

MacAddr derived_mac(std::uint64_t hash) {
  MacAddr mac;
  mac.bytes[0] = 0x02;
  for (std::size_t i = 1; i < mac.bytes.size(); ++i, hash >>= 8U) {
    mac.bytes[i] = static_cast<std::uint8_t>(hash & 0xffU);
  }
  return mac;
}

}  // namespace sluice
