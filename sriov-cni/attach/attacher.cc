// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/attacher.h"

#include "common/os/files.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/pod_side.h"
#include "sriov-cni/attach/veth_port.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ipam/block_store.h"

namespace sluice::cni {
namespace {

// A few files for all attachments: a lock file can't be removed safely while somebody may hold it.
Result<os::FileLock> lock_attachment(const std::string& state_dir, const std::string& id) {
  SLUICE_CHECK_OK(os::make_directories(state_dir + "/locks", 0700));
  return os::FileLock::acquire(state_dir + "/locks/attachment-" + id_hash(id).substr(0, 2));
}

Result<os::FileLock> lock_vf(const std::string& state_dir, const std::string& pci) {
  SLUICE_CHECK_OK(os::make_directories(state_dir + "/locks", 0700));
  return os::FileLock::acquire(state_dir + "/locks/vf-" + pci);
}

Result<os::NetNs> open_pod(const std::string& path) {
  auto pod = os::NetNs::open(path);
  if (!pod) {
    return cni_fail(kInvalidEnvironment,
                    "CNI_NETNS '" + path.substr(0, 200) + "': " + pod.error().message);
  }
  SLUICE_TRY(const auto here, os::NetNs::current());
  if (here.inode() == pod->inode()) {
    return cni_fail(kInvalidEnvironment,
                    "CNI_NETNS '" + path.substr(0, 200) + "' is the host's own namespace");
  }
  return pod;
}

// The namespace that the attachment was made in, if it still is there; a path may be used again.
std::optional<os::NetNs> pod_of(const Record& record, const std::string& given) {
  for (const auto& path : {given, record.netns}) {
    if (path.empty()) continue;
    auto pod = os::NetNs::open(path);
    if (pod && pod->inode() == record.netns_inode) return std::move(*pod);
  }
  return std::nullopt;
}

// Locally administered, and unique as long as the address is.
MacAddr mac_of(Ipv4 ip) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(ip.value >> shift); };
  return MacAddr{{0x0a, 0x58, byte(24), byte(16), byte(8), byte(0)}};
}

Record new_record(const Invocation& call, const NodeFacts& node, const std::optional<FoundVf>& vf,
                  const os::NetNs& pod) {
  Record record;
  record.id = call.id();
  record.interface = call.interface;
  record.pod = call.pod;
  record.netns = call.netns;
  record.netns_inode = pod.inode();
  record.node = node.node;
  record.sysfs_root = node.sysfs_root;
  record.vf_control_socket = node.vf_control_socket;
  if (vf) {
    record.pci = vf->vf.address.to_string();
    record.host_name = vf->link.name;
    record.host_mac = vf->link.mac;
    record.host_mtu = vf->link.mtu;
  } else {
    record.host_name = veth_name(record.id);
  }
  return record;
}

AddResult to_result(const Record& record, Ipv4 gateway, std::uint32_t mtu) {
  AddResult out;
  // The MAC of a veth's host side means nothing to anybody: left out.
  if (record.pci.empty()) out.interfaces.push_back({record.host_name, {}, mtu, "", ""});
  out.pod_interface = out.interfaces.size();
  out.interfaces.push_back({record.interface, record.mac, mtu, record.netns, record.pci});
  out.address = record.ip;
  out.gateway = gateway;
  return out;
}

}  // namespace

struct Attacher::Plan {
  const os::NetNs* pod = nullptr;
  NodeFacts node;
  std::optional<FoundVf> vf;
  std::uint32_t mtu = 0;
  Record record;
  bool told_engine = false;
};

Attacher::Attacher(NetConfig config, Logger log)
    : config_(std::move(config)), log_(std::move(log)), engine_(config_.engine_socket) {}

Result<AddResult> Attacher::add(const Invocation& call) {
  SLUICE_TRY(const auto lock, lock_attachment(config_.state_dir, call.id()));
  SLUICE_TRY(const auto records, RecordStore::open(config_.state_dir));
  return add_locked(call, records);
}

Result<AddResult> Attacher::add_locked(const Invocation& call, const RecordStore& records) {
  // Everything that can be found wrong is, before the first change.
  Plan plan;
  SLUICE_TRY(const auto pod, open_pod(call.netns));
  plan.pod = &pod;
  SLUICE_TRY(plan.node, engine_.node_facts());
  plan.mtu = config_.mtu.value_or(plan.node.pod_mtu);
  if (plan.mtu > plan.node.pod_mtu) {
    return cni_fail(kInvalidConfig, "mtu is " + std::to_string(plan.mtu) +
                                        "; the node's pod MTU is " +
                                        std::to_string(plan.node.pod_mtu));
  }
  SLUICE_CHECK_OK(check_name_is_free(pod, call.interface));
  SLUICE_CHECK_OK(undo_leftover(call.id(), records));
  std::optional<os::FileLock> vf_lock;
  if (config_.device) {
    SLUICE_TRY(vf_lock, lock_vf(config_.state_dir, config_.device->to_string()));
    SLUICE_CHECK_OK(claim_vf(records, *config_.device));
    SLUICE_TRY(plan.vf, find_vf(plan.node.sysfs_root, *config_.device));
  }
  plan.record = new_record(call, plan.node, plan.vf, pod);
  auto done = carry_out(plan, records);
  if (done) return to_result(plan.record, plan.node.gateway, plan.mtu);
  auto undone = undo(plan.record, records, plan.pod, plan.told_engine);
  auto error = std::move(done).error();
  if (!undone) {
    log_.warn("could not undo everything", {{"id", plan.record.id}, {"error", undone.error()}});
    error.context.push_back("undoing, which failed too (" + undone.error().to_string() + ")");
  }
  return fail(std::move(error));
}

