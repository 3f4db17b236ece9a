// SPDX-License-Identifier: Apache-2.0
// A sockaddr_un from a path. Internal to common/os.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "common/base/result.h"

namespace sluice::os {

inline Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // One byte stays for the final zero.
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalid, "socket path '" + path + "' has " + std::to_string(path.size()) +
                                    " bytes; allowed are 1 to " +
                                    std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace sluice::os
