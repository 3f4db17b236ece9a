// SPDX-License-Identifier: Apache-2.0
#include "offload/main/privileges.h"

#include <linux/capability.h>

#include <charconv>
#include <string>

#include "common/os/files.h"

namespace sluice::offloadd {
namespace {

struct Need {
  unsigned bit;
  const char* name;
  const char* why;
};

constexpr Need kNeeds[] = {
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", "links, routes, nft"},
    {CAP_NET_RAW, "CAP_NET_RAW", "packet sockets"},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "network namespaces"},
};

}  // namespace

Status check_privileges() {
  SLUICE_TRY(const auto status, os::read_file("/proc/self/status"));
  const auto at = status.find("CapEff:\t");
  std::uint64_t effective = 0;
  if (at != std::string::npos) {
    const char* digits = status.data() + at + 8;
    (void)std::from_chars(digits, status.data() + status.size(), effective, 16);
  }
  std::string missing;
  for (const auto& need : kNeeds) {
    if ((effective >> need.bit & 1U) == 0) {
      missing += std::string(missing.empty() ? "" : ", ") + need.name + " (" + need.why + ")";
    }
  }
  if (missing.empty()) return {};
  return fail(Code::kPermission, "missing privilege: " + missing + "; run as root");
}

}  // namespace sluice::offloadd
