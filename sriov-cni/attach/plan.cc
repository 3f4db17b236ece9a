// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/plan.h"

#include <set>
#include <string>

#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/attach/refusals.h"
#include "sriov-cni/attach/undo.h"
#include "sriov-cni/attach/wanted.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ports/pod_life.h"
#include "sriov-cni/ports/pod_side.h"

namespace sluice::cni {
namespace {

using callstats::Step;

Result<os::NetNs> open_pod(const Invocation& call) {
  const auto shown = call.netns.substr(0, 200);
  auto pod = os::NetNs::open(call.netns);
  if (!pod) {
    return cni_fail(kInvalidEnvironment, "CNI_NETNS '" + shown + "': " + pod.error().message);
  }
  SLUICE_TRY(const auto here, os::NetNs::current());
  if (here.inode() == pod->inode() && !call.own_netns) {
    return cni_fail(kInvalidEnvironment, "CNI_NETNS '" + shown + "' is the host's own namespace");
  }
  return pod;
}

// The engine's policy: asks it, or goes by what it said last.
Status know_node(Context& context, Plan& plan) {
  const auto& config = context.config;
  plan.place = {config.sysfs_root, config.vf_control_socket, config.baseline_dir};
  plan.mtu = config.mtu;
  if (config.engine == EngineUse::kNever) return {};
  auto facts = EngineClient(config.engine_socket, context.time_for_engine()).node_facts();
  if (facts) {
    plan.engine = EngineState::kTold;
    plan.facts = std::move(*facts);
    if (auto kept = keep_facts(config.state_dir, config.engine_socket, *plan.facts); !kept) {
      context.log.debug("could not keep the engine's facts", {{"error", kept.error()}});
    }
  } else {
    if (config.engine == EngineUse::kRequired || !is_away(facts.error())) {
      return fail(std::move(facts).error());
    }
    plan.facts = cached_facts(config.state_dir, config.engine_socket);
    if (!plan.facts || plan.facts->pending_directory.empty()) {
      return fail(
          std::move(facts).error().with("attaching without offload, for which an engine "
                                        "must have been there once"));
    }
    plan.engine = EngineState::kPending;
  }
  plan.place.sysfs_root = plan.facts->sysfs_root;
  plan.place.vf_control_socket = plan.facts->vf_control_socket;
  if (!plan.mtu) plan.mtu = plan.facts->pod_mtu;
  return check_pod_mtu(config, *plan.facts);
}

Status check_veths(const Context& context, const std::vector<Wanted>& wanted) {
  const auto& config = context.config;
  for (const auto& port : wanted) {
    if (!port.vf && !gives_veths(config)) return fail(no_device_error(config));
  }
  return wanted.front().vf ? Status{} : check_veth_wishes(config, context.log);
}

// Of an ADD that died before its interfaces were in the pod, or whose pod's namespace is another
// one now.
Status undo_leftovers(Context& context, const Journal& journal, const std::vector<Wanted>& wanted) {
  const auto& call = context.call;
  SLUICE_TRY(auto found, journal.load(call.id()));
  for (const auto& port : wanted) {
    if (found) break;
    SLUICE_TRY(found, journal.load(call.id_of(port.interface)));
  }
  if (!found) return {};
  // Its name in the pod says nothing: the pod may have renamed it, and a VF for user space has
  // none.
  if (found->stage == Stage::kAttached && living_namespace(*found, call.netns)) {
    return cni_fail(kInvalidEnvironment, "attachment " + found->id() +
                                             " exists already, of a pod that lives; its DEL must "
                                             "come before another ADD");
  }
  auto undone = Undoer(context, journal).attachment(context.key(), "");
  if (undone) return {};
  return fail(std::move(undone).error().with("undoing an earlier, unfinished ADD"));
}

// A record that holds the VF while the VF's pod is dead will get its DEL late or never.
Status claim_vf(Context& context, const Journal& journal, const std::string& pci) {
  SLUICE_TRY(auto contents, journal.load_all());
  for (auto& other : contents.records) {
    if (!other.vf || other.vf->pci != pci || other.stage == Stage::kPortReturned) continue;
    const auto id = other.id();
    if (pod_life(other) != PodLife::kDead) {
      return cni_fail(kTryAgainLater,
                      "VF " + pci + " is still in pod " + other.pod + " (" + id + "), or may be");
    }
    context.log.info("taking a VF from a dead pod", {{"vf", pci}, {"id", id}});
    // Its engine or IPAM part may have to wait; the VF itself must come back now.
    auto undone = Undoer(context, journal).one(std::move(other), nullptr, "");
    if (undone) continue;
    SLUICE_TRY(const auto left, journal.load(id));
    if (left && left->stage != Stage::kPortReturned) {
      return fail(std::move(undone).error().with("taking the VF from dead " + id));
    }
  }
  return {};
}

Record new_record(const Context& context, const Plan& plan, const Wanted& wanted,
                  const std::string& boot) {
  const auto& config = context.config;
  const auto& call = context.call;
  Record record;
  record.key = {call.container_id, wanted.interface};
  record.network = config.name;
  record.network_reference = config.network_reference;
  record.pod = call.pod;
  record.pod_uid = call.pod_uid;
  if (call.args.size() <= kMaxArgs) record.args = call.args;
  record.netns = call.netns;
  record.netns_inode = plan.pod.inode();
  record.boot = boot;
  record.engine = plan.engine;
  if (plan.engine != EngineState::kNone) record.engine_socket = config.engine_socket;
  if (plan.facts) record.pending_directory = plan.facts->pending_directory;
  record.given = wanted.given;
  record.given_by = wanted.given_by;
  record.claim = wanted.claim;
  if (wanted.interface != call.interface) {
    record.first = call.interface;
    return record;
  }
  record.port_mappings = config.port_mappings;
  if (wanted.vf) record.device_info_file = config.device_info_file;
  return record;
}

Status check_mtu(const FoundVf& found, std::optional<std::uint32_t> mtu) {
  const auto most = found.pf.netdev ? found.pf.netdev->mtu : 0;
  if (!mtu || most == 0 || *mtu <= most) return {};
  return cni_fail(kInvalidConfig,
                  "mtu is " + std::to_string(*mtu) + "; PF " + found.pf.netdev->name + " of VF " +
                      found.vf.address.to_string() + " has " + std::to_string(most));
}

// A VF for user space bears no mark of the pod that has it: while there are records that can't be
// read, only the journal's note tells that it is none of theirs.
Status check_no_unreadable_has(const Journal& journal, const nic::PciAddress& vf) {
  SLUICE_TRY(auto contents, journal.load_all());
  auto unreadable = std::move(contents.damaged);
  unreadable.insert(unreadable.end(), contents.newer.begin(), contents.newer.end());
  const auto holder = journal.holder_of(vf);
  for (const auto& path : unreadable) {
    if (holder && !path.ends_with("/" + id_hash(*holder) + ".json")) continue;
    return cni_fail(kTryAgainLater, "VF " + vf.to_string() +
                                        " may be in use by a pod whose record can't be read: " +
                                        path.substr(0, 200));
  }
  return {};
}

Status plan_vf(Context& context, const Journal& journal, const Plan& plan, const Wanted& wanted,
               PlannedPort& port) {
  SLUICE_TRY(port.vf, find_vf(context.nics, plan.place, *wanted.vf));
  auto wish = context.config.vf;
  wish.mtu = plan.mtu;
  if (!port.record.first.empty()) {  // what only one interface can have
    wish.mac.reset();
    wish.attributes.node_guid.reset();
    wish.attributes.port_guid.reset();
  }
  SLUICE_CHECK_OK(check_wish(*port.vf, wish));
  SLUICE_CHECK_OK(check_mtu(*port.vf, plan.mtu));
  const bool ethernet = !port.vf->link || port.vf->link->type != netlink::Link::kInfiniband;
  port.mac_from_address = !wish.mac && plan.engine != EngineState::kNone && ethernet;
  // That there will be one must be known to whoever undoes it; which one isn't known yet.
  if (port.mac_from_address) wish.mac = port.vf->home.mac;
  describe_vf(*port.vf, wish, port.record);
  if (port.record.kind != PortKind::kUserSpace) return {};
  return check_no_unreadable_has(journal, *wanted.vf);
}

void plan_veth(const Context& context, const Plan& plan, PlannedPort& port) {
  auto& record = port.record;
  record.kind = PortKind::kVeth;
  record.veth = veth_name(record.id());
  record.mtu = plan.mtu.value_or(0);
  const bool first = record.first.empty();
  if (first && context.config.vf.mac) record.mac = *context.config.vf.mac;
  port.mac_from_address = !first || !context.config.vf.mac;
}

Status plan_ports(Context& context, const Journal& journal, const std::vector<Wanted>& wanted,
                  Plan& plan) {
  SLUICE_TRY(const auto boot, boot_id());
  for (const auto& want : wanted) {
    PlannedPort port;
    port.record = new_record(context, plan, want, boot);
    if (want.vf) {
      SLUICE_CHECK_OK(plan_vf(context, journal, plan, want, port));
    } else {
      plan_veth(context, plan, port);
    }
    port.record.ipam =
        ipam_source(context, plan.facts ? &*plan.facts : nullptr, port.vf ? &*port.vf : nullptr);
    if (plan.facts) SLUICE_CHECK_OK(check_pool(port.record.ipam, *plan.facts));
    if (!plan.ports.empty()) plan.ports.front().record.others.push_back(want.interface);
    plan.ports.push_back(std::move(port));
  }
  return {};
}

// Old shapes of results can't say everything: better known before the VF is moved.
Status check_result(const Context& context, const Plan& plan) {
  auto expected = context.config.previous.value_or(CniResult{});
  for (const auto& port : plan.ports) {
    expected.interfaces.push_back({port.record.key.interface, "", 0, port.record.netns, "", ""});
    if (port.record.ipam.kind == IpamKind::kNone) continue;
    CniAddress some;
    some.address = {IpAddr::from(Ipv4{}), 32};
    expected.addresses.push_back(some);
  }
  return can_say(context.config.cni_version, expected);
}

// Which interfaces, on what kind of node; still nothing of the VFs themselves.
Result<std::vector<Wanted>> decide(Context& context, const Journal& journal, Plan& plan) {
  SLUICE_CHECK_OK(check_engine_wishes(context.config));
  SLUICE_CHECK_OK(check_ipam_plugin(context.config, context.call));
  SLUICE_CHECK_OK(know_node(context, plan));
  SLUICE_TRY(auto wanted, wanted_ports(context.config, context.call, journal, plan.place.sysfs_root,
                                       context.log));
  SLUICE_CHECK_OK(check_veths(context, wanted));
  // Before the undoing, though that could free the names: nothing tells an ADD that died half-way
  // from one that is in use, and a second ADD must not take a running pod's network. DEL undoes it.
  for (const auto& port : wanted) SLUICE_CHECK_OK(check_name_is_free(plan.pod, port.interface));
  return wanted;
}

}  // namespace

Status check_pod_mtu(const NetConfig& config, const NodeFacts& facts) {
  if (!config.mtu || *config.mtu <= facts.pod_mtu) return {};
  return cni_fail(kInvalidConfig, "mtu is " + std::to_string(*config.mtu) +
                                      "; the node's pod MTU is " + std::to_string(facts.pod_mtu));
}

Result<Plan> make_plan(Context& context, const Journal& journal) {
  SLUICE_TRY(auto pod, open_pod(context.call));
  Plan plan{std::move(pod)};
  SLUICE_TRY(const auto wanted,
             context.times.time(Step::kLookup, [&] { return decide(context, journal, plan); }));
  SLUICE_CHECK_OK(undo_leftovers(context, journal, wanted));
  std::set<std::string> vfs;
  for (const auto& port : wanted) {
    if (port.vf) vfs.insert(port.vf->to_string());
  }
  SLUICE_TRY(plan.vf_locks, context.times.time(Step::kLock, [&] {
    return lock_vfs(context.config.state_dir, vfs);
  }));
  for (const auto& vf : vfs) SLUICE_CHECK_OK(claim_vf(context, journal, vf));
  SLUICE_CHECK_OK(context.times.time(Step::kLookup,
                                     [&] { return plan_ports(context, journal, wanted, plan); }));
  SLUICE_CHECK_OK(check_result(context, plan));
  return plan;
}

}  // namespace sluice::cni
