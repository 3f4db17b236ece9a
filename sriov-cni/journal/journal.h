// SPDX-License-Identifier: Apache-2.0
// The write-ahead journal: one file an attachment.
//
// Contract: save() has reached the disk when it returns (temporary file, fsync, rename, fsync of
// the directory). A file that can't be read as a record is never deleted by reading it: load()
// gives an Error and load_all() lists it as damaged, set_aside() moves it out of the way under
// another name.
// Threading: any number of processes; who changes a record holds its attachment's lock (locks.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/nic/inventory.h"
#include "sriov-cni/journal/record.h"

namespace sluice::cni {

// Whose a VF was last, kept after the record has gone: a new pod of the same name may still be told
// that the VF is its.
struct LastUse {
  std::string pod, pod_uid;
  std::uint64_t given = 0;
  std::string given_by;
  std::optional<std::string> claim;  // as in Record
  std::uint64_t ended = 0;           // Unix seconds; 0: of an older version
};

// Of the node's clock: an end has to be known over a restart of the node too.
std::uint64_t unix_seconds();
// /proc/sys/kernel/random/boot_id
Result<std::string> boot_id();

class Journal {
 public:
  static Result<Journal> open(const std::string& state_dir);  // made when missing
  // For whoever only looks, or takes back. No such directory: Code::kNotFound.
  static Result<Journal> open_existing(const std::string& state_dir);
  const std::string& state_dir() const { return state_dir_; }

  Result<std::optional<Record>> load(const std::string& id) const;
  struct Contents {
    std::vector<Record> records;
    std::vector<std::string> damaged;  // by their path: files, or whatever else has such a name
    std::vector<std::string> newer;    // the same, of a later version: nobody's to touch here
  };
  Result<Contents> load_all() const;
  Status save(const Record& record) const;
  Status remove(const std::string& id) const;  // gone: success
  // Temporary files of writers that were killed; and those of one attachment, away with them.
  Result<std::vector<std::string>> leftovers() const;  // paths
  Status remove_leftovers_of(const std::string& id) const;
  // Moves a damaged record to <state_dir>/damaged/, where people find it. None there: success.
  Status set_aside(const std::string& id) const;
  // The same by a path of Contents; its attachment's alias is kAliasPrefix and the file's stem.
  Status set_aside_file(const std::string& path) const;

  // For VFs that the device plugin gave; does nothing for others. One file a VF. `ended`: when the
  // VF came back, or was first seen without its sandbox.
  Status remember(const Record& record, std::uint64_t ended) const;
  std::optional<LastUse> last_use(const nic::PciAddress& vf) const;  // unreadable: unset

  // The id of the attachment that began last with a VF for user space: such a VF bears no mark of
  // its own when the record can't be read. Unreadable: unset. And all, by the VFs' addresses.
  std::optional<std::string> holder_of(const nic::PciAddress& vf) const;
  // To be called before remove(): a note is there as long as its record. Another's stays.
  Status forget_holder(const Record& record) const;
  Result<std::map<std::string, std::string>> holders() const;

 private:
  explicit Journal(const std::string& state_dir);
  std::string path_of(const std::string& id) const;
  std::string state_dir_, directory_, devices_, holders_;
};

}  // namespace sluice::cni
