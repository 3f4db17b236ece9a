// SPDX-License-Identifier: Apache-2.0
#include "common/callstats/layout.h"

#include <string>

namespace sluice::callstats {

Layout empty_layout() {
  Layout layout;
  layout.header = {kMagic, kVersion, sizeof(Layout)};
  return layout;
}

Status check_header(const Header& header, std::uint64_t file_size) {
  if (file_size < sizeof(Header) || header.magic != kMagic) {
    return fail(Code::kInvalid, "it is no file of call statistics");
  }
  if (header.version != kVersion) {
    return fail(Code::kInvalid, "its version is " + std::to_string(header.version) + ", known is " +
                                    std::to_string(kVersion));
  }
  if (header.size != sizeof(Layout) || file_size != sizeof(Layout)) {
    return fail(Code::kInvalid, "it has " + std::to_string(file_size) + " bytes and says " +
                                    std::to_string(header.size) + ", wanted are " +
                                    std::to_string(sizeof(Layout)));
  }
  return {};
}

}  // namespace sluice::callstats
