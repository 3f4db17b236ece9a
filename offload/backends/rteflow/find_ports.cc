// SPDX-License-Identifier: Apache-2.0
#include "offload/backends/rteflow/find_ports.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "offload/backends/rteflow/dpdk_error.h"

namespace sluice::rteflow {
namespace {

constexpr std::uint16_t kMaxVfs = 4096;

Result<rte_eth_dev_info> info_of(std::uint16_t port) {
  rte_eth_dev_info info{};
  if (const int r = ::rte_eth_dev_info_get(port, &info); r != 0) {
    return fail(dpdk_error(-r, "ask ethdev " + std::to_string(port) + " what it is"));
  }
  return info;
}

// All ports that belong to the eswitch, representors included.
Result<std::vector<std::uint16_t>> ports_of_domain(std::uint16_t domain) {
  std::vector<std::uint16_t> members;
  for (std::uint64_t next = 0;; ++next) {
    next = ::rte_eth_find_next_owned_by(static_cast<std::uint16_t>(next), RTE_ETH_DEV_NO_OWNER);
    if (next >= RTE_MAX_ETHPORTS) break;
    const auto port = static_cast<std::uint16_t>(next);
    SLUICE_TRY(const auto info, info_of(port));
    if (info.switch_info.domain_id == domain) members.push_back(port);
  }
  return members;
}

// The member that is the representor `what` ("vf3", "pf0"), by DPDK's own device filter.
std::optional<std::uint16_t> find_representor(const std::string& what,
                                              const std::vector<std::uint16_t>& members) {
  const std::string filter = "class=eth,representor=" + what;
  rte_dev_iterator iterator{};
  std::optional<std::uint16_t> found;
  if (::rte_eth_iterator_init(&iterator, filter.c_str()) != 0) return found;
  for (;;) {
    const std::uint16_t port = ::rte_eth_iterator_next(&iterator);
    if (port == RTE_MAX_ETHPORTS) break;  // it has cleaned up after itself
    if (std::find(members.begin(), members.end(), port) == members.end()) continue;
    found = port;
    ::rte_eth_iterator_cleanup(&iterator);
    break;
  }
  return found;
}

}  // namespace

Result<EthPorts> find_ports(const std::string& name) {
  EthPorts result;
  std::uint16_t any = 0;
  if (::rte_eth_dev_get_port_by_name(name.c_str(), &any) != 0) {
    return fail(Code::kNotFound, "DPDK has no ethdev named '" + name + "'");
  }
  rte_flow_error error{};
  if (const int r = ::rte_flow_pick_transfer_proxy(any, &result.proxy, &error); r != 0) {
    return fail(std::move(flow_error(error, -r)).with("finding the transfer proxy of " + name));
  }
  SLUICE_TRY(const auto info, info_of(result.proxy));
  if (info.switch_info.domain_id == RTE_ETH_DEV_SWITCH_DOMAIN_ID_INVALID) {
    return fail(Code::kUnsupported,
                "ethdev '" + name + "' belongs to no eswitch (is it in switchdev mode?)");
  }
  std::array<char, RTE_ETH_NAME_MAX_LEN> device{};
  if (::rte_eth_dev_get_name_by_port(result.proxy, device.data()) == 0)
    result.device = device.data();

  SLUICE_TRY(auto members, ports_of_domain(info.switch_info.domain_id));
  std::erase(members, result.proxy);
  result.ports.emplace_back(model::PortId::uplink(), result.proxy);
  if (const auto host = find_representor("pf0", members)) {
    result.ports.emplace_back(model::PortId::host(), *host);
    std::erase(members, *host);
  }
  for (std::uint16_t vf = 0; vf < kMaxVfs && !members.empty(); ++vf) {
    const auto port = find_representor("vf" + std::to_string(vf), members);
    if (!port) continue;
    result.ports.emplace_back(model::PortId::vf(vf), *port);
    std::erase(members, *port);
  }
  std::sort(result.ports.begin(), result.ports.end());
  return result;
}

}  // namespace sluice::rteflow
