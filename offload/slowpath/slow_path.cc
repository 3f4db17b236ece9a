// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/slow_path.h"

#include <algorithm>

#include "offload/slowpath/arp.h"

namespace sluice::slowpath {
namespace {

std::uint32_t clamp_capacity(std::size_t wanted) {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted, 1, 1U << 26U));
}

}  // namespace

SlowPath::SlowPath(Options options, PacketPort& port, model::FlowSink& sink, const Clock& clock,
                   Rng& rng, Logger log, std::unique_ptr<ConnectionStore> store)
    : options_(options),
      clock_(clock),
      rng_(rng),
      log_(std::move(log)),
      port_(port),
      store_(store != nullptr ? std::move(store)
                              : std::make_unique<HeapStore>(clamp_capacity(options.max_connections),
                                                            rng.next())),
      forwarder_(port, clock, counters_),
      answers_(forwarder_, clock, counters_, options.answers_per_second),
      fragments_(clock, rng.next()),
      promotion_(sink, clock, counters_, options.max_promoted, log_),
      guards_(sink, options.max_promoted, log_) {}

SlowPath::~SlowPath() {
  demote_all();
  guards_.clear();
}

void SlowPath::receive(model::PortId port, std::uint32_t meta, std::span<std::uint8_t> frame) {
  ++counters_.received;
  if (topology_ == nullptr || frame.size() < kEthHeader) {
    ++counters_.invalid;
    return;
  }
  const std::uint16_t type = load16(frame, 12);
  if (type == kEtherArp) {
    const bool answered = answer_arp(topology_->intent(), port, frame, port_);
    ++(answered ? counters_.arp_replies : counters_.arp_ignored);
    return;
  }
  if (type != kEtherIpv4) {
    ++counters_.unsupported_protocol;
    return;
  }
  auto packet = parse_ipv4(frame);
  if (!packet) {
    ++counters_.invalid;
    return;
  }
  receive_ipv4(port, meta, *packet);
}

void SlowPath::receive_ipv4(model::PortId port, std::uint32_t meta, Packet& packet) {
  if (is_no_host(packet.src) || is_no_host(packet.dst) || packet.eth_dst.is_multicast() ||
      packet.eth_src.is_multicast()) {
    ++counters_.invalid;
    return;
  }
  const auto origin = origin_of(port, meta, packet);
  if (!origin || !plausible(packet, *origin)) {
    ++counters_.spoofed;
    return;
  }
  const auto tuple = tuple_of(packet);
  Arrival arrival{packet, port, *origin, tuple.value_or(Tuple{})};
  if (port == model::PortId::uplink() && *origin == Origin::kLocal) {
    // Only a connection's flow makes a packet of the uplink local, on its way into a tunnel.
    arrival.origin = Origin::kTunnel;
    if (!tuple || !on_already_translated(arrival)) ++counters_.unknown_destination;
    return;
  }
  if (packet.later_fragment()) {
    on_later_fragment(arrival);
    return;
  }
  if (packet.icmp_error()) {
    on_error(arrival);
    return;
  }
  if (!tuple) {
    plain(arrival);
    return;
  }
  if (const auto hit = store_->find(*tuple)) {
    on_tracked(arrival, *hit);
    return;
  }
  if (!on_already_translated(arrival)) on_new(arrival);
}

std::optional<Origin> SlowPath::origin_of(model::PortId port, std::uint32_t meta,
                                          const Packet& packet) const {
  const bool uplink = port == model::PortId::uplink();
  switch (meta & model::meta::kOriginMask) {
    case model::meta::kLocal:
      return Origin::kLocal;
    case model::meta::kTunnel:
      return uplink ? std::optional(Origin::kTunnel) : std::nullopt;
    case model::meta::kWire:
      return uplink ? std::optional(Origin::kWire) : std::nullopt;
    case 0:
      break;
    default:
      return std::nullopt;
  }
  // No ingress rule has looked at it, so this does.
  if (uplink) return std::nullopt;
  if (const auto* pod = topology_->pod(packet.src)) {
    const bool its_own = pod->port == port && pod->mac == packet.eth_src;
    return its_own ? std::optional(Origin::kLocal) : std::nullopt;
  }
  const bool node = port == model::PortId::host() && topology_->is_self(packet.src) &&
                    packet.eth_src == topology_->intent().node0_mac;
  return node ? std::optional(Origin::kLocal) : std::nullopt;
}

