// SPDX-License-Identifier: Apache-2.0
// What the files that implement Rtnl share. Internal to common/netlink.
#pragma once

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/netlink/decode.h"
#include "common/netlink/rtnetlink.h"
#include "common/netlink/transport.h"

namespace sluice::netlink {

struct Rtnl::Impl {
  Transport transport;

  // A request whose answer is its ACK. An error number in `fine` is success.
  Status change(MessageWriter& message, std::string_view what,
                std::initializer_list<int> fine = {});
  // All of them in one send; the first failure.
  Status change_all(std::vector<Transport::BatchRequest> requests,
                    std::initializer_list<int> fine = {});
  Status detach_generic_xdp(IfIndex index, std::string_view what);
  Result<std::vector<DefaultRoute>> default_routes(bool ipv6, std::uint32_t table);
};

// The values of all replies that are about what was asked.
template <class T>
Result<std::vector<T>> decode_all(const std::vector<Reply>& replies,
                                  Result<std::optional<T>> (*decode)(const Message&)) {
  std::vector<T> values;
  for (const auto& reply : replies) {
    SLUICE_TRY(auto value, decode(reply.message()));
    if (value) values.push_back(std::move(*value));
  }
  return values;
}

// linux/rtnetlink.h of 6.1 has it; older headers of cross builds may not.
inline constexpr std::uint32_t kSkipStats = 1U << 3U;  // RTEXT_FILTER_SKIP_STATS

inline ifinfomsg link_header(IfIndex index) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(index.value);
  return header;
}

inline std::string on_link(IfIndex index) { return " on link " + std::to_string(index.value); }

// 1 to 15 bytes, no '/', no white space: what the kernel takes (dev_valid_name).
Status check_link_name(std::string_view name);

}  // namespace sluice::netlink
