// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/checker.h"

#include <algorithm>
#include <string>
#include <vector>

#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/expected.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/attach/pending.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/pod_side.h"
#include "sriov-cni/ports/veth.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {
namespace {

using Problems = std::vector<std::string>;

void append(Problems& to, const std::string& interface, const Problems& more) {
  for (const auto& problem : more) to.push_back(interface + ": " + problem);
}

bool is_in(const std::string& sandbox, const os::NetNs& pod) {
  const auto netns = os::NetNs::open(sandbox);
  return netns && netns->inode() == pod.inode();
}

// What ADD answered, with what plugins behind us have changed since.
void adopt(const CniResult& previous, const os::NetNs& pod, Record& record, Problems& problems) {
  const auto& name = record.key.interface;
  const auto found =
      std::find_if(previous.interfaces.begin(), previous.interfaces.end(),
                   [&](const CniInterface& it) { return it.name == name && !it.sandbox.empty(); });
  // The oldest shapes have no interfaces.
  if (found == previous.interfaces.end()) {
    if (!previous.interfaces.empty()) problems.push_back(name + ": prevResult doesn't have it");
    return;
  }
  // The runtime's own path to it may have gone since ADD, as may have been what it said then.
  if (found->sandbox != record.netns && !is_in(found->sandbox, pod)) {
    problems.push_back(name + ": prevResult says sandbox " + found->sandbox.substr(0, 200) +
                       ", which isn't the pod's namespace");
  }
  if (const auto mac = MacAddr::parse(found->mac); mac && *mac != record.mac) {
    record.mac = *mac;
    // The PF still says what ADD has told it: no MAC of its own is looked for there.
    record.wish.mac.reset();
    if (record.vf) record.vf->mac = *mac;
  }
  if (found->mtu != 0) record.mtu = found->mtu;
  const auto pci = record.vf ? record.vf->pci : "";
  if (!found->pci.empty() && found->pci != pci) {
    problems.push_back(name + ": prevResult says pciID " + found->pci.substr(0, 40) + ", it is " +
                       (pci.empty() ? "a veth" : pci));
  }
}

Status check_port(Context& context, Record record, const os::NetNs& pod, Problems& problems) {
  if (const auto& previous = context.config.previous) {
    adopt(*previous, pod, record, problems);
    record.result = expected(*previous, record);
  }
  const auto& name = record.key.interface;
  SLUICE_TRY(const auto port, record.kind == PortKind::kVeth ? check_veth(record, pod)
                                                             : check_vf(context.nics, record, pod));
  append(problems, name, port);
  if (record.kind == PortKind::kUserSpace) return {};
  SLUICE_TRY(const auto inside, check_pod(pod, name, record.result));
  append(problems, name, inside);
  return {};
}

Status check_addresses(Context& context, const Record& record) {
  if (record.ipam.kind == IpamKind::kNone) return {};
  auto source = record.ipam;
  // A delegate has what the runtime says now, with its prevResult.
  if (source.kind == IpamKind::kDelegate) source.text = context.config.text;
  SLUICE_TRY(const auto ipam, make_ipam(source, kIpamDeadline));
  return ipam->check(ipam_owner(context, record, context.call.netns), record.result);
}

Status check_engine(Context& context, const Record& record) {
  if (record.engine == EngineState::kNone) return {};
  if (record.engine == EngineState::kPending && is_pending(record.pending_directory, record.id())) {
    return cni_fail(kWaitingForEngine, record.id() +
                                           " was attached without offload, as the offload engine "
                                           "was away; it hasn't taken the attachment in yet");
  }
  SLUICE_TRY(const auto attachment, to_attachment(record));
  SLUICE_TRY(const auto problem,
             EngineClient(record.engine_socket, context.time_for_engine()).check(attachment));
  if (problem.empty()) return {};
  return cni_fail(kCheckFailed, record.key.interface + ": the offload engine says: " + problem);
}

// The first interface's record, then the others'.
Result<std::vector<Record>> load_all_of(const Context& context, const Journal& journal) {
  SLUICE_TRY(auto first, journal.load(context.call.id()));
  if (!first) {
    return cni_fail(kUnknownContainer, "no attachment " + context.call.id() + " is known");
  }
  std::vector<Record> records{std::move(*first)};
  const auto others = records.front().others;
  for (const auto& other : others) {
    SLUICE_TRY(auto record, journal.load(context.call.id_of(other)));
    if (!record) {
      return cni_fail(kCheckFailed,
                      other + ", made with " + context.call.interface + ", has no record any more");
    }
    records.push_back(std::move(*record));
  }
  for (const auto& record : records) {
    if (record.stage == Stage::kAttached) continue;
    return cni_fail(kCheckFailed, record.key.interface + ": its ADD or DEL was never finished");
  }
  return records;
}

std::string joined(const Problems& problems) {
  std::string out;
  for (const auto& problem : problems) out += (out.empty() ? "" : "; ") + problem;
  return out;
}

}  // namespace

Status check(Context& context) {
  // Not while an ADD or DEL of it is at work.
  SLUICE_TRY(const auto lock, context.times.time(callstats::Step::kLock, [&] {
    return lock_attachment(context.config.state_dir, context.call.id());
  }));
  SLUICE_TRY(const auto journal, Journal::open(context.config.state_dir));
  SLUICE_TRY(const auto records, load_all_of(context, journal));
  const auto pod = os::NetNs::open(context.call.netns);
  if (!pod || !living_namespace(records.front(), context.call.netns) ||
      pod->inode() != records.front().netns_inode) {
    return cni_fail(kCheckFailed, "CNI_NETNS '" + context.call.netns.substr(0, 200) +
                                      "' is not the namespace that it was attached in");
  }
  Problems problems;
  for (const auto& record : records) {
    SLUICE_CHECK_OK(check_port(context, record, *pod, problems));
  }
  if (!problems.empty()) return cni_fail(kCheckFailed, joined(problems));
  for (const auto& record : records) SLUICE_CHECK_OK(check_addresses(context, record));
  for (const auto& record : records) SLUICE_CHECK_OK(check_engine(context, record));
  return {};
}

}  // namespace sluice::cni