bool SlowPath::plausible(const Packet& packet, Origin origin) const {
  if (origin == Origin::kLocal) return true;
  // Nobody outside has an address of this node, of its pods or of the gateway.
  const Place place = topology_->place_of(packet.src);
  // Pods of other nodes come by the overlay.
  if (origin == Origin::kWire && place == Place::kRemotePod) return false;
  return place != Place::kLocalPod && place != Place::kSelf && place != Place::kNoPod &&
         packet.src != topology_->intent().gateway_ip && !services_->is_cluster_ip(packet.src);
}

// Where the packets of a direction must come from: addresses alone are easily forged.
Origin SlowPath::comes_from(const Connection& connection, Direction direction) const {
  if (direction == Direction::kForward) return connection.origin;
  switch (topology_->place_of(connection.reply.src)) {
    case Place::kLocalPod:
    case Place::kSelf:
    case Place::kNoPod:
      return Origin::kLocal;
    case Place::kNode:
    case Place::kRemotePod:
      return Origin::kTunnel;
    case Place::kOutside:
      break;
  }
  return Origin::kWire;
}

void SlowPath::on_later_fragment(const Arrival& arrival) {
  Packet& packet = arrival.packet;
  const auto owner = fragments_.find(packet);
  if (owner && store_->in_use(owner->slot) && store_->at(owner->slot).id == owner->connection) {
    const Connection& connection = store_->at(owner->slot);
    if (arrival.origin != comes_from(connection, owner->direction)) {
      ++counters_.spoofed;
      return;
    }
    const bool forward = owner->direction == Direction::kForward;
    const Path path = path_of(connection, owner->direction);
    if (!admit(arrival, path)) return;
    const Tuple to = reversed(forward ? connection.reply : connection.original);
    rewrite_addresses(packet.ip(), to.src, to.dst);
    ++counters_.fragments_forwarded;
    forwarder_.forward(*topology_, packet, path);
    return;
  }
  const Place place = topology_->place_of(packet.dst);
  const bool translated_there = services_->is_cluster_ip(packet.dst) || place == Place::kSelf ||
                                place == Place::kOutside ||
                                packet.dst == topology_->intent().gateway_ip;
  if (!translated_there) {
    plain(arrival);
    return;
  }
  ++counters_.fragments_dropped;
  demote_fragmented(packet);
}

void SlowPath::on_error(const Arrival& arrival) {
  const auto hit = connection_of_error(*store_, arrival.packet);
  if (!hit) {
    plain(arrival);
    return;
  }
  const Connection& connection = store_->at(hit->slot);
  if (arrival.origin != comes_from(connection, hit->direction)) {
    ++counters_.spoofed;
    return;
  }
  const Path path = path_of(connection, hit->direction);
  if (!admit(arrival, path)) return;
  translate_error(arrival.packet, connection, hit->direction);
  ++counters_.icmp_errors_translated;
  forwarder_.forward(*topology_, arrival.packet, path);
}

