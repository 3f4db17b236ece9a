// SPDX-License-Identifier: Apache-2.0
// CDI specifications on disk: which device nodes and variables a named device means.
//
// Contract: one file a device set (a pool's, or a claim's), replaced atomically, so that a
// container that is made again after a restart of ours finds its devices. Only files with our
// prefix are ever touched; sweep() removes those that nobody names any more. Source: the Container
// Device Interface specification (cncf-tags/container-device-interface).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "device-plugin/allocate/grant.h"

namespace sluice::cdi {

struct SpecDevice {
  std::string name;  // "0000:3b:00.2", or "<claim uid>-<device>"
  std::vector<allocate::DeviceNode> nodes;
  std::vector<allocate::Mount> mounts;
  std::map<std::string, std::string> envs;
  bool operator==(const SpecDevice&) const = default;
};

struct Spec {
  std::string kind;  // "sluice.dev/vf": vendor '/' class
  std::vector<SpecDevice> devices;
  bool operator==(const Spec&) const = default;
};

// "sluice.dev/vf=0000:3b:00.2". Kind and name as the specification allows them; a resource's name
// that isn't allowed as a class is made so without meeting another's.
std::string kind_of(const std::string& resource);
std::string qualified(const std::string& kind, const std::string& device);
std::string render(const Spec& spec);  // JSON; the lowest version that has what the spec uses

class SpecStore {
 public:
  // Makes the directory. Errors: Code::kPermission, kExhausted (disk full), as of the system.
  static Result<SpecStore> open(const std::string& directory);

  // `set`: "pool-vf", "claim-<uid>". The same content again writes nothing.
  Status put(const std::string& set, const Spec& spec);
  Status remove(const std::string& set);  // gone: success
  Result<std::set<std::string>> sets() const;
  // Removes our files whose set isn't in `keep`, and unfinished ones of a process that died.
  Status sweep(const std::set<std::string>& keep);

 private:
  explicit SpecStore(std::string directory) : directory_(std::move(directory)) {}
  std::string path_of(const std::string& set) const;
  std::string directory_;
};

}  // namespace sluice::cdi
