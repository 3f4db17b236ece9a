// SPDX-License-Identifier: Apache-2.0
// Decides what a new connection is translated to: the table "Translation" of ARCHITECTURE.md.
//
// Contract: the node that translates also un-translates, so every source it writes routes back to
// it, and no two connections ever have the same answers.
#pragma once

#include <functional>
#include <optional>

#include "common/base/clock.h"
#include "offload/slowpath/connection_store.h"
#include "offload/slowpath/topology.h"

namespace sluice::slowpath {

// The source that the receiver of a connection shall see.
struct NewSource {
  Ipv4 ip;
  bool own_port = false;  // a port of the masquerade block instead of the client's
};
NewSource source_for(const Topology& topology, Origin origin, Ipv4 client, Ipv4 receiver);

struct ReplyChoice {
  Tuple tuple;
  std::optional<Slot> instead_of;  // the connection that has it and must be removed first
};
// Whether a connection may be removed to make room.
using MayGo = std::function<bool(Slot)>;

// The free reply tuple of a connection from `original`'s client to receiver:port with that source;
// one of a closed connection is free.
// Takes a port of the masquerade block where the source needs one or its own is taken; when no
// port is free (or none was found in a bounded number of tries), that of the longest silent
// connection that may go. Nothing when there is none either.
std::optional<ReplyChoice> find_reply(const ConnectionStore& store, const Tuple& original,
                                      Ipv4 receiver, std::uint16_t receiver_port,
                                      const NewSource& source, model::PortRange block, Rng& rng,
                                      const MayGo& may_go);

}  // namespace sluice::slowpath
