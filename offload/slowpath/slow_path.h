// SPDX-License-Identifier: Apache-2.0
// The slow path: what the NIC has no flow for. Tracks connections, chooses endpoints, translates,
// answers ARP and sends ICMP errors, and puts the flows of lively connections into the NIC.
//
// Contract: every frame is hostile. Nothing here allocates or grows by what a packet says beyond
// the bounds of Options and of the parts. Frames that it is given are changed in place.
// Threading: one thread makes all calls.
// Source of rules that are not ours: ARCHITECTURE.md "The pipeline" and "Translation".
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "offload/model/flow_backend.h"
#include "offload/model/intent.h"
#include "offload/slowpath/connection_store.h"
#include "offload/slowpath/counters.h"
#include "offload/slowpath/forwarder.h"
#include "offload/slowpath/fragments.h"
#include "offload/slowpath/guards.h"
#include "offload/slowpath/icmp.h"
#include "offload/slowpath/ports.h"
#include "offload/slowpath/promotion.h"
#include "offload/slowpath/services.h"
#include "offload/slowpath/topology.h"
#include "offload/slowpath/translation.h"

namespace sluice::slowpath {

struct Timeouts {  // without a packet in either direction
  Duration udp_unreplied = std::chrono::seconds(30);
  Duration udp = std::chrono::seconds(180);
  Duration icmp = std::chrono::seconds(30);
  Duration tcp_new = std::chrono::seconds(60);
  Duration tcp_established = std::chrono::hours(24);
  // From outside to a pod: only the pod's end of it is seen. RFC 5382 REQ-5 allows no less.
  Duration tcp_inbound = std::chrono::minutes(124);
  Duration tcp_closing = std::chrono::seconds(120);  // one FIN
  Duration tcp_closed = std::chrono::seconds(10);    // both, or a RST
};

struct Options {
  std::size_t max_connections = 262144;
  // Packets of both directions together before flows are installed.
  std::uint32_t promote_after = 2;
  std::size_t max_promoted = 65536;
  // A promoted connection without a packet for so long gives its flows back and stays tracked.
  Duration demote_idle = std::chrono::minutes(5);
  std::uint32_t answers_per_second = 1000;  // ICMP errors and resets
  // Work of one tick(): the whole table in four, all flows in some more.
  std::size_t expire_per_tick = 65536;
  std::size_t read_per_tick = 1024;
  Timeouts timeouts;
};

// What a person sees of a connection.
struct ConnectionInfo {
  std::uint64_t id = 0;
  std::string proto;
  std::string original;    // "10.244.1.2:40000 -> 10.96.0.10:80", as the client sent it
  std::string translated;  // as the endpoint gets it
  std::string service;     // "shop/web:80", empty: none
  std::string state;       // "new", "established", "closing"
  bool promoted = false;
  std::string refusal;  // the driver's words when the NIC refused its flows last
  std::array<std::uint64_t, 2> hardware_packets{};  // by Direction
  std::array<std::uint64_t, 2> hardware_bytes{};
  std::array<std::uint64_t, 2> slow_packets{};
  std::uint64_t idle_ms = 0;
};

class SlowPath {
 public:
  using WantNextHop = Forwarder::WantNextHop;

  // The references outlive it. Without a store it makes a HeapStore of max_connections.
  SlowPath(Options options, PacketPort& port, model::FlowSink& sink, const Clock& clock, Rng& rng,
           Logger log, std::unique_ptr<ConnectionStore> store = nullptr);
  ~SlowPath();
  SlowPath(const SlowPath&) = delete;
  SlowPath& operator=(const SlowPath&) = delete;

  // Takes a snapshot: drops what it made untrue, renews flows, sends what waited for a next hop.
  // An Intent whose `self` is no node of it is refused, and the one before stays.
  Status set_intent(model::IntentPtr intent);
  // A frame that was punted: the port it came in by and its meta. `frame` is changed.
  void receive(model::PortId port, std::uint32_t meta, std::span<std::uint8_t> frame);
  // About once a second: expiry and the flows' counters, in bounded portions.
  void tick();

