// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/undo.h"

#include <algorithm>
#include <set>

#include "common/base/first_error.h"
#include "common/os/files.h"
#include "sriov-cni/attach/addressing.h"
#include "sriov-cni/attach/engine_client.h"
#include "sriov-cni/attach/facts_cache.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/attach/pending.h"
#include "sriov-cni/attach/salvage.h"
#include "sriov-cni/ipam/delegate.h"
#include "sriov-cni/journal/leftovers.h"
#include "sriov-cni/ports/pod_side.h"
#include "sriov-cni/ports/veth.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

using callstats::Step;

Status Undoer::attachment(const AttachmentKey& key, const std::string& netns) {
  SLUICE_TRY(const auto keys, interfaces_of(key));
  std::set<std::string> vfs;
  for (const auto& one_of : keys) {
    const auto record = journal_.load(one_of.id());
    if (record && *record && (*record)->vf) vfs.insert((*record)->vf->pci);
  }
  SLUICE_TRY(const auto locks, context_.times.time(Step::kLock, [&] {
    return lock_vfs(context_.config.state_dir, vfs);
  }));
  FirstError first;
  for (const auto& one_of : keys) first.keep(interface(one_of, netns));
  return std::move(first).take();
}

// The interfaces of one ADD, the first one last.
Result<std::vector<AttachmentKey>> Undoer::interfaces_of(const AttachmentKey& key) const {
  std::vector<AttachmentKey> keys;
  const auto record = journal_.load(key.id());
  if (record && *record) {
    for (const auto& other : (*record)->others) keys.push_back({key.container_id, other});
  } else {
    // The first one's may have gone already, with another ADD that took its VF or in an earlier
    // try; or it can't be read.
    SLUICE_TRY(const auto contents, journal_.load_all());
    for (const auto& other : contents.records) {
      if (other.key.container_id == key.container_id && other.first == key.interface) {
        keys.push_back(other.key);
      }
    }
  }
  std::reverse(keys.begin(), keys.end());
  keys.push_back(key);
  return keys;
}

Status Undoer::interface(const AttachmentKey& key, const std::string& netns) {
  FirstError first;
  first.keep(what_is_known(key, netns));
  first.keep(journal_.remove_leftovers_of(key.id()));
  return std::move(first).take();
}

Status Undoer::what_is_known(const AttachmentKey& key, const std::string& netns) {
  // Read again: while this call waited for the locks, an ADD may have taken the VF from our dead
  // pod.
  auto record = journal_.load(key.id());
  if (!record) {
    // What a later version wrote is for a later version.
    if (record.error().code != Code::kInvalid) return fail(std::move(record).error());
    return damaged(key, netns, record.error());
  }
  if (!*record) return unknown(key, netns);
  const auto pod = living_namespace(**record, netns);
  return one(std::move(**record), pod ? &*pod : nullptr, netns);
}

Status Undoer::one(Record record, const os::NetNs* pod, const std::string& netns) {
  FirstError first;
  // A lease can be given back through the port only while that is in the pod.
  const bool release_first =
      port_comes_first(record) && pod != nullptr && record.stage != Stage::kPortReturned;
  if (release_first) first.keep(release_timed(record, netns));
  auto told = context_.times.time(Step::kEngine, [&] { return tell_engine(record); });
  if (told) record.engine = EngineState::kNone;
  first.keep(std::move(told));
  if (record.stage != Stage::kPortReturned) {
    auto back =
        context_.times.time_port([&](PortTimes& times) { return return_port(record, pod, times); });
    if (back) record.stage = Stage::kPortReturned;
    first.keep(std::move(back));
  }
  if (first.ok() && !release_first) first.keep(release_timed(record, netns));
  remove_device_info(record.device_info_file);
  return context_.times.time(Step::kJournal, [&]() -> Status {
    if (first.ok()) first.keep(journal_.forget_holder(record));
    if (first.ok()) return journal_.remove(record.id());
    if (record.stage == Stage::kPortReturned) first.keep(journal_.save(record));
    return std::move(first).take();
  });
}

// One that stays behind misleads nobody: its name is this attachment's alone.
void Undoer::remove_device_info(const std::string& file) {
  if (file.empty()) return;
  auto removed = os::remove_file(file);
  if (removed) removed = remove_leftovers(file);
  if (!removed) {
    context_.log.warn("could not remove a device-info file", {{"error", removed.error()}});
  }
}

Status Undoer::tell_engine(const Record& record, bool known) {
  if (record.engine == EngineState::kNone) return {};
  bool waiting = false;
  if (!record.pending_directory.empty()) {
    SLUICE_TRY(waiting, take_pending_back(record.pending_directory, id_hash(record.id())));
  }
  auto detached = detach(record);
  if (detached || record.pending_directory.empty()) return detached;
  // One that is only slow has nothing of what was still waiting for it; else it may have rules.
  const bool may_wait = waiting && record.engine == EngineState::kPending;
  const bool left = (known && is_gone(detached.error())) || (may_wait && is_away(detached.error()));
  if (!left) return detached;
  context_.log.warn("the offload engine is away: it detaches this when it comes back",
                    {{"id", record.id()}, {"directory", record.pending_directory}});
  return leave_withdrawal(record.pending_directory, record.id());
}

