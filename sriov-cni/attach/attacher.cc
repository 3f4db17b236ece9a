// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/attacher.h"

#include <algorithm>
#include <set>

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

// Locally administered, and unique as long as the address is.
MacAddr mac_of(Ipv4 ip) {
  const auto byte = [&](unsigned shift) { return static_cast<std::uint8_t>(ip.value >> shift); };
  return MacAddr{{0x0a, 0x58, byte(24), byte(16), byte(8), byte(0)}};
}

Record new_record(const Invocation& call, const NodeFacts& node, const Wanted& wanted,
                  const std::optional<FoundVf>& vf, const os::NetNs& pod) {
  Record record;
  record.id = call.id_of(wanted.interface);
  record.interface = wanted.interface;
  record.pod = call.pod;
  record.pod_uid = call.pod_uid;
  record.given = wanted.given;
  record.given_by = wanted.given_by;
  record.claim = wanted.claim;
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

// The VFs' locks, in an order that two callers share.
Result<std::vector<os::FileLock>> lock_vfs(const std::string& state_dir,
                                           const std::set<std::string>& vfs) {
  std::vector<os::FileLock> out;
  for (const auto& pci : vfs) {
    SLUICE_TRY(auto lock, lock_vf(state_dir, pci));
    out.push_back(std::move(lock));
  }
  return out;
}

}  // namespace

struct Attacher::PlannedPort {
  std::optional<FoundVf> vf;
  Record record;
  bool begun = false;
  bool told_engine = false;
};

// What one ADD makes; ports[0] is CNI_IFNAME.
struct Attacher::Plan {
  const os::NetNs* pod = nullptr;
  NodeFacts node;
  std::uint32_t mtu = 0;
  std::vector<PlannedPort> ports;

  AddResult result() const;
};

AddResult Attacher::Plan::result() const {
  AddResult out;
  out.gateway = node.gateway;
  for (const auto& port : ports) {
    const auto& record = port.record;
    // The MAC of a veth's host side means nothing to anybody: left out.
    if (record.pci.empty()) out.interfaces.push_back({record.host_name, {}, mtu, "", ""});
    const auto at = out.interfaces.size();
    out.interfaces.push_back({record.interface, record.mac, mtu, record.netns, record.pci});
    if (&port == &ports.front()) {
      out.pod_interface = at;
      out.address = record.ip;
    } else {
      out.more.push_back({at, record.ip});
    }
  }
  return out;
}

Attacher::Attacher(NetConfig config, Logger log)
    : config_(std::move(config)), log_(std::move(log)), engine_(config_.engine_socket) {}

Result<AddResult> Attacher::add(const Invocation& call) {
  nics_.forget();
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
  SLUICE_TRY(const auto wanted, wanted_ports(config_, call, records, plan.node.sysfs_root, log_));
  // Before the undoing, though that could free the names: nothing tells an ADD that died half-way
  // from one that is in use, and a second ADD must not take a running pod's network. DEL undoes it.
  for (const auto& port : wanted) SLUICE_CHECK_OK(check_name_is_free(pod, port.interface));
  SLUICE_CHECK_OK(undo_leftovers(call, wanted, records));
  std::set<std::string> vfs;
  for (const auto& port : wanted) {
    if (port.vf) vfs.insert(port.vf->to_string());
  }
  SLUICE_TRY(const auto vf_locks, lock_vfs(config_.state_dir, vfs));
  SLUICE_CHECK_OK(find_ports(wanted, call, records, plan));
  auto done = carry_out(plan, records);
  if (done) return plan.result();
  auto undone = roll_back(plan, records);
  auto error = std::move(done).error();
  if (!undone) {
    log_.warn("could not undo everything", {{"id", call.id()}, {"error", undone.error()}});
    error.context.push_back("undoing, which failed too (" + undone.error().to_string() + ")");
  }
  return fail(std::move(error));
}

// Of an ADD that died before its interfaces were in the pod, or whose pod's namespace is another
// one now.
Status Attacher::undo_leftovers(const Invocation& call, const std::vector<Wanted>& wanted,
                                const RecordStore& records) {
  SLUICE_TRY(auto found, records.load(call.id()));
  for (const auto& port : wanted) {
    if (found) break;
    SLUICE_TRY(found, records.load(call.id_of(port.interface)));
  }
  if (!found) return {};
  auto undone = undo_all(call, records, "");
  if (undone) return {};
  return fail(std::move(undone).error().with("undoing an earlier, unfinished ADD"));
}

// The VFs' locks are held. All are there, and free, or nothing is begun.
Status Attacher::find_ports(const std::vector<Wanted>& wanted, const Invocation& call,
                            const RecordStore& records, Plan& plan) {
  for (const auto& port : wanted) {
    if (port.vf) SLUICE_CHECK_OK(claim_vf(records, *port.vf));
  }
  for (const auto& port : wanted) {
    PlannedPort found;
    if (port.vf) {
      SLUICE_TRY(found.vf, find_vf(nics_, plan.node.sysfs_root, *port.vf));
    }
    found.record = new_record(call, plan.node, port, found.vf, *plan.pod);
    if (!plan.ports.empty()) {
      found.record.first = call.id();
      plan.ports.front().record.others.push_back(found.record.id);
    }
    plan.ports.push_back(std::move(found));
  }
  return {};
}

