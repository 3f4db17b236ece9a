// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/promotion.h"

#include <algorithm>

namespace sluice::slowpath {
namespace {

constexpr std::uint16_t kPriority = 10;

std::string purpose(const Connection& connection, Direction direction, const std::string& service) {
  std::string why = direction == Direction::kForward ? "requests of " : "answers of ";
  switch (connection.kind) {
    case Kind::kService:
      return why + "a client of " + (service.empty() ? "a service that is gone" : service);
    case Kind::kDirect:
      return why + "a connection straight to an endpoint";
    case Kind::kMasquerade:
      return why + "a pod's connection out of the cluster";
    case Kind::kInbound:
      return why + "a connection from outside to a pod";
  }
  return why;
}

std::uint32_t meta_of(Origin origin) {
  switch (origin) {
    case Origin::kLocal:
      return model::meta::kLocal;
    case Origin::kTunnel:
      return model::meta::kTunnel;
    case Origin::kWire:
      return model::meta::kWire;
  }
  return 0;
}

}  // namespace

model::Match connection_match(const Connection& connection, Direction direction, Origin from) {
  const Tuple& in = direction == Direction::kForward ? connection.original : connection.reply;
  model::Match match;
  match.untagged = true;  // out of a tunnel it may have a tag of its own
  match.proto = static_cast<model::Proto>(in.proto);
  match.ip_src = Prefix4{in.src, 32};
  match.ip_dst = Prefix4{in.dst, 32};
  match.l4_src = model::Masked<std::uint16_t>{in.src_port, 0xffff};
  match.l4_dst = model::Masked<std::uint16_t>{in.dst_port, 0xffff};
  // Addresses are easily written; where a packet came from is the ingress stage's own word.
  match.meta = model::Masked<std::uint32_t>{meta_of(from), model::meta::kOriginMask};
  return match;
}

model::Rule connection_rule(const Connection& connection, Direction direction, const Exit& exit,
                            const std::string& service) {
  const bool forward = direction == Direction::kForward;
  const Tuple& in = forward ? connection.original : connection.reply;
  const Tuple out = reversed(forward ? connection.reply : connection.original);

  model::Rule rule;
  rule.stage = model::Stage::kConnection;
  rule.priority = kPriority;
  rule.match = connection_match(connection, direction, exit.from);
  rule.match.whole = true;  // the other fragments could not follow
  if (rule.match.proto == model::Proto::kTcp) {
    rule.match.tcp_flags =
        model::Masked<std::uint8_t>{0, model::kTcpFin | model::kTcpSyn | model::kTcpRst};
  }
  if (out.src != in.src) rule.actions.emplace_back(model::SetIpSrc{out.src});
  if (out.dst != in.dst) rule.actions.emplace_back(model::SetIpDst{out.dst});
  if (out.src_port != in.src_port) rule.actions.emplace_back(model::SetL4Src{out.src_port});
  if (out.dst_port != in.dst_port) rule.actions.emplace_back(model::SetL4Dst{out.dst_port});
  if (exit.next_hop != 0) {
    rule.actions.emplace_back(model::SetMeta{exit.next_hop, model::meta::kNextHopMask});
  }
  if (exit.as_local) {
    rule.actions.emplace_back(model::SetMeta{model::meta::kLocal, model::meta::kOriginMask});
  }
  rule.actions.emplace_back(model::Count{});
  rule.actions.emplace_back(model::Jump{model::Stage::kForward});
  rule.owner = "connection/" + std::to_string(connection.id);
  rule.why = purpose(connection, direction, service);
  return rule;
}

bool Promotion::may_promote(Slot slot) const {
  if (promoted(slot) || promoted_.size() >= max_) return false;
  const TimePoint now = clock_.now();
  if (now < held_until_) return false;
  const auto refusal = refusals_.find(slot);
  return refusal == refusals_.end() || now >= refusal->second.retry_at;
}

void Promotion::note_refusal(Slot slot, const Connection& connection, const Error& error) {
  ++counters_.promotion_refused;
  const TimePoint now = clock_.now();
  held_until_ = now + kHoldAll;
  auto& refusal = refusals_[slot];
  refusal.retry_at = now + kFirstBackoff * (1 << std::min(refusal.count, kMaxDoublings));
  ++refusal.count;
  refusal.words = error.message;
  log_.debug("flow refused, the connection stays in software",
             {{"connection", connection.id}, {"error", error}});
}

bool Promotion::promote(Slot slot, const Connection& connection, const Exits& exits,
                        const std::string& service) {
  std::array<model::FlowHandle, 2> handles{};
  for (std::size_t i = 0; i < handles.size(); ++i) {
    auto installed =
        sink_.install(connection_rule(connection, static_cast<Direction>(i), exits[i], service));
    if (!installed) {
      note_refusal(slot, connection, installed.error());
      if (i == 1) {
        if (auto removed = sink_.remove(handles[0]); !removed) {
          log_.warn("flow not removed",
                    {{"connection", connection.id}, {"error", removed.error()}});
        }
      }
      return false;
    }
    handles[i] = *installed;
  }
  refusals_.erase(slot);
  if (flows_.size() <= slot) flows_.resize(static_cast<std::size_t>(slot) + 1);
  flows_[slot] = Flows{handles, exits, 0, static_cast<std::uint32_t>(promoted_.size())};
  promoted_.push_back(slot);
  ++counters_.promoted;
  return true;
}

void Promotion::demote(Slot slot, Connection& connection) {
  if (!promoted(slot)) return;
  Flows& flows = flows_[slot];
  const auto stats = read(slot);
  if (stats[0].packets + stats[1].packets != flows.seen) {
    connection.last_seen = clock_.now().time_since_epoch().count();
  }
  for (std::size_t i = 0; i < stats.size(); ++i) {
    connection.hardware_packets[i] += stats[i].packets;
    connection.hardware_bytes[i] += stats[i].bytes;
    if (auto removed = sink_.remove(flows.handles[i]); !removed) {
      log_.warn("flow not removed", {{"connection", connection.id}, {"error", removed.error()}});
    }
  }
  const Slot last = promoted_.back();
  promoted_[flows.position] = last;
  flows_[last].position = flows.position;
  promoted_.pop_back();
  flows = Flows{};
  ++counters_.demoted;
}

void Promotion::forget(Slot slot, Connection& connection) {
  demote(slot, connection);
  refusals_.erase(slot);
}

std::array<model::FlowStats, 2> Promotion::read(Slot slot) const {
  std::array<model::FlowStats, 2> stats{};
  if (!promoted(slot)) return stats;
  for (std::size_t i = 0; i < stats.size(); ++i) {
    if (auto counted = sink_.query(flows_[slot].handles[i])) stats[i] = *counted;
  }
  return stats;
}

bool Promotion::moved(Slot slot) {
  if (!promoted(slot)) return false;
  const auto stats = read(slot);
  const std::uint64_t packets = stats[0].packets + stats[1].packets;
  const bool moved = packets != flows_[slot].seen;
  flows_[slot].seen = packets;
  return moved;
}

std::vector<Slot> Promotion::next_batch(std::size_t limit) {
  std::vector<Slot> batch;
  limit = std::min(limit, promoted_.size());
  batch.reserve(limit);
  for (std::size_t i = 0; i < limit; ++i) {
    if (cursor_ >= promoted_.size()) cursor_ = 0;
    batch.push_back(promoted_[cursor_++]);
  }
  return batch;
}

std::string Promotion::refusal(Slot slot) const {
  const auto found = refusals_.find(slot);
  return found == refusals_.end() ? "" : found->second.words;
}

}  // namespace sluice::slowpath