void SlowPath::on_tracked(const Arrival& arrival, const Hit& hit) {
  Packet& packet = arrival.packet;
  Connection& connection = store_->at(hit.slot);
  const bool forward = hit.direction == Direction::kForward;
  if (arrival.origin != comes_from(connection, hit.direction)) {
    ++counters_.spoofed;
    return;
  }
  if (forward && packet.opens() && renews(connection)) {
    remove(hit.slot);
    on_new(arrival);
    return;
  }
  const Path path = path_of(connection, hit.direction);
  if (!admit(arrival, path)) return;

  track(connection, packet, hit.direction);
  connection.last_seen = clock_.now().time_since_epoch().count();
  ++connection.slow_packets[static_cast<std::size_t>(hit.direction)];
  if (packet.fragment()) {
    // The NIC would translate the first fragment and not know the others.
    fragments_.remember(packet, FragmentOwner{connection.id, hit.slot, hit.direction});
    connection.flags |= Connection::kNeverPromote;
    promotion_.demote(hit.slot, connection);
    ++counters_.fragments_forwarded;
  }
  rewrite(packet.ip(), reversed(forward ? connection.reply : connection.original));
  forwarder_.forward(*topology_, packet, path);
  if (connection.state == State::kClosed) {
    promotion_.demote(hit.slot, connection);
  } else {
    consider_promotion(hit.slot);
  }
}

// A flow has rewritten it and then found no way on: its next hop is unresolved, or its TTL used up.
bool SlowPath::on_already_translated(const Arrival& arrival) {
  const auto hit = store_->find(reversed(arrival.tuple));
  if (!hit || !promotion_.promoted(hit->slot)) return false;
  const Connection& connection = store_->at(hit->slot);
  const bool forward = hit->direction == Direction::kReply;
  const Direction direction = forward ? Direction::kForward : Direction::kReply;
  const Path path = path_of(connection, direction);
  Packet& packet = arrival.packet;
  const bool tcp = packet.proto == kIpTcp;
  // The client's own connection straight to the same endpoint looks the same until it is tracked.
  if (tcp && (packet.tcp_flags & (kSyn | kFin | kRst)) != 0) return false;
  if (!tcp && packet.ttl > 1 && topology_->ready(path)) return false;
  if (packet.ttl <= 1) {
    // Its sender is told about the packet that it sent.
    const Tuple& sent = forward ? connection.original : connection.reply;
    rewrite(packet.ip(), sent);
    packet.src = sent.src;
    packet.dst = sent.dst;
  }
  pass(arrival, path);
  return true;
}

// Whether a new SYN makes this a new connection: the old one is over, or it is still knocking at
// an endpoint that has gone.
bool SlowPath::renews(const Connection& connection) const {
  if (connection.state == State::kClosed) return true;
  if (connection.kind != Kind::kService || connection.state != State::kNew) return false;
  const ServiceRef ref = service_of(connection.original);
  return !ref || !services_->serves(ref, connection.reply.src, connection.reply.src_port);
}

void SlowPath::track(Connection& connection, const Packet& packet, Direction direction) const {
  const bool reply = direction == Direction::kReply;
  if (packet.proto != kIpTcp) {
    if (reply) connection.state = State::kEstablished;
    return;
  }
  const std::uint8_t flags = packet.tcp_flags;
  if ((flags & kRst) != 0) {
    connection.flags |= Connection::kReset;
    connection.state = State::kClosed;
    return;
  }
  const bool syn = (flags & kSyn) != 0;
  if (reply && syn && (flags & kAck) != 0) connection.flags |= Connection::kSynAckSeen;
  const bool plain_ack = !syn && (flags & kAck) != 0;
  if (connection.has(Connection::kReset) && plain_ack) {
    // The RST was forged or stale: the receiver ignored it (RFC 9293 3.10.7.4) and goes on.
    connection.flags = static_cast<std::uint8_t>(connection.flags & ~Connection::kReset);
    connection.state = State::kNew;
  }
  if (connection.state == State::kNew && plain_ack) {
    const bool answered = connection.has(Connection::kSynAckSeen);
    const bool picked_up = connection.has(Connection::kPickedUp) && reply;
    // Of an inbound connection only the answers come here.
    const bool inbound = connection.kind == Kind::kInbound;
    if (picked_up || (answered && (!reply || inbound))) connection.state = State::kEstablished;
  }
  if ((flags & kFin) != 0) {
    connection.flags |= reply ? Connection::kFinReply : Connection::kFinForward;
    const bool both =
        connection.has(Connection::kFinForward) && connection.has(Connection::kFinReply);
    connection.state = both ? State::kClosed : State::kClosing;
  }
}

