// SPDX-License-Identifier: Apache-2.0
// Reads ResourceClaims from the API server. Internal to device-plugin/dra.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "device-plugin/dra/claim.h"
#include "device-plugin/dra/publisher.h"

namespace sluice::dra {

class ClaimReader {
 public:
  // JSON texts, in the order that was asked for.
  using Done = std::function<void(std::vector<Result<std::string>>)>;
  virtual ~ClaimReader() = default;  // calls no Done from then on
  // `done` is called once, on the loop's thread, and may be called from within.
  virtual void read(std::vector<ClaimRef> claims, Done done) = 0;
};

// On a thread of its own, with a Client of its own: a slow publication doesn't hold up a pod.
// `deadline`: for all claims of one read() together; the kubelet waits 45 s for its answer.
std::unique_ptr<ClaimReader> make_claim_reader(os::EventLoop& loop, ClientFactory factory,
                                               Duration deadline = std::chrono::seconds(25));

}  // namespace sluice::dra
