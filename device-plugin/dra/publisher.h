// SPDX-License-Identifier: Apache-2.0
// Keeps the node's ResourceSlices as they should be, on a thread of its own.
//
// Contract: level-triggered: want() says how it should be, however often; what fails is tried
// again, ever more slowly and never at the same moment on all nodes. Nothing is written before the
// first want(), and nothing removed at the end: a restart doesn't make a node's devices vanish.
// Threading: want(), poke() and state() from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/kube/client.h"
#include "device-plugin/dra/slices.h"

namespace sluice::dra {

// Made on the thread that uses it, and made again until it can be: a service account may come late.
using ClientFactory = std::function<Result<std::unique_ptr<kube::Client>>()>;

struct PublisherSettings {
  std::string node;
  Duration resync = std::chrono::seconds(60);
  Duration first_retry = std::chrono::seconds(1);
  Duration last_retry = std::chrono::seconds(60);
  // After poke(): the kubelet removes a node's slices some time after it started, unasked.
  Duration watchful = std::chrono::seconds(30);
  Duration watchful_resync = std::chrono::seconds(5);
};

class Publisher {
 public:
  struct State {
    std::uint64_t slices = 0;
    std::uint64_t rounds = 0;  // that went well
    std::uint64_t writes = 0;
    std::string last_error;  // "" when the last round went well
  };

  static std::unique_ptr<Publisher> start(PublisherSettings settings, ClientFactory factory,
                                          std::unique_ptr<Rng> rng, Logger log);
  virtual ~Publisher() = default;  // cancels the call under way, joins

  virtual void want(std::vector<PoolContent> pools) = 0;
  virtual void poke() = 0;  // somebody may have changed them: look now, and often for a while
  virtual State state() const = 0;
};

}  // namespace sluice::dra
