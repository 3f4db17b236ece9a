// SPDX-License-Identifier: Apache-2.0
// Results of the CNI specification as one value: what ADD prints, what an IPAM plugin answers, and
// what comes back as prevResult.
//
// Contract: parse reads any version's shape (the result's own cniVersion, or else `version`), print
// writes the shape of `version`; what a shape can't say is left out. A shape that can't say a
// result at all (0.1.0, 0.2.0 without any address) is an error: ask can_say() before anything is
// touched. Bounded: at most 256 interfaces, addresses and routes each. Zero for a route's mtu,
// advmss and priority is unset, as in the specification's own library.
// Source: CNI SPEC section 5 "Result Types" of 0.2.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0, and what the
// specification's own library makes of it: mtu, pciID, socketPath of an interface from 1.0.0 on;
// 0.3.x and 0.4.0 have "version" in ips and always "dns"; 0.1.0 and 0.2.0 have ip4 and ip6, one
// address each, with the routes of its family. A route's mtu, advmss, priority, table and scope
// came with 1.1.0, but are read and written in every version: a chain of older ones passes routes
// on as they are, and one without its table or scope would be another route.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ip.h"
#include "common/base/result.h"

namespace sluice::cni {

struct CniInterface {
  std::string name;
  std::string mac;          // as written; empty: none
  std::uint32_t mtu = 0;    // 0: not said
  std::string sandbox;      // the pod's netns; empty: on the host
  std::string socket_path;  // of a vhost-user port
  std::string pci;          // a function's address
  bool operator==(const CniInterface&) const = default;
};

struct CniAddress {
  IpPrefix address;
  std::optional<IpAddr> gateway;
  std::optional<std::size_t> interface;  // which of the result's has it
  bool operator==(const CniAddress&) const = default;
};

struct CniRoute {
  IpPrefix destination;
  std::optional<IpAddr> gateway;
  std::optional<std::uint32_t> mtu, advmss, priority, table;
  std::optional<std::uint8_t> scope;  // RT_SCOPE_*
  bool operator==(const CniRoute&) const = default;
};

struct CniDns {
  std::vector<std::string> nameservers, search, options;
  std::string domain;
  bool operator==(const CniDns&) const = default;
};

struct CniResult {
  std::vector<CniInterface> interfaces;
  std::vector<CniAddress> addresses;
  std::vector<CniRoute> routes;
  CniDns dns;
  bool operator==(const CniResult&) const = default;
};

// Code 6 when it is no result; names the field.
Result<CniResult> parse_result(std::string_view json, std::string_view version);
// Code 7 with what the version can't say.
Status can_say(std::string_view version, const CniResult& result);
Result<std::string> print_result(std::string_view version, const CniResult& result);
// What VERSION prints.
std::string print_versions(std::string_view cni_version);

// A chain: what came before, then ours, with our interface numbers moved up.
CniResult join(const CniResult& previous, const CniResult& ours);

}  // namespace sluice::cni
