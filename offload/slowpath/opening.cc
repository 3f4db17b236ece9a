// SPDX-License-Identifier: Apache-2.0
// The part of SlowPath for connections that aren't known yet, and for packets that are none's.
#include "offload/slowpath/slow_path.h"

namespace sluice::slowpath {
namespace {

// How many entries are looked at for one that may go when the table is full.
constexpr int kEvictionTries = 16;

bool has_ports(const Tuple& tuple) { return tuple.proto == kIpTcp || tuple.proto == kIpUdp; }

}  // namespace

void SlowPath::on_new(const Arrival& arrival) {
  const Tuple& tuple = arrival.tuple;
  const Ipv4 gateway = topology_->intent().gateway_ip;
  const bool local = arrival.origin == Origin::kLocal;
  if (services_->is_cluster_ip(tuple.dst)) {
    to_cluster_ip(arrival);
    return;
  }
  if (has_ports(tuple) && topology_->is_self(tuple.dst)) {
    if (const auto ref = services_->by_host_port(tuple.dst, tuple.proto, tuple.dst_port)) {
      to_service(arrival, ref, model::TrafficPolicy::kLocal);
      return;
    }
  }
  if (has_ports(tuple) &&
      (tuple.dst == topology_->self().address || (local && tuple.dst == gateway))) {
    if (const auto ref = services_->by_node_port(tuple.proto, tuple.dst_port)) {
      // Pods and nodes always get all endpoints; only who comes from outside is subject to policy.
      const bool from_wire = arrival.origin == Origin::kWire;
      to_service(arrival, ref,
                 from_wire ? ref.service->external_policy : model::TrafficPolicy::kCluster);
      return;
    }
  }
  if (tuple.dst == gateway) {
    to_gateway(arrival);
    return;
  }
  const Place place = topology_->place_of(tuple.dst);
  if (place == Place::kOutside) {
    to_outside(arrival);
    return;
  }
  const bool from_block =
      topology_->self().pod_cidr.contains(tuple.src) || topology_->pod(tuple.src) != nullptr;
  if (local && from_block && has_ports(tuple) &&
      services_->is_endpoint(tuple.dst, tuple.proto, tuple.dst_port)) {
    to_endpoint(arrival);
    return;
  }
  plain(arrival);
}

void SlowPath::to_cluster_ip(const Arrival& arrival) {
  const Tuple& tuple = arrival.tuple;
  if (arrival.origin != Origin::kLocal) {
    ++counters_.unknown_destination;
    return;
  }
  if (tuple.proto == kIpIcmp) {
    ++counters_.service_echo_dropped;
    return;
  }
  const auto ref = services_->by_cluster_ip(tuple.dst, tuple.proto, tuple.dst_port);
  if (!ref) {
    ++counters_.refused_unknown_port;
    refuse(arrival);
    return;
  }
  to_service(arrival, ref, ref.service->internal_policy);
}

void SlowPath::to_gateway(const Arrival& arrival) {
  const Packet& packet = arrival.packet;
  if (arrival.origin != Origin::kLocal) {
    ++counters_.unknown_destination;
    return;
  }
  if (packet.proto == kIpIcmp) {
    if (packet.icmp_type == kEchoRequest && !packet.fragment()) {
      answers_.echo_reply(*topology_, packet, back_to_sender(arrival));
    } else {
      ++counters_.unknown_destination;
    }
    return;
  }
  ++counters_.refused_unknown_port;
  refuse(arrival);
}

void SlowPath::to_service(const Arrival& arrival, const ServiceRef& ref,
                          model::TrafficPolicy policy) {
  if (arrival.tuple.proto == kIpTcp && !arrival.packet.opens()) {
    // Sent on to whatever endpoint, it would be answered from an address nobody asked.
    ++counters_.refused_stale;
    refuse(arrival);
    return;
  }
  const auto* endpoint = services_->choose(ref, policy, arrival.tuple);
  if (endpoint == nullptr) {
    if (policy == model::TrafficPolicy::kLocal) {
      ++counters_.no_local_endpoint_dropped;
      return;
    }
    ++counters_.refused_no_endpoint;
    refuse(arrival);
    return;
  }
  const NewSource source = source_for(*topology_, arrival.origin, arrival.tuple.src, endpoint->ip);
  open(arrival, Kind::kService, endpoint->ip, endpoint->port, source, ServiceIndex::key_of(ref));
}

void SlowPath::to_outside(const Arrival& arrival) {
  const Tuple& tuple = arrival.tuple;
  const Packet& packet = arrival.packet;
  if (arrival.origin != Origin::kLocal) {
    ++counters_.unknown_destination;
    return;
  }
  if (topology_->place_of(tuple.src) != Place::kLocalPod) {
    // The node reaches the outside by itself; what it sends here was for the cluster's networks.
    admit(arrival, Path{});
    return;
  }
  if (tuple.proto == kIpIcmp && packet.icmp_type == kEchoReply) {
    pass(arrival, Topology::wire_to(tuple.dst));  // to a ping that came in plain
    return;
  }
  if (tuple.proto == kIpTcp && !packet.opens()) {
    if ((packet.tcp_flags & (kSyn | kAck | kRst | kFin)) == (kSyn | kAck)) {
      // The answer to a SYN that came in plain and went straight to the pod.
      Connection inbound;
      inbound.original = reversed(tuple);
      inbound.reply = tuple;
      inbound.kind = Kind::kInbound;
      inbound.origin = Origin::kWire;
      if (const auto slot = insert(inbound)) on_tracked(arrival, Hit{*slot, Direction::kReply});
      return;
    }
    ++counters_.refused_stale;
    refuse(arrival);
    return;
  }
  open(arrival, Kind::kMasquerade, tuple.dst, tuple.dst_port,
       NewSource{topology_->self().address, true}, 0);
}

void SlowPath::to_endpoint(const Arrival& arrival) {
  const Packet& packet = arrival.packet;
  const bool stray =
      packet.proto == kIpTcp && !packet.opens() && (packet.tcp_flags & (kSyn | kRst | kFin)) != 0;
  if (stray) {
    plain(arrival);
    return;
  }
  open(arrival, Kind::kDirect, arrival.tuple.dst, arrival.tuple.dst_port,
       NewSource{arrival.tuple.src, false}, 0);
}

// No connection of ours: addressed to a pod or a node, or nobody's.
void SlowPath::plain(const Arrival& arrival) {
  const Packet& packet = arrival.packet;
  const bool local = arrival.origin == Origin::kLocal;
  const Place place = topology_->place_of(packet.dst);
  if (services_->is_cluster_ip(packet.dst) || packet.dst == topology_->intent().gateway_ip) {
    ++counters_.unsupported_protocol;
    return;
  }
  switch (place) {
    case Place::kLocalPod:
      break;
    case Place::kSelf:
      // From the wire the kernel has a copy of its own.
      if (arrival.origin == Origin::kWire) {
        ++counters_.unknown_destination;
        return;
      }
      break;
    case Place::kNode:
    case Place::kRemotePod:
      // Nobody is carried through from one node to another.
      if (!local) {
        ++counters_.unknown_destination;
        return;
      }
      break;
    case Place::kNoPod:
      break;  // no path: its sender is told
    case Place::kOutside:
      ++counters_.unsupported_protocol;  // nothing in it that could be masqueraded
      return;
  }
  pass(arrival, topology_->path_to(packet.dst));
}

void SlowPath::refuse(const Arrival& arrival) {
  const Packet& packet = arrival.packet;
  const Path back = back_to_sender(arrival);
  if (back.kind == Path::Kind::kNowhere) return;
  if (packet.proto == kIpTcp) {
    answers_.reset(*topology_, packet, back);
  } else {
    answers_.unreachable(*topology_, packet, back, packet.dst, kPortUnreachable);
  }
}

bool SlowPath::open(const Arrival& arrival, Kind kind, Ipv4 receiver, std::uint16_t port,
                    const NewSource& source, std::uint64_t service_key) {
  const auto reply =
      find_reply(*store_, arrival.tuple, receiver, port, source, topology_->intent().masquerade,
                 rng_, [this](Slot slot) { return may_evict(slot); });
  if (!reply) {
    ++counters_.masquerade_exhausted;
    return false;
  }
  if (reply->instead_of) evict(*reply->instead_of);
  Connection connection;
  connection.original = arrival.tuple;
  connection.reply = reply->tuple;
  connection.kind = kind;
  connection.origin = arrival.origin;
  connection.service_key = service_key;
  if (arrival.tuple.proto == kIpTcp && !arrival.packet.opens()) {
    connection.flags |= Connection::kPickedUp;
  }
  const auto slot = insert(connection);
  if (!slot) return false;
  if (!source.own_port && reply->tuple.dst_port != arrival.tuple.src_port) {
    ++counters_.source_ports_rewritten;
  }
  on_tracked(arrival, Hit{*slot, Direction::kForward});
  return true;
}

std::optional<Slot> SlowPath::insert(const Connection& connection) {
  if (store_->size() >= store_->capacity() && !evict_one()) {
    ++counters_.table_full;
    return std::nullopt;
  }
  Connection entry = connection;
  entry.id = last_id_ + 1;
  entry.last_seen = clock_.now().time_since_epoch().count();
  const auto slot = store_->insert(entry);
  if (!slot) {
    ++counters_.invalid;  // its answers are another connection's requests
    return std::nullopt;
  }
  ++last_id_;
  ++counters_.connections_created;
  return slot;
}

// Unanswered and finished connections make room, so that a flood of SYNs costs only such; and
// silent ones from outside to a pod, whose client's FIN and RST nobody here sees.
bool SlowPath::may_evict(Slot slot) const {
  if (promotion_.promoted(slot)) return false;
  const Connection& connection = store_->at(slot);
  if (connection.state == State::kNew || connection.state == State::kClosed) return true;
  const Duration idle = clock_.now().time_since_epoch() - Duration(connection.last_seen);
  return connection.kind == Kind::kInbound && idle >= options_.timeouts.tcp_closing;
}

void SlowPath::evict(Slot slot) {
  remove(slot);
  ++counters_.connections_evicted;
}

bool SlowPath::evict_one() {
  const Slot end = store_->end();
  if (end == 0) return false;
  Slot slot = static_cast<Slot>(rng_.next() % end);
  for (int i = 0; i < kEvictionTries; ++i, slot = (slot + 1) % end) {
    if (!store_->in_use(slot) || !may_evict(slot)) continue;
    evict(slot);
    return true;
  }
  return false;
}

// The service that a packet of this tuple is for, by its address of today.
ServiceRef SlowPath::service_of(const Tuple& original) const {
  if (services_->is_cluster_ip(original.dst)) {
    return services_->by_cluster_ip(original.dst, original.proto, original.dst_port);
  }
  if (const auto ref = services_->by_host_port(original.dst, original.proto, original.dst_port)) {
    return ref;
  }
  if (original.dst == topology_->self().node0()) return {};  // hostPorts are all it has
  return services_->by_node_port(original.proto, original.dst_port);
}

}  // namespace sluice::slowpath
