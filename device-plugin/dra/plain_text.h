// SPDX-License-Identifier: Apache-2.0
// Text for protobuf strings: these must be UTF-8, and what comes from outside may be anything.
// Internal to device-plugin/dra.
#pragma once

#include <string>

namespace sluice::dra {

// At most `limit` bytes of printable ASCII; everything else becomes '?'.
inline std::string plain_text(std::string text, std::size_t limit) {
  if (text.size() > limit) text.resize(limit);
  for (char& c : text) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace sluice::dra
