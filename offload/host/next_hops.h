// SPDX-License-Identifier: Apache-2.0
// How packets to other machines leave by the uplink, as the kernel's FIB and neighbour table say.
//
// Contract: want() a destination and it is looked up, its next hop resolved and followed from then
// on. A destination that the kernel routes elsewhere than the uplink has no route here. A neighbour
// in any usable state (also STALE) resolves; a lost one keeps its MAC until the kernel says FAILED.
// At most kMaxDestinations; of those that keep() doesn't hold, the least recently wanted makes
// room, and what nobody has wanted for minutes (unresolved) or an hour goes by itself. Each
// unresolved next hop is asked for at its own pace. Destinations are single addresses, also behind
// a gateway, because the model's routes are: a flood of new ones costs a lookup each, but is
// reported at most once in 50 ms. Threading: everything on the loop's thread, in the node's
// namespace. Errors: what fails after create() is logged and tried again, with back-off.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/addr.h"
#include "common/base/log.h"
#include "common/base/result.h"
#include "common/os/event_loop.h"
#include "offload/model/intent.h"

namespace sluice::host {

inline constexpr std::size_t kMaxDestinations = 4096;

class NextHops {
 public:
  // `on_change` is called from the loop, never from inside a call, after next_hops() or routes()
  // has changed: soon after the first change, then at most once in 50 ms. The loop must outlive it.
  static Result<std::unique_ptr<NextHops>> create(os::EventLoop& loop, std::string uplink,
                                                  std::function<void()> on_change, Logger log);
  virtual ~NextHops() = default;

  virtual void want(Ipv4 destination) = 0;
  // These, and only these, are never dropped for others; each is want()ed. At most
  // kMaxDestinations.
  virtual void keep(const std::vector<Ipv4>& destinations) = 0;
  virtual std::vector<model::NextHop> next_hops() const = 0;  // by ip; ids stable while known
  virtual std::vector<model::OuterRoute> routes() const = 0;  // by destination
};

}  // namespace sluice::host
