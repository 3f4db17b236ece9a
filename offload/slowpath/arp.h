// SPDX-License-Identifier: Apache-2.0
// Answers ARP for the gateway address, on every port but the uplink.
// Source of rules that are not ours: RFC 826.
#pragma once

#include "offload/model/intent.h"
#include "offload/slowpath/packet.h"
#include "offload/slowpath/ports.h"

namespace sluice::slowpath {

// True when `frame` asked who has the gateway address and was answered.
bool answer_arp(const model::Intent& intent, model::PortId port, ConstBytes frame, PacketPort& out);

}  // namespace sluice::slowpath
