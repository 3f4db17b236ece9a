// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/reclaim.h"

#include <unistd.h>

#include <algorithm>

#include "common/base/first_error.h"
#include "common/nic/baseline.h"
#include "sriov-cni/attach/locks.h"
#include "sriov-cni/attach/pending.h"
#include "sriov-cni/attach/salvage.h"
#include "sriov-cni/attach/undo.h"
#include "sriov-cni/ports/veth.h"

namespace sluice::cni {
namespace {

// What of a path is id_hash(): a record's or a pending file's name up to the dot.
std::string hash_of(const std::string& path) {
  const auto name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.find('.'));
}

bool is_hash(const std::string& text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

AttachmentKey first_of(const Record& record) {
  return {record.key.container_id, record.first.empty() ? record.key.interface : record.first};
}

void Reclaimer::failed(const std::string& kind, const std::string& subject, const Error& error) {
  findings_.push_back({kind, subject, "could not be looked at", error.to_string()});
}

void Reclaimer::found(Finding finding, const std::function<Status()>& work) {
  if (!dry_run_) {
    if (auto done = work(); !done) finding.error = done.error().to_string();
  }
  findings_.push_back(std::move(finding));
}

void Reclaimer::attachments(const Why& why) {
  const auto contents = journal_.load_all();
  if (!contents) return failed("attachment", "all", contents.error());
  std::set<AttachmentKey> stale;
  for (const auto& record : contents->records) {
    if (!why(record).empty()) stale.insert(first_of(record));
  }
  for (const auto& key : stale) undo(key, why);
}

void Reclaimer::undo(const AttachmentKey& key, const Why& why) {
  const auto lock = try_lock_attachment(context_.config.state_dir, id_hash(key.id()));
  if (!lock) return failed("attachment", key.id(), lock.error());
  if (!*lock) return;
  const auto contents = journal_.load_all();
  if (!contents) return failed("attachment", key.id(), contents.error());
  std::string reason;
  for (const auto& record : contents->records) {
    if (first_of(record) == key && reason.empty()) reason = why(record);
  }
  if (reason.empty()) return;
  found({"attachment", key.id(), reason, ""},
        [&] { return Undoer(context_, journal_).attachment(key, ""); });
}

void Reclaimer::addresses() {
  const auto& state_dir = context_.config.state_dir;
  const auto held = held_addresses(state_dir);
  if (!held) return failed("address", "all", held.error());
  for (const auto& address : *held) {
    if (address.owner == AttachmentKey{}) {
      unreadable_address(address);
      continue;
    }
    const auto id = address.owner.id();
    const auto known = journal_.load(id);
    if (!known || *known) continue;  // one that can't be read has its own finding
    const auto lock = try_lock_attachment(state_dir, id_hash(id));
    if (!lock) {
      failed("address", address.address, lock.error());
      continue;
    }
    if (!*lock) continue;
    const auto again = journal_.load(id);
    if (!again || *again) continue;
    found({"address", address.address,
           "of " + address.place + ", held for " + id + ", which has no attachment", ""},
          [&] { return release_everywhere(state_dir, address.owner); });
  }
}

// Kept from everybody by an entry that doesn't say whose it is: nobody's, if no record has it and
// none may be about to get it.
void Reclaimer::unreadable_address(const HeldAddress& held) {
  const auto contents = journal_.load_all();
  if (!contents) return failed("address", held.address, contents.error());
  if (!contents->damaged.empty() || !contents->newer.empty()) return;
  for (const auto& record : contents->records) {
    if (record.stage == Stage::kBegun) return;
    for (const auto& given : record.result.addresses) {
      if (given.address.address.to_string() == held.address) return;
    }
  }
  found({"address", held.address, "of " + held.place + ", its entry can't be read", ""},
        [&] { return os::remove_file(held.file); });
}

Result<std::set<std::string>> Reclaimer::recorded_vfs() const {
  SLUICE_TRY(const auto contents, journal_.load_all());
  if (!contents.newer.empty()) {
    return fail(Code::kUnsupported,
                "records of a later version are there, which may have it: " + contents.newer[0]);
  }
  std::set<std::string> out;
  for (const auto& record : contents.records) {
    if (record.vf && record.stage != Stage::kPortReturned) out.insert(record.vf->pci);
  }
  SLUICE_TRY(const auto holders, journal_.holders());
  for (const auto& path : contents.damaged) {
    for (const auto& [vf, id] : holders) {
      if (id_hash(id) == hash_of(path)) out.insert(vf);
    }
  }
  return out;
}

void Reclaimer::stray_vfs(const NicPlace& place) {
  const auto strays = find_strays(context_.nics, place);
  if (!strays) return failed("vf", place.sysfs_root, strays.error());
  for (const auto& stray : *strays) {
    const auto vf = stray.vf.to_string();
    const auto lock = try_lock_vf(context_.config.state_dir, vf);
    if (!lock) {
      failed("vf", vf, lock.error());
      continue;
    }
    if (!*lock) continue;
    const auto recorded = recorded_vfs();
    if (!recorded) return failed("vf", vf, recorded.error());
    if (recorded->contains(vf)) continue;
    std::string differences;
    for (const auto& one : stray.differences)
      differences += (differences.empty() ? "" : ", ") + one;
    found({"vf", vf, differences, ""},
          [&] { return restore_stray(context_.nics, place, stray.vf); });
  }
}

void Reclaimer::damaged_records(const std::vector<NicPlace>& places,
                                const std::vector<std::string>& engines) {
  const auto contents = journal_.load_all();
  if (!contents) return failed("record", "all", contents.error());
  for (const auto& path : contents->damaged) {
    const auto lock = try_lock_attachment(context_.config.state_dir, hash_of(path));
    if (!lock) {
      failed("record", path, lock.error());
      continue;
    }
    if (!*lock || !is_hash(hash_of(path))) continue;
    found({"record", path, "can't be read", ""},
          [&] { return take_back_damaged(path, places, engines); });
  }
}

Status Reclaimer::take_back_damaged(const std::string& path, const std::vector<NicPlace>& places,
                                    const std::vector<std::string>& engines) {
  const auto hash = hash_of(path);
  // Nothing tells whether a VF for user space is in use.
  SLUICE_TRY(const auto holders, journal_.holders());
  for (const auto& [vf, id] : holders) {
    if (id_hash(id) != hash) continue;
    return fail(Code::kPrecondition, "VF " + vf +
                                         " may be in use by a pod that lives; the DEL of " +
                                         id.substr(0, 200) + " takes it back");
  }
  FirstError first;
  for (const auto& place : places) first.keep(salvage_vf(context_, place, hash, nullptr));
  if (!first.ok()) return std::move(first).take();
  if (may_be_in_pod(places, hash)) {
    return fail(Code::kPrecondition,
                "its VF or veth may be in a pod that lives; the DEL of that pod takes it back");
  }
  SLUICE_CHECK_OK(detach_damaged(hash, engines));
  return journal_.set_aside_file(path);
}

Status Reclaimer::detach_damaged(const std::string& hash, const std::vector<std::string>& engines) {
  if (engines.empty()) return {};
  SLUICE_TRY(const auto held, held_addresses(context_.config.state_dir));
  const auto its = std::find_if(held.begin(), held.end(), [&](const HeldAddress& address) {
    return !(address.owner == AttachmentKey{}) && id_hash(address.owner.id()) == hash;
  });
  if (its == held.end()) {
    return fail(Code::kPrecondition,
                "whose it is isn't known, and the engine may have its attachment; the DEL of its "
                "pod takes it back");
  }
  FirstError first;
  for (const auto& socket : engines) {
    first.keep(EngineClient(socket, context_.engine_time).detach(its->owner.id()));
  }
  return std::move(first).take();
}

// A VF that is in a pod and in no record that can be read, or the host side of its veth.
bool Reclaimer::may_be_in_pod(const std::vector<NicPlace>& places, const std::string& hash) const {
  const auto recorded = recorded_vfs();
  auto here = netlink::Rtnl::open();
  if (!recorded || !here || here->link(veth_name_of(hash))) return true;
  for (const auto& place : places) {
    const auto root = os::Root::open(place.sysfs_root);
    if (!root) return true;
    const auto inventory = nic::read_inventory(*root);
    if (!inventory) return true;
    for (const auto& pf : inventory->pfs) {
      for (const auto& vf : pf.vfs) {
        if (nic::seems_in_pod(vf) && !recorded->contains(vf.address.to_string())) return true;
      }
    }
  }
  return false;
}

void Reclaimer::temporary_files() {
  const auto paths = journal_.leftovers();
  if (!paths) return failed("temporary file", "all", paths.error());
  for (const auto& path : *paths) {
    if (!is_hash(hash_of(path))) continue;
    const auto lock = try_lock_attachment(context_.config.state_dir, hash_of(path));
    if (!lock) {
      failed("temporary file", path, lock.error());
      continue;
    }
    if (!*lock || ::access(path.c_str(), F_OK) != 0) continue;
    found({"temporary file", path, "whoever wrote it was killed", ""},
          [&] { return os::remove_file(path); });
  }
}

void Reclaimer::pending_files(const std::string& directory) {
  const auto root = os::Root::open(directory);
  if (!root) {
    if (root.error().code == Code::kNotFound) return;
    return failed("pending file", directory, root.error());
  }
  const auto names = root->list(".");
  if (!names) return failed("pending file", directory, names.error());
  for (const auto& name : *names) {
    if (!is_hash(name)) continue;
    const auto lock = try_lock_attachment(context_.config.state_dir, name);
    if (!lock || !*lock) continue;
    const auto contents = journal_.load_all();
    if (!contents) return failed("pending file", name, contents.error());
    const auto& records = contents->records;
    const auto is_its_file = [&](const std::string& path) { return hash_of(path) == name; };
    const bool known =
        std::any_of(records.begin(), records.end(),
                    [&](const Record& record) { return id_hash(record.id()) == name; }) ||
        std::any_of(contents->damaged.begin(), contents->damaged.end(), is_its_file) ||
        std::any_of(contents->newer.begin(), contents->newer.end(), is_its_file);
    if (known) continue;
    found({"pending file", directory + "/" + name, "of what has no attachment", ""},
          [&]() -> Status {
            SLUICE_TRY([[maybe_unused]] const bool was_there, take_pending_back(directory, name));
            return {};
          });
  }
}

}  // namespace sluice::cni
