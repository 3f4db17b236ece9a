// SPDX-License-Identifier: Apache-2.0
// A node for the planner's tests: two pods, another node, a service of each kind.
#pragma once

#include "offload/model/intent.h"
#include "tests/support/rule_interpreter/rule_interpreter.h"

namespace sluice::test {

Ipv4 ip(const char* text);
MacAddr mac(const char* text);

inline const MacAddr kGatewayMac{{2, 0, 0, 0, 0, 1}};
inline const MacAddr kNode0Mac{{2, 0, 0, 0, 0, 2}};
inline const MacAddr kUplinkMac{{2, 0, 0, 0, 0, 3}};
inline const MacAddr kPeerMac{{2, 0, 0, 0, 0, 4}};      // the next hop toward node-b
inline const MacAddr kVfPodMac{{2, 0, 0, 0, 1, 10}};    // 10.244.1.10 on vf0
inline const MacAddr kVethPodMac{{2, 0, 0, 0, 1, 12}};  // 10.244.1.12 behind the host port

// node-a: 172.30.0.11, 10.244.1.0/24; node-b: 172.30.0.12, 10.244.2.0/24, next hop resolved.
// shop/web 10.96.0.10:80 node port 30080 -> 10.244.1.10:8080, 10.244.2.10:8080.
model::Intent node_a();

// From the VF pod to `to`, well-formed.
Packet from_vf_pod(const char* to);
// From the wire, addressed to node-a's uplink.
Packet from_wire(const char* from, const char* to);
// From node-b's overlay: the inner packet, wrapped.
Packet from_tunnel(const char* from, const char* to);

}  // namespace sluice::test
