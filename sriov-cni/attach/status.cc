// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/status.h"

#include <unistd.h>

#include <cerrno>

#include "common/netlink/rdma.h"
#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/device_client.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/journal/journal.h"

namespace sluice::cni {
namespace {

// The present code stays when it is one that STATUS has.
Status not_available(const Error& why) {
  const int code = cni_code(why);
  if (code == kNotAvailable || code == kLimitedConnectivity) return fail(why);
  return cni_fail(kNotAvailable, why.to_string());
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
  auto facts = EngineClient(config.engine_socket).node_facts();
  if (facts) return Facts(std::move(*facts));
  auto cached = cached_facts(config.state_dir, config.engine_socket);
  if (config.engine == EngineUse::kOptional && is_away(facts.error()) && cached) {
    context.log.warn("the offload engine is away: pods are attached without offload",
                     {{"why", facts.error()}});
    return cached;
  }
  const bool cut_off = cached && !cached->vf_control_socket.empty();
  return cni_fail(cut_off ? kLimitedConnectivity : kNotAvailable, facts.error().to_string());
}

Status check_plugin(const NetConfig& config) {
  if (config.ask_plugin != AskPlugin::kRequired || config.device) return {};
  const auto there = DeviceClient(config.device_plugin_socket).is_there();
  return there ? Status{} : not_available(there.error());
}

// Without an engine all is about VFs.
Status check_nics(const NetConfig& config) {
  if (config.engine != EngineUse::kNever) return {};
  nic::InventoryOptions options;
  options.user_space_devices = false;
  const auto root = os::Root::open(config.sysfs_root);
  if (!root) return not_available(root.error());
  const auto inventory = nic::read_inventory(*root, options);
  if (!inventory) return not_available(inventory.error());
  for (const auto& pf : inventory->pfs) {
    if (!pf.vfs.empty()) return {};
  }
  return cni_fail(kNotAvailable, "no PF below " + config.sysfs_root + " has a VF");
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
  SLUICE_CHECK_OK(check_state(context.config));
  SLUICE_TRY(const auto facts, check_engine(context));
  SLUICE_CHECK_OK(check_plugin(context.config));
  SLUICE_CHECK_OK(check_nics(context.config));
  SLUICE_CHECK_OK(check_rdma(context.config));
  return check_addresses(context, facts);
}

}  // namespace sluice::cni
