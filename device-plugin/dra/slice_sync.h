// SPDX-License-Identifier: Apache-2.0
// One round of agreement: reads the node's slices, and writes what differs. Blocking. Internal to
// device-plugin/dra.
//
// Threading: one thread, the Client's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/kube/client.h"
#include "device-plugin/dra/slices.h"

namespace sluice::dra {

// Which version of resource.k8s.io the server has for us.
Result<std::string> served_version(kube::Client& client, Duration deadline);

class SliceSync {
 public:
  SliceSync(kube::Client& client, std::string node) : client_(client), node_(std::move(node)) {}

  struct Report {
    std::size_t slices = 0;  // there are now
    std::size_t writes = 0;
  };
  // Errors: the first that any call has; what was written until then is seen by the next round.
  Result<Report> run(const std::vector<PoolContent>& wanted);

 private:
  Result<std::vector<StoredSlice>> stored();
  Result<Report> apply(const Plan& plan, std::size_t stored);
  Status create(const Slice& slice);
  std::string collection() const;

  kube::Client& client_;
  const std::string node_;
  std::string version_;  // "": not known (any more)
};

}  // namespace sluice::dra
