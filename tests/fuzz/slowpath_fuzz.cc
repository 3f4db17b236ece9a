// SPDX-License-Identifier: Apache-2.0
// fuzz-deps: sluice_slowpath
// Frames of any content on any port of a slow path with a small Intent; time passes between them.
// Input: records of {port and meta: 1 byte, length: 2 bytes big-endian, frame}.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <vector>

#include "offload/slowpath/slow_path.h"

namespace {

using namespace sluice;

constexpr Ipv4 address(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return Ipv4{a << 24U | b << 16U | c << 8U | d};
}

MacAddr mac(std::uint8_t last) { return MacAddr{{2, 0, 0, 0, 0, last}}; }

model::IntentPtr small_intent() {
  auto intent = std::make_shared<model::Intent>();
  intent->self = "a";
  intent->gateway_ip = address(169, 254, 1, 1);
  intent->gateway_mac = mac(0xfe);
  intent->node0_mac = mac(2);
  intent->uplink_mac = mac(1);
  intent->vni = 7;
  intent->masquerade = {50176, 50191};
  intent->nodes = {{"a", address(192, 168, 0, 1), {address(10, 244, 1, 0), 24}},
                   {"b", address(192, 168, 0, 2), {address(10, 244, 2, 0), 24}}};
  intent->attachments = {
      {"p1/eth0", "x/p1", "eth0", model::PortId::vf(0), mac(0x10), address(10, 244, 1, 10), ""},
      {"p2/eth0", "x/p2", "eth0", model::PortId::host(), mac(0x11), address(10, 244, 1, 11), ""}};
  const std::vector<model::Endpoint> endpoints = {
      {address(10, 244, 1, 10), 8080, "a", true, true, false},
      {address(10, 244, 2, 10), 8080, "b", true, true, false},
      {address(192, 168, 0, 1), 8080, "a", true, true, false}};
  model::Service service;
  service.name = "x/web";
  service.cluster_ip = address(10, 96, 0, 10);
  service.ports = {{"t", model::Proto::kTcp, 80, 30080, endpoints},
                   {"u", model::Proto::kUdp, 80, 30080, endpoints},
                   {"none", model::Proto::kUdp, 81, 0, {}}};
  intent->services = {service};
  intent->next_hops = {{1, address(192, 168, 0, 2), mac(0x20), true}};
  intent->outer_routes = {{address(192, 168, 0, 2), 1}, {address(203, 0, 113, 5), 1}};
  return intent;
}

// A frame that leaves must be one that a NIC can send.
class CheckingPort final : public slowpath::PacketPort {
 public:
  void send(model::PortId, std::span<const std::uint8_t> frame) override {
    if (frame.size() < 14 || frame.size() > 65535 + 64) std::abort();
  }
};

class CheckingSink final : public model::FlowSink {
 public:
  Result<model::FlowHandle> install(const model::Rule& rule) override {
    if (rule.actions.empty() || ++last_ % 5 == 0) return fail(Code::kExhausted, "full");
    live_.insert(last_);
    return last_;
  }
  Status remove(model::FlowHandle handle) override {
    if (live_.erase(handle) != 1) std::abort();  // removed twice, or never there
    return {};
  }
  Result<model::FlowStats> query(model::FlowHandle handle) override {
    if (!live_.contains(handle)) std::abort();
    return model::FlowStats{handle, handle};
  }
  std::size_t live() const { return live_.size(); }

 private:
  model::FlowHandle last_ = 0;
  std::set<model::FlowHandle> live_;
};

struct Where {
  model::PortId port;
  std::uint32_t meta;
};

Where where_of(std::uint8_t byte) {
  static constexpr std::uint32_t kOrigins[] = {0, model::meta::kLocal, model::meta::kTunnel,
                                               model::meta::kWire};
  const model::PortId ports[] = {model::PortId::vf(0), model::PortId::host(),
                                 model::PortId::uplink(),
                                 model::PortId::vf(static_cast<std::uint16_t>(byte >> 5U))};
  return {ports[byte & 3U], kOrigins[byte >> 2U & 3U]};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ManualClock clock;
  SeededRng rng(1);
  CheckingPort port;
  CheckingSink sink;
  {
    slowpath::Options options;
    options.max_connections = 32;
    slowpath::SlowPath slow(options, port, sink, clock, rng, Logger());
    if (!slow.set_intent(small_intent())) std::abort();
    while (size >= 3) {
      const Where where = where_of(data[0]);
      const std::size_t length =
          std::min<std::size_t>(static_cast<std::size_t>(data[1]) << 8U | data[2], size - 3);
      std::vector<std::uint8_t> frame(data + 3, data + 3 + length);
      slow.receive(where.port, where.meta, frame);
      if ((data[0] & 0x10U) != 0) {
        clock.advance(std::chrono::seconds(20));
        slow.tick();
      }
      data += 3 + length;
      size -= 3 + length;
    }
    if (slow.connection_count() > 32 || sink.live() != 2 * slow.promoted_count()) std::abort();
    (void)slow.connections(100);
  }
  if (sink.live() != 0) std::abort();
  return 0;
}