Status Undoer::detach(const Record& record) {
  // The first version's records don't say whose engine's they are: there was one.
  const auto& socket =
      record.engine_socket.empty() ? context_.config.engine_socket : record.engine_socket;
  return EngineClient(socket, context_.time_for_engine()).detach(record.id());
}

Status Undoer::return_port(const Record& record, const os::NetNs* pod, PortTimes& times) {
  if (record.kind == PortKind::kVeth) return delete_veth(record);
  SLUICE_CHECK_OK(return_vf(context_.nics, record, pod, context_.at_most(kReturnPatience), &times));
  // Only a hint for a pod of the same name; nothing fails without it.
  if (auto kept = journal_.remember(record, unix_seconds()); !kept) {
    context_.log.warn("could not note a VF's last use",
                      {{"vf", record.vf ? record.vf->pci : ""}, {"error", kept.error()}});
  }
  return {};
}

Status Undoer::release(const Record& record, const std::string& netns) {
  if (record.ipam.kind == IpamKind::kNone) return {};
  auto source = record.ipam;
  // The plugins may have moved since the ADD.
  if (source.kind == IpamKind::kDelegate && !find_plugin(source.type, source.plugin_path) &&
      find_plugin(source.type, context_.call.plugin_path)) {
    source.plugin_path = context_.call.plugin_path;
  }
  SLUICE_TRY(const auto ipam, make_ipam(source, context_.at_most(kIpamDeadline)));
  return ipam->del(ipam_owner(context_, record, netns));
}

Status Undoer::release_timed(const Record& record, const std::string& netns) {
  return context_.times.time(Step::kIpam, [&] { return release(record, netns); });
}

Status Undoer::delegates_del(const AttachmentKey& key, const std::string& netns) {
  if (context_.config.ipam != IpamKind::kDelegate) return {};
  // Whoever isn't there has given no address, as far as anybody can tell; or DEL would fail for
  // ever.
  if (auto there = find_plugin(context_.config.ipam_type, context_.call.plugin_path); !there) {
    context_.log.warn("the IPAM plugin isn't told of what was never added",
                      {{"id", key.id()}, {"why", there.error()}});
    return {};
  }
  Record nothing;
  nothing.key = key;
  nothing.pod = context_.call.pod;
  nothing.ipam = ipam_source(context_, nullptr, nullptr);
  return release(nothing, netns);
}

// An ADD that was never here, or died before its record, or has been undone.
Status Undoer::unknown(const AttachmentKey& key, const std::string& netns) {
  tell_engine_of_unknown(key);
  return addresses_of_unknown(key, netns);
}

// A record that was lost or set aside may have been of something that the engine has. That it can't
// be told is no reason to fail: almost always there is nothing to tell.
void Undoer::tell_engine_of_unknown(const AttachmentKey& key) {
  const auto& config = context_.config;
  if (config.engine == EngineUse::kNever) return;
  Record record;
  record.key = key;
  record.engine = EngineState::kPending;
  record.engine_socket = config.engine_socket;
  if (const auto facts = cached_facts(config.state_dir, config.engine_socket)) {
    record.pending_directory = facts->pending_directory;
  }
  auto told = context_.times.time(Step::kEngine, [&] { return tell_engine(record, false); });
  if (told) return;
  context_.log.warn("the offload engine isn't told of what was never added",
                    {{"id", key.id()}, {"why", told.error()}});
}

Status Undoer::addresses_of_unknown(const AttachmentKey& key, const std::string& netns) {
  FirstError first;
  context_.times.time(Step::kIpam, [&] {
    first.keep(release_everywhere(context_.config.state_dir, key));
    first.keep(delegates_del(key, netns));
    return 0;
  });
  return std::move(first).take();
}

// Of the record nothing can be believed: all that the attachment can have is looked for by its
// name.
Status Undoer::damaged(const AttachmentKey& key, const std::string& netns, const Error& why) {
  const auto& config = context_.config;
  context_.log.warn("the record can't be read: taking back what is found without it",
                    {{"id", key.id()}, {"why", why}});
  FirstError first;
  NicPlace place{config.sysfs_root, config.vf_control_socket, config.baseline_dir};
  if (config.engine != EngineUse::kNever) {
    const auto facts = cached_facts(config.state_dir, config.engine_socket);
    if (facts) {
      place.sysfs_root = facts->sysfs_root;
      place.vf_control_socket = facts->vf_control_socket;
    }
    Record record;
    record.key = key;
    record.engine = EngineState::kTold;
    record.engine_socket = config.engine_socket;
    if (facts) record.pending_directory = facts->pending_directory;
    first.keep(context_.times.time(Step::kEngine, [&] { return tell_engine(record); }));
  }
  const auto pod = foreign_namespace(netns);
  first.keep(context_.times.time(Step::kMove, [&] {
    return salvage_port(context_, place, id_hash(key.id()), pod ? &*pod : nullptr);
  }));
  remove_device_info(config.device_info_file);
  if (first.ok()) first.keep(addresses_of_unknown(key, netns));
  if (first.ok()) first.keep(journal_.set_aside(key.id()));
  return std::move(first).take();
}

}  // namespace sluice::cni
