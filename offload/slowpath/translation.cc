// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/translation.h"

#include <algorithm>

namespace sluice::slowpath {
namespace {

constexpr std::uint32_t kMaxTries = 256;

}  // namespace

NewSource source_for(const Topology& topology, Origin origin, Ipv4 client, Ipv4 receiver) {
  const Place to = topology.place_of(receiver);
  if (to == Place::kOutside) return {topology.self().address, true};
  if (to == Place::kSelf || receiver == client) return {topology.intent().gateway_ip, true};

  if (origin == Origin::kLocal) {
    // Answers to the node's own address would reach it untranslated, by the overlay or the wire.
    if (client == topology.self().address) return {topology.self().node0(), true};
    return {client, false};
  }
  const bool to_local_pod = to == Place::kLocalPod || to == Place::kNoPod;
  // A local pod's answers to another node go straight into its tunnel, past the slow path; only
  // answers to the outside are sure to come back here.
  const bool from_cluster = topology.place_of(client) != Place::kOutside;
  if (to_local_pod && !from_cluster) return {client, false};
  return {topology.self().node0(), true};
}

std::optional<ReplyChoice> find_reply(const ConnectionStore& store, const Tuple& original,
                                      Ipv4 receiver, std::uint16_t receiver_port,
                                      const NewSource& source, model::PortRange block, Rng& rng,
                                      const MayGo& may_go) {
  // An echo has no port at the side that answers.
  const bool echo = original.dst_port == 0;
  Tuple reply{receiver,          source.ip,      echo ? std::uint16_t{0} : receiver_port,
              original.src_port, original.proto, {}};
  if (!source.own_port && !(reply == original)) {
    const auto holder = store.find(reply);
    if (!holder) return ReplyChoice{reply, std::nullopt};
    // A connection that is over doesn't cost its client the port, as in the kernel's TIME_WAIT.
    if (holder->direction == Direction::kReply && store.at(holder->slot).state == State::kClosed) {
      return ReplyChoice{reply, holder->slot};
    }
  }

  if (block.first == 0 || block.last < block.first) return std::nullopt;
  std::optional<ReplyChoice> taken;
  const std::uint32_t size = static_cast<std::uint32_t>(block.last - block.first) + 1;
  // A random start so that ports don't tell how many connections there are; all of a small block.
  const auto start = static_cast<std::uint32_t>(rng.next() % size);
  for (std::uint32_t i = 0; i < std::min(size, kMaxTries); ++i) {
    reply.dst_port = static_cast<std::uint16_t>(block.first + (start + i) % size);
    if (reply == original) continue;
    const auto holder = store.find(reply);
    if (!holder) return ReplyChoice{reply, std::nullopt};
    // A handshake that is under way is younger than what a flood has left behind.
    const bool older =
        !taken || store.at(holder->slot).last_seen < store.at(*taken->instead_of).last_seen;
    if (older && holder->direction == Direction::kReply && may_go(holder->slot)) {
      taken = ReplyChoice{reply, holder->slot};
    }
  }
  return taken;
}

}  // namespace sluice::slowpath