  // Called when a packet starts to wait for an unresolved destination behind the uplink, from
  // inside receive(); called again only when what waited was sent or dropped.
  void on_want_next_hop(WantNextHop want) { forwarder_.on_want_next_hop(std::move(want)); }

  const Counters& counters() const { return counters_; }
  std::vector<ConnectionInfo> connections(std::size_t limit) const;
  // Takes a connection's flows out for good; it goes on in software. False: no such connection.
  bool demote(std::uint64_t id);
  // Takes every flow out; connections go on and are promoted again by their next packets.
  void demote_all();
  std::uint64_t connection_count() const { return store_->size(); }
  std::uint64_t promoted_count() const { return promotion_.count(); }

 private:
  struct Arrival {
    Packet& packet;
    model::PortId port;
    Origin origin;
    Tuple tuple;
  };

  // slow_path.cc: what arrives, and connections that are known.
  void receive_ipv4(model::PortId port, std::uint32_t meta, Packet& packet);
  std::optional<Origin> origin_of(model::PortId port, std::uint32_t meta,
                                  const Packet& packet) const;
  bool plausible(const Packet& packet, Origin origin) const;
  Origin comes_from(const Connection& connection, Direction direction) const;
  void on_later_fragment(const Arrival& arrival);
  void on_error(const Arrival& arrival);
  void on_tracked(const Arrival& arrival, const Hit& hit);
  bool on_already_translated(const Arrival& arrival);
  bool renews(const Connection& connection) const;
  void track(Connection& connection, const Packet& packet, Direction direction) const;
  void consider_promotion(Slot slot);
  Path path_of(const Connection& connection, Direction direction) const;
  std::optional<Exits> exits_of(const Connection& connection) const;
  Path back_to_sender(const Arrival& arrival) const;
  bool admit(const Arrival& arrival, const Path& path);
  void pass(const Arrival& arrival, const Path& path);

  // opening.cc: connections that aren't known yet, and packets that are none's.
  void on_new(const Arrival& arrival);
  void to_cluster_ip(const Arrival& arrival);
  void to_gateway(const Arrival& arrival);
  void to_outside(const Arrival& arrival);
  void to_service(const Arrival& arrival, const ServiceRef& ref, model::TrafficPolicy policy);
  void to_endpoint(const Arrival& arrival);
  void plain(const Arrival& arrival);
  void refuse(const Arrival& arrival);
  bool open(const Arrival& arrival, Kind kind, Ipv4 receiver, std::uint16_t port,
            const NewSource& source, std::uint64_t service_key);
  std::optional<Slot> insert(const Connection& connection);
  bool may_evict(Slot slot) const;
  void evict(Slot slot);
  bool evict_one();
  ServiceRef service_of(const Tuple& original) const;

  // upkeep.cc: what time and a new Intent do.
  Duration patience_with(const Connection& connection) const;
  void expire_some();
  void read_some();
  void remove(Slot slot);
  void drop_outdated(const Topology& before);
  bool outdated(const Connection& connection, const Topology& before) const;
  bool service_outdated(const Connection& connection) const;
  bool trapped(const Connection& connection, Direction direction) const;
  bool guard(Slot slot);
  void renew_flows();
  ConnectionInfo describe(Slot slot) const;
  void demote_fragmented(const Packet& later);

  Options options_;
  const Clock& clock_;
  Rng& rng_;
  Logger log_;
  PacketPort& port_;
  Counters counters_;
  std::unique_ptr<ConnectionStore> store_;
  Forwarder forwarder_;
  Answers answers_;
  FragmentTable fragments_;
  Promotion promotion_;
  Guards guards_;
  std::unique_ptr<const Topology> topology_;
  std::unique_ptr<const ServiceIndex> services_;
  std::uint64_t last_id_ = 0;
  Slot expire_cursor_ = 0;
  TimePoint fragment_search_at_{};
};

}  // namespace sluice::slowpath