void SlowPath::consider_promotion(Slot slot) {
  const Connection& connection = store_->at(slot);
  if (connection.original.proto == kIpIcmp || connection.has(Connection::kNeverPromote)) return;
  if (connection.original.proto == kIpTcp && connection.state != State::kEstablished) return;
  if (connection.slow_packets[0] + connection.slow_packets[1] < options_.promote_after) return;
  if (!promotion_.may_promote(slot)) return;
  const auto exits = exits_of(connection);
  if (!exits) return;
  promotion_.promote(slot, connection, *exits, services_->name_of(connection.service_key));
}

Path SlowPath::path_of(const Connection& connection, Direction direction) const {
  if (direction == Direction::kForward) {
    const Path path = topology_->path_to(connection.reply.src);
    // What leaves plain must have a source that the world can answer.
    const bool answerable = connection.reply.dst == topology_->self().address;
    return path.kind == Path::Kind::kWire && !answerable ? Path{} : path;
  }
  if (connection.origin == Origin::kWire) return Topology::wire_to(connection.original.src);
  const Path path = topology_->path_to(connection.original.src);
  const auto expected =
      connection.origin == Origin::kLocal ? Path::Kind::kPort : Path::Kind::kTunnel;
  return path.kind == expected ? path : Path{};
}

// Nothing while one direction has no way out.
std::optional<Exits> SlowPath::exits_of(const Connection& connection) const {
  Exits exits{};
  for (std::size_t i = 0; i < exits.size(); ++i) {
    const auto direction = static_cast<Direction>(i);
    const Path path = path_of(connection, direction);
    if (!topology_->ready(path)) return std::nullopt;
    if (path.kind == Path::Kind::kWire) exits[i].next_hop = topology_->next_hop(path)->id;
    exits[i].from = comes_from(connection, direction);
    exits[i].as_local = path.kind == Path::Kind::kTunnel && exits[i].from != Origin::kLocal;
  }
  return exits;
}

Path SlowPath::back_to_sender(const Arrival& arrival) const {
  switch (arrival.origin) {
    case Origin::kLocal:
      return Path{Path::Kind::kPort, arrival.port, arrival.packet.eth_src, {}};
    case Origin::kTunnel: {
      const Path path = topology_->path_to(arrival.packet.src);
      return path.kind == Path::Kind::kTunnel ? path : Path{};
    }
    case Origin::kWire:
      return Topology::wire_to(arrival.packet.src);
  }
  return Path{};
}

// Whether a packet may go one hop on by `path`; if not, it is counted and its sender told, when
// the sender is one of ours.
bool SlowPath::admit(const Arrival& arrival, const Path& path) {
  const Packet& packet = arrival.packet;
  const bool tell = arrival.origin == Origin::kLocal;
  const Ipv4 gateway = topology_->intent().gateway_ip;
  if (path.kind == Path::Kind::kNowhere) {
    ++counters_.unknown_destination;
    if (tell) {
      answers_.unreachable(*topology_, packet, back_to_sender(arrival), gateway, kHostUnreachable);
    }
    return false;
  }
  if (packet.ttl <= 1) {
    ++counters_.ttl_exceeded;
    if (tell) answers_.time_exceeded(*topology_, packet, back_to_sender(arrival), gateway);
    return false;
  }
  if (packet.ip_length > Forwarder::mtu_of(*topology_, path)) {
    ++counters_.too_big;
    if (tell && packet.dont_fragment) {
      answers_.unreachable(*topology_, packet, back_to_sender(arrival), gateway,
                           kFragmentationNeeded, topology_->pod_mtu());
    }
    return false;
  }
  return true;
}

void SlowPath::pass(const Arrival& arrival, const Path& path) {
  if (admit(arrival, path)) forwarder_.forward(*topology_, arrival.packet, path);
}

}  // namespace sluice::slowpath