// Of an ADD that died half-way, or whose pod's namespace is another one now.
Status Attacher::undo_leftover(const std::string& id, const RecordStore& records) {
  SLUICE_TRY(auto leftover, records.load(id));
  if (!leftover) return {};
  std::optional<os::FileLock> vf_lock;
  if (!leftover->pci.empty()) {
    SLUICE_TRY(vf_lock, lock_vf(config_.state_dir, leftover->pci));
  }
  const auto pod = pod_of(*leftover, "");
  auto undone = undo(std::move(*leftover), records, pod ? &*pod : nullptr, true);
  if (undone) return {};
  return fail(std::move(undone).error().with("undoing an earlier, unfinished ADD"));
}

// A record that holds the VF while the VF's pod is dead will get its DEL late or never.
Status Attacher::claim_vf(const RecordStore& records, const nic::PciAddress& address) {
  SLUICE_TRY(auto all, records.load_all());
  for (auto& other : all) {
    if (other.pci != address.to_string() || other.port_returned) continue;
    if (pod_of(other, "")) {
      return cni_fail(kTryAgainLater,
                      "VF " + other.pci + " is still in pod " + other.pod + " (" + other.id + ")");
    }
    log_.info("taking a VF from a dead pod", {{"vf", other.pci}, {"id", other.id}});
    // Its engine part may have to wait; the VF itself must come back now.
    const auto id = other.id;
    auto undone = undo(std::move(other), records, nullptr, true);
    if (undone) continue;
    SLUICE_TRY(const auto left, records.load(id));
    if (left && !left->port_returned) {
      return fail(std::move(undone).error().with("taking the VF from dead " + id));
    }
  }
  return {};
}

Status Attacher::carry_out(Plan& plan, const RecordStore& records) {
  auto& record = plan.record;
  SLUICE_TRY(auto addresses, BlockStore::open(config_.state_dir, plan.node.node));
  SLUICE_TRY(record.ip, addresses.allocate(plan.node.pod_block, record.id));
  record.mac = mac_of(record.ip);
  SLUICE_CHECK_OK(records.save(record));
  if (plan.vf) {
    SLUICE_CHECK_OK(move_vf_in(*plan.vf, record, *plan.pod, plan.mtu));
  } else {
    SLUICE_CHECK_OK(make_veth(record, *plan.pod, plan.mtu));
  }
  SLUICE_CHECK_OK(configure_pod(*plan.pod, record.interface, record.ip, plan.node.gateway));
  Attachment attachment{record.id,
                        record.pod,
                        record.interface,
                        record.mac,
                        record.ip,
                        record.pci,
                        record.pci.empty() ? record.host_name : ""};
  plan.told_engine = true;  // also when its answer doesn't come
  return engine_.attach(attachment);
}

Status Attacher::undo(Record record, const RecordStore& records, const os::NetNs* pod,
                      bool told_engine) {
  Status first;
  const auto keep = [&first](Status status) {
    if (first && !status) first = std::move(status);
  };
  // From the engine first: its rules go before the port does.
  const Status detached = told_engine ? engine_.detach(record.id) : Status{};
  keep(detached);
  if (!record.port_returned) {
    auto returned = record.pci.empty() ? delete_veth(record) : return_vf(record, pod);
    record.port_returned = returned.has_value();
    keep(std::move(returned));
  }
  // An address that the engine may still have rules for is nobody else's yet: it and the record
  // wait for the next try.
  if (!first) {
    if (record.port_returned) {
      // The record may be missing when ADD failed before it; then nothing was told or moved either.
      keep(records.save(record));
    }
    return first;
  }
  SLUICE_TRY(auto addresses, BlockStore::open(config_.state_dir, record.node));
  SLUICE_CHECK_OK(addresses.release(record.id));
  return records.remove(record.id);
}

Status Attacher::del(const Invocation& call) {
  SLUICE_TRY(const auto lock, lock_attachment(config_.state_dir, call.id()));
  SLUICE_TRY(const auto records, RecordStore::open(config_.state_dir));
  SLUICE_TRY(auto record, records.load(call.id()));
  std::optional<os::FileLock> vf_lock;
  if (record && !record->pci.empty()) {
    SLUICE_TRY(vf_lock, lock_vf(config_.state_dir, record->pci));
    // While this call waited, an ADD may have taken the VF from our dead pod.
    SLUICE_TRY(record, records.load(call.id()));
  }
  if (!record) return release_everywhere(config_.state_dir, call.id());
  const auto pod = pod_of(*record, call.netns);
  return undo(std::move(*record), records, pod ? &*pod : nullptr, true);
}

}  // namespace sluice::cni
