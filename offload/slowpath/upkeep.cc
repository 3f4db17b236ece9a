// SPDX-License-Identifier: Apache-2.0
// The part of SlowPath that time and a new Intent drive: expiry, flows' counters, renewal.
#include <algorithm>

#include "offload/slowpath/slow_path.h"

namespace sluice::slowpath {
namespace {

// Looking for a fragmented connection among the promoted ones is not cheap.
constexpr Duration kFragmentSearchInterval = std::chrono::milliseconds(100);

std::string text_of(Ipv4 ip, std::uint16_t port) {
  return ip.to_string() + ":" + std::to_string(port);
}

std::string text_of(const Tuple& tuple) {
  return text_of(tuple.src, tuple.src_port) + " -> " + text_of(tuple.dst, tuple.dst_port);
}

std::string text_of(State state) {
  switch (state) {
    case State::kNew:
      return "new";
    case State::kEstablished:
      return "established";
    case State::kClosing:
    case State::kClosed:
      return "closing";
  }
  return "";
}

Duration idle_time(const Connection& connection, TimePoint now) {
  return now.time_since_epoch() - Duration(connection.last_seen);
}

bool same_network(const Topology& a, const Topology& b) {
  return a.self() == b.self() && a.intent().gateway_ip == b.intent().gateway_ip &&
         a.intent().masquerade == b.intent().masquerade;
}

}  // namespace

Status SlowPath::set_intent(model::IntentPtr intent) {
  if (intent == nullptr) return fail(Code::kInvalid, "intent is null");
  if (intent->find_node(intent->self) == nullptr) {
    return fail(Code::kInvalid, "intent.self \"" + intent->self + "\" is not one of intent.nodes");
  }
  // The new snapshot is complete before the old one is let go: the old Topology is compared with.
  auto topology = std::make_unique<const Topology>(intent);
  const bool new_services = topology_ == nullptr ||
                            !ServiceIndex::same_services(topology_->intent(), *intent) ||
                            topology_->self() != topology->self();
  if (new_services) services_ = std::make_unique<const ServiceIndex>(intent);
  std::swap(topology_, topology);
  if (topology != nullptr) {
    const auto& before = topology->intent();
    if (new_services || before.attachments != intent->attachments ||
        before.nodes != intent->nodes || !same_network(*topology, *topology_)) {
      drop_outdated(*topology);
    }
    renew_flows();
  }
  forwarder_.flush_pending(*topology_);
  return {};
}

void SlowPath::drop_outdated(const Topology& before) {
  for (Slot slot = 0; slot < store_->end(); ++slot) {
    if (!store_->in_use(slot)) continue;
    if (!outdated(store_->at(slot), before) && guard(slot)) continue;
    remove(slot);
    ++counters_.connections_dropped;
  }
}

bool SlowPath::outdated(const Connection& connection, const Topology& before) const {
  if (!same_network(before, *topology_)) return true;
  // A pod that is gone, or whose address another one has now.
  for (const Ipv4 ip : {connection.original.src, connection.reply.src}) {
    const auto* now = topology_->pod(ip);
    const auto* then = before.pod(ip);
    if (then != nullptr && (now == nullptr || now->id != then->id)) return true;
  }
  if (connection.kind == Kind::kService) return service_outdated(connection);
  // TCP notices by itself; the others would be refreshed for ever by a client that isn't answered.
  if (connection.original.proto == kIpTcp) return false;
  const bool service_now = services_->is_cluster_ip(connection.original.dst);
  const bool inside_now = connection.kind == Kind::kMasquerade &&
                          topology_->place_of(connection.original.dst) != Place::kOutside;
  return service_now || inside_now;
}

bool SlowPath::service_outdated(const Connection& connection) const {
  const ServiceRef ref = service_of(connection.original);
  // Without its NodePort or hostPort nothing from the wire gets past the ingress rules: the kernel
  // resets it.
  if (connection.origin == Origin::kWire && !ref) return true;
  // TCP stays with its endpoint, whatever becomes of the service.
  if (connection.original.proto != kIpUdp) return false;
  return !ref || !services_->serves(ref, connection.reply.src, connection.reply.src_port);
}

// Whether the planned rules bring a direction to the slow path when its flow doesn't take it.
// Without that it would go on untranslated.
bool SlowPath::trapped(const Connection& connection, Direction direction) const {
  const model::Node& self = topology_->self();
  const bool own_rewrite = connection.kind == Kind::kDirect && connection.translated();
  if (connection.kind != Kind::kService && !own_rewrite) return true;
  if (direction == Direction::kForward) {
    const Tuple& to = connection.original;
    if (own_rewrite) return services_->is_endpoint(to.dst, to.proto, to.dst_port);
    // A cluster IP that is gone is outside the cluster, which is the slow path's too.
    return !topology_->is_self(to.dst) || service_of(to);
  }
  const Tuple& answer = connection.reply;
  const bool masqueraded =
      answer.dst == self.node0() && topology_->intent().masquerade.contains(answer.dst_port);
  return !self.pod_cidr.contains(answer.dst) || masqueraded ||
         services_->is_endpoint(answer.src, answer.proto, answer.src_port);
}

// False when the connection needs a guard and can't have it.
bool SlowPath::guard(Slot slot) {
  const Connection& connection = store_->at(slot);
  Guards::Wanted wanted;
  for (const Direction direction : {Direction::kForward, Direction::kReply}) {
    if (trapped(connection, direction)) continue;
    wanted[static_cast<std::size_t>(direction)] = comes_from(connection, direction);
  }
  return guards_.keep(slot, connection, wanted);
}

// Flows say by which next hop they leave; when that has changed they are made anew.
void SlowPath::renew_flows() {
  for (const Slot slot : promotion_.next_batch(promotion_.count())) {
    Connection& connection = store_->at(slot);
    const auto exits = exits_of(connection);
    if (exits && *exits == promotion_.exits(slot)) continue;
    promotion_.demote(slot, connection);
    consider_promotion(slot);
  }
}

void SlowPath::tick() {
  if (topology_ == nullptr) return;
  forwarder_.expire();
  read_some();
  expire_some();
}

Duration SlowPath::patience_with(const Connection& connection) const {
  const Timeouts& timeouts = options_.timeouts;
  if (connection.original.proto == kIpIcmp) return timeouts.icmp;
  if (connection.original.proto == kIpUdp) {
    return connection.state == State::kNew ? timeouts.udp_unreplied : timeouts.udp;
  }
  switch (connection.state) {
    case State::kNew:
      return timeouts.tcp_new;
    case State::kEstablished:
      return connection.kind == Kind::kInbound ? timeouts.tcp_inbound : timeouts.tcp_established;
    case State::kClosing:
      return timeouts.tcp_closing;
    case State::kClosed:
      return timeouts.tcp_closed;
  }
  return timeouts.tcp_new;
}

void SlowPath::read_some() {
  const TimePoint now = clock_.now();
  for (const Slot slot : promotion_.next_batch(options_.read_per_tick)) {
    if (!promotion_.promoted(slot)) continue;
    Connection& connection = store_->at(slot);
    if (promotion_.moved(slot)) {
      connection.last_seen = now.time_since_epoch().count();
    } else if (idle_time(connection, now) >= options_.demote_idle) {
      promotion_.demote(slot, connection);
    }
  }
}

void SlowPath::expire_some() {
  const TimePoint now = clock_.now();
  const Slot end = store_->end();
  const std::size_t portion = std::min<std::size_t>(end, options_.expire_per_tick);
  for (std::size_t i = 0; i < portion; ++i, ++expire_cursor_) {
    if (expire_cursor_ >= end) expire_cursor_ = 0;
    const Slot slot = expire_cursor_;
    if (!store_->in_use(slot)) continue;
    Connection& connection = store_->at(slot);
    if (idle_time(connection, now) < patience_with(connection)) continue;
    // Its packets may have passed in hardware since its counters were read.
    if (promotion_.moved(slot)) {
      connection.last_seen = now.time_since_epoch().count();
      continue;
    }
    remove(slot);
    ++counters_.connections_expired;
  }
}

void SlowPath::remove(Slot slot) {
  promotion_.forget(slot, store_->at(slot));
  guards_.forget(slot);
  store_->erase(slot);
}

// The first fragment has passed in hardware and this one can't: its connection goes on in software.
void SlowPath::demote_fragmented(const Packet& later) {
  const TimePoint now = clock_.now();
  if (now < fragment_search_at_) return;
  fragment_search_at_ = now + kFragmentSearchInterval;
  for (const Slot slot : promotion_.next_batch(promotion_.count())) {
    Connection& connection = store_->at(slot);
    const auto from = [&](const Tuple& tuple) {
      return tuple.src == later.src && tuple.dst == later.dst && tuple.proto == later.proto;
    };
    if (!from(connection.original) && !from(connection.reply)) continue;
    connection.flags |= Connection::kNeverPromote;
    promotion_.demote(slot, connection);
  }
}

ConnectionInfo SlowPath::describe(Slot slot) const {
  const Connection& connection = store_->at(slot);
  ConnectionInfo info;
  info.id = connection.id;
  info.proto = std::string(model::to_string(static_cast<model::Proto>(connection.original.proto)));
  info.original = text_of(connection.original);
  info.translated = text_of(reversed(connection.reply));
  info.service = services_ == nullptr ? "" : services_->name_of(connection.service_key);
  info.state = text_of(connection.state);
  info.promoted = promotion_.promoted(slot);
  info.refusal = promotion_.refusal(slot);
  const auto live = promotion_.read(slot);
  for (std::size_t i = 0; i < live.size(); ++i) {
    info.hardware_packets[i] = connection.hardware_packets[i] + live[i].packets;
    info.hardware_bytes[i] = connection.hardware_bytes[i] + live[i].bytes;
    info.slow_packets[i] = connection.slow_packets[i];
  }
  const auto idle =
      std::chrono::duration_cast<std::chrono::milliseconds>(idle_time(connection, clock_.now()));
  info.idle_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(idle.count(), 0));
  return info;
}

std::vector<ConnectionInfo> SlowPath::connections(std::size_t limit) const {
  std::vector<ConnectionInfo> all;
  for (Slot slot = 0; slot < store_->end() && all.size() < limit; ++slot) {
    if (store_->in_use(slot)) all.push_back(describe(slot));
  }
  return all;
}

bool SlowPath::demote(std::uint64_t id) {
  for (Slot slot = 0; slot < store_->end(); ++slot) {
    if (!store_->in_use(slot) || store_->at(slot).id != id) continue;
    Connection& connection = store_->at(slot);
    connection.flags |= Connection::kNeverPromote;
    promotion_.demote(slot, connection);
    return true;
  }
  return false;
}

void SlowPath::demote_all() {
  for (const Slot slot : promotion_.next_batch(promotion_.count())) {
    promotion_.demote(slot, store_->at(slot));
  }
}

}  // namespace sluice::slowpath
