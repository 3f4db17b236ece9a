// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/status.h"

#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/netlink/rdma.h"
#include "common/nic/drivers.h"
#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/device_client.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/attach/plan.h"
#include "sriov-cni/attach/refusals.h"
#include "sriov-cni/attach/wanted.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/journal/journal.h"

namespace sluice::cni {
namespace {

Error with_code(int code, Error why) {
  why.domain = Domain::kProtocol;
  why.native = code;
  return why;
}

// The present code stays when it is one that STATUS has, or says that the configuration is wrong.
Status not_available(Error why) {
  const int code = cni_code(why);
  if (code == kNotAvailable || code == kLimitedConnectivity || code == kInvalidConfig) {
    return fail(std::move(why));
  }
  return fail(with_code(kNotAvailable, std::move(why)));
}

Status check_state(const NetConfig& config) {
  const auto journal = Journal::open(config.state_dir);
  if (!journal) return not_available(journal.error());
  if (::access(config.state_dir.c_str(), W_OK) == 0) return {};
  return not_available(errno_error(errno, "write in stateDir " + config.state_dir));
}

// What is known of the node; unset: of a network without an engine.
Result<std::optional<NodeFacts>> check_engine(Context& context) {
  using Facts = std::optional<NodeFacts>;
  const auto& config = context.config;
  if (config.engine == EngineUse::kNever) return Facts{};
  auto facts = EngineClient(config.engine_socket, context.engine_time).node_facts();
  if (facts) return Facts(std::move(*facts));
  auto cached = cached_facts(config.state_dir, config.engine_socket);
  if (config.engine == EngineUse::kOptional && is_away(facts.error()) && cached) {
    context.log.warn("the offload engine is away: pods are attached without offload",
                     {{"why", facts.error()}});
    return cached;
  }
  const bool cut_off = cached && !cached->vf_control_socket.empty();
  return fail(with_code(cut_off ? kLimitedConnectivity : kNotAvailable, std::move(facts).error()));
}

Status check_plugin(const NetConfig& config) {
  if (config.ask_plugin != AskPlugin::kRequired) return {};
  const auto there = DeviceClient(config.device_plugin_socket).is_there();
  return there ? Status{} : not_available(there.error());
}

std::set<std::string> vfs_in_use(const std::vector<Record>& records) {
  std::set<std::string> out;
  for (const auto& record : records) {
    if (record.vf && record.stage != Stage::kPortReturned) out.insert(record.vf->pci);
  }
  return out;
}

// Of a network that has nothing but VFs for its pods. One that can fall back to a veth, as the
// cluster's primary network does, is ready without: a node must not become NotReady because its
// VFs are all in use.
Status check_vfs(const NetConfig& config, const std::optional<NodeFacts>& facts) {
  if (gives_veths(config)) return {};
  const auto sysfs_root = facts ? facts->sysfs_root : config.sysfs_root;
  nic::InventoryOptions options;
  options.user_space_devices = false;
  const auto root = os::Root::open(sysfs_root);
  if (!root) return not_available(root.error());
  const auto inventory = nic::read_inventory(*root, options);
  if (!inventory) return not_available(inventory.error());
  const auto journal = Journal::open(config.state_dir);
  if (!journal) return not_available(journal.error());
  const auto contents = journal->load_all();
  if (!contents) return not_available(contents.error());
  const auto used = vfs_in_use(contents->records);
  std::size_t all = 0, in_use = 0;
  for (const auto& pf : inventory->pfs) {
    for (const auto& vf : pf.vfs) {
      const bool is_used = used.contains(vf.address.to_string());
      if (!is_used && (vf.netdev || nic::makes_no_netdev(vf.driver))) return {};
      ++all;
      in_use += is_used ? 1 : 0;
    }
  }
  if (all == 0) return cni_fail(kNotAvailable, "no PF below " + sysfs_root + " has a VF");
  return cni_fail(kNotAvailable, "no VF is free: of the " + std::to_string(all) + " below " +
                                     sysfs_root + " " + std::to_string(in_use) +
                                     " are in use, the others have no netdev here");
}

Status check_rdma(const NetConfig& config) {
  const auto wanted = config.vf.rdma;
  if (wanted != RdmaUse::kShared && wanted != RdmaUse::kExclusive) return {};
  auto rdma = netlink::Rdma::open();
  if (!rdma) return not_available(rdma.error());
  const auto mode = rdma->mode();
  if (!mode) return not_available(mode.error());
  const bool exclusive = *mode == netlink::RdmaMode::kExclusive;
  if (exclusive == (wanted == RdmaUse::kExclusive)) return {};
  return cni_fail(kNotAvailable, std::string("rdma is '") + (exclusive ? "shared" : "exclusive") +
                                     "', but the system's RDMA namespace mode is " +
                                     (exclusive ? "exclusive" : "shared"));
}

Status check_addresses(const Context& context, const std::optional<NodeFacts>& facts) {
  const auto source = ipam_source(context, facts ? &*facts : nullptr, nullptr);
  if (source.kind == IpamKind::kNone) return {};
  const auto ipam = make_ipam(source, kIpamDeadline);
  if (!ipam) return not_available(ipam.error());
  const auto ready = (*ipam)->status();
  return ready ? Status{} : not_available(ready.error());
}

}  // namespace

Status status(Context& context) {
  SLUICE_CHECK_OK(check_engine_wishes(context.config));
  SLUICE_CHECK_OK(check_state(context.config));
  SLUICE_TRY(const auto facts, check_engine(context));
  if (facts) SLUICE_CHECK_OK(check_pod_mtu(context.config, *facts));
  SLUICE_CHECK_OK(check_plugin(context.config));
  SLUICE_CHECK_OK(check_vfs(context.config, facts));
  SLUICE_CHECK_OK(check_rdma(context.config));
  return check_addresses(context, facts);
}

}  // namespace sluice::cni
