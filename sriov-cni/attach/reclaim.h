// SPDX-License-Identifier: Apache-2.0
// Finds what is left of pods that are gone, and takes it back: GC and repair are made of this.
//
// Contract: safe beside calls that are at work: an attachment or a VF whose lock is held is left
// alone, everything is looked at again under the lock, and nothing of a living attachment is
// touched. A dry run only finds. What fails is a finding with an error, and the rest goes on.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/ipam/ipam.h"
#include "sriov-cni/journal/journal.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

struct Finding {
  std::string kind;     // "attachment", "address", "vf", "record", "temporary file", "pending file"
  std::string subject;  // its id, address, or path
  std::string what;     // why it is here
  std::string error;    // why it could not be taken back; empty: it was, or the run is dry
};

// The attachment that the runtime knows: of several interfaces the first.
AttachmentKey first_of(const Record& record);

class Reclaimer {
 public:
  Reclaimer(Context& context, const Journal& journal, bool dry_run)
      : context_(context), journal_(journal), dry_run_(dry_run) {}

  // Why a whole attachment, by its first interface's record, is to be undone; "": it isn't.
  using Why = std::function<std::string(const Record&)>;
  void attachments(const Why& why);
  // Reserved by the built-in IPAM for what has no record.
  void addresses();
  // Records that can't be read and whose port has come back, or can't be in any pod.
  // `engines`: the sockets of all that were ever here. Each is told first, which takes the
  // attachment's id: the record's name doesn't say it, the addresses that it holds do.
  void damaged_records(const std::vector<NicPlace>& places,
                       const std::vector<std::string>& engines);
  // VFs on the host that no record has and that aren't as they were.
  void stray_vfs(const NicPlace& place);
  // Of records whose writers were killed.
  void temporary_files();
  // Left for the engine, by what has no record.
  void pending_files(const std::string& directory);

  const std::vector<Finding>& findings() const { return findings_; }

 private:
  void undo(const AttachmentKey& key, const Why& why);
  void unreadable_address(const HeldAddress& held);
  Status take_back_damaged(const std::string& path, const std::vector<NicPlace>& places,
                           const std::vector<std::string>& engines);
  Status detach_damaged(const std::string& hash, const std::vector<std::string>& engines);
  bool may_be_in_pod(const std::vector<NicPlace>& places, const std::string& hash) const;
  Result<std::set<std::string>> recorded_vfs() const;
  // Adds a finding and, if the run isn't dry, does the work.
  void found(Finding finding, const std::function<Status()>& work);
  void failed(const std::string& kind, const std::string& subject, const Error& error);

  Context& context_;
  const Journal& journal_;
  bool dry_run_;
  std::vector<Finding> findings_;
};

}  // namespace sluice::cni