// A record that holds the VF while the VF's pod is dead will get its DEL late or never.
Status Attacher::claim_vf(const RecordStore& records, const nic::PciAddress& address) {
  SLUICE_TRY(auto all, records.load_all());
  for (auto& other : all) {
    if (other.pci != address.to_string() || other.port_returned) continue;
    if (living_namespace(other, "")) {
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
  SLUICE_TRY(auto addresses, BlockStore::open(config_.state_dir, plan.node.node));
  for (auto& port : plan.ports) {
    port.begun = true;
    // The first one's record names the others before any of them is begun.
    SLUICE_TRY(port.record.ip, addresses.allocate(plan.node.pod_block, port.record.id));
    port.record.mac = mac_of(port.record.ip);
    SLUICE_CHECK_OK(records.save(port.record));
    auto made = make_port(plan, port);
    if (made) continue;
    return plan.ports.size() == 1 ? made
                                  : fail(std::move(made).error().with(
                                        "making " + port.record.interface + ", one of " +
                                        std::to_string(plan.ports.size()) + " interfaces"));
  }
  return {};
}

Status Attacher::make_port(const Plan& plan, PlannedPort& port) {
  const auto& record = port.record;
  if (port.vf) {
    SLUICE_CHECK_OK(move_vf_in(*port.vf, record, *plan.pod, plan.mtu));
  } else {
    SLUICE_CHECK_OK(make_veth(record, *plan.pod, plan.mtu));
  }
  if (record.first.empty()) {
    SLUICE_CHECK_OK(configure_pod(*plan.pod, record.interface, record.ip, plan.node.gateway));
  } else {
    SLUICE_CHECK_OK(configure_beside(*plan.pod, record.interface, record.ip));
  }
  Attachment attachment{record.id,
                        record.pod,
                        record.interface,
                        record.mac,
                        record.ip,
                        record.pci,
                        record.pci.empty() ? record.host_name : ""};
  port.told_engine = true;  // also when its answer doesn't come
  return engine_.attach(attachment);
}

Status Attacher::roll_back(const Plan& plan, const RecordStore& records) {
  Status first;
  for (auto port = plan.ports.rbegin(); port != plan.ports.rend(); ++port) {
    if (!port->begun) continue;
    auto undone = undo(port->record, records, plan.pod, port->told_engine);
    if (first && !undone) first = std::move(undone);
  }
  return first;
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
    auto returned = record.pci.empty() ? delete_veth(record) : return_vf(nics_, record, pod);
    record.port_returned = returned.has_value();
    keep(std::move(returned));
    if (record.port_returned) {
      // Only a hint for a pod of the same name; nothing fails without it.
      if (auto kept = records.remember(record, unix_seconds()); !kept) {
        log_.warn("could not note a VF's last use", {{"vf", record.pci}, {"error", kept.error()}});
      }
    }
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
  nics_.forget();
  SLUICE_TRY(const auto lock, lock_attachment(config_.state_dir, call.id()));
  SLUICE_TRY(const auto records, RecordStore::open(config_.state_dir));
  return undo_all(call, records, call.netns);
}

// The records of one ADD, the first interface's last.
Result<std::vector<std::string>> Attacher::ids_of(const Invocation& call,
                                                  const RecordStore& records) {
  std::vector<std::string> ids;
  SLUICE_TRY(const auto record, records.load(call.id()));
  if (record) {
    ids = record->others;
  } else {
    // The first one's may have gone already, with another ADD that took its VF or in an earlier
    // try.
    SLUICE_TRY(const auto all, records.load_all());
    for (const auto& other : all) {
      if (other.first == call.id()) ids.push_back(other.id);
    }
  }
  std::reverse(ids.begin(), ids.end());
  ids.push_back(call.id());
  return ids;
}

// Everything that an ADD of this call made, whatever is left of it.
Status Attacher::undo_all(const Invocation& call, const RecordStore& records,
                          const std::string& netns) {
  SLUICE_TRY(const auto ids, ids_of(call, records));
  std::set<std::string> vfs;
  for (const auto& id : ids) {
    SLUICE_TRY(const auto record, records.load(id));
    if (record && !record->pci.empty()) vfs.insert(record->pci);
  }
  SLUICE_TRY(const auto vf_locks, lock_vfs(config_.state_dir, vfs));
  Status first;
  for (const auto& id : ids) {
    auto undone = undo_one(id, records, netns);
    if (first && !undone) first = std::move(undone);
  }
  return first;
}

Status Attacher::undo_one(const std::string& id, const RecordStore& records,
                          const std::string& netns) {
  // Read again: while this call waited for the locks, an ADD may have taken the VF from our dead
  // pod.
  SLUICE_TRY(auto record, records.load(id));
  if (!record) return release_everywhere(config_.state_dir, id);
  const auto pod = living_namespace(*record, netns);
  return undo(std::move(*record), records, pod ? &*pod : nullptr, true);
}

}  // namespace sluice::cni
