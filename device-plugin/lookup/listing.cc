// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/lookup/listing.h"

#include "common/api/devices.pb.h"

namespace sluice::lookup {
namespace {

constexpr std::size_t kMaxText = 1000;

// First what is most unlike a device that anybody could get.
const char* state_of(const pools::Member& member) {
  if (!member.candidate) return "vanished";
  if (member.leaving) return "leaving";
  if (member.use) return "used";
  return member.device.healthy ? "free" : "unhealthy";
}

std::string pf_of(const pools::Candidate& candidate) {
  if (candidate.pf == nullptr) return "";
  if (candidate.pf->netdev) return candidate.pf->netdev->name;
  return candidate.pf->address.to_string();
}

void add_device(const pools::Member& member, api::DevicePool& pool) {
  auto& out = *pool.add_devices();
  out.set_id(printable(member.device.id));
  out.set_state(state_of(member));
  out.set_reason(printable(member.device.reason));
  if (member.use) {
    out.set_holder(printable(member.use->holder));
    const bool dra = member.use->front == pools::Use::Front::kDra;
    out.set_front(dra ? "dra" : "device-plugin");
  }
  if (member.device.numa_node) out.set_numa_node(*member.device.numa_node);
  if (!member.candidate) return;
  out.set_pf(printable(pf_of(*member.candidate)));
  out.set_driver(printable(member.candidate->driver()));
}

}  // namespace

std::string printable(std::string text) {
  if (text.size() > kMaxText) text = text.substr(0, kMaxText) + "...";
  for (auto& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

void list_pools(const pools::PoolSet& pools, api::DeviceList& out) {
  for (const auto& pool : pools.pools()) {
    auto& shown = *out.add_pools();
    shown.set_resource(pool.config.resource());
    shown.set_type(std::string(to_string(pool.config.type)));
    shown.set_policy(std::string(to_string(pool.config.policy)));
    shown.set_offer(std::string(to_string(pool.config.offer)));
    shown.set_state(pool.draining ? "draining" : "active");
    for (const auto& member : pool.members) add_device(member, shown);
  }
  for (const auto& refused : pools.config().refused) {
    auto& shown = *out.add_pools();
    shown.set_resource(printable(refused.resource));
    shown.set_state("refused");
    shown.set_reason(printable(refused.reason));
  }
}

}  // namespace sluice::lookup
