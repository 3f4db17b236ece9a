// SPDX-License-Identifier: Apache-2.0
// What became of the slow path's packets, by reason.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace sluice::slowpath {

struct Counters {
  std::uint64_t received = 0;
  std::uint64_t forwarded = 0;
  std::uint64_t arp_replies = 0;
  std::uint64_t arp_ignored = 0;
  std::uint64_t echo_replies = 0;
  std::uint64_t connections_created = 0;
  std::uint64_t connections_expired = 0;
  std::uint64_t connections_evicted = 0;  // unanswered or closed ones that made room
  std::uint64_t connections_dropped = 0;  // their endpoint, service or pod went away
  std::uint64_t promoted = 0;
  std::uint64_t demoted = 0;
  std::uint64_t promotion_refused = 0;
  std::uint64_t refused_no_endpoint = 0;  // answered with RST or port unreachable
  std::uint64_t refused_unknown_port = 0;
  std::uint64_t refused_stale = 0;  // TCP in the middle of a connection nobody knows
  std::uint64_t no_local_endpoint_dropped = 0;
  std::uint64_t service_echo_dropped = 0;  // a cluster IP doesn't answer ping
  std::uint64_t icmp_errors_sent = 0;
  std::uint64_t resets_sent = 0;
  std::uint64_t answers_rate_limited = 0;
  std::uint64_t icmp_errors_translated = 0;
  std::uint64_t ttl_exceeded = 0;
  std::uint64_t too_big = 0;
  std::uint64_t invalid = 0;  // malformed, or no such protocol here
  std::uint64_t spoofed = 0;
  std::uint64_t unknown_destination = 0;
  std::uint64_t unsupported_protocol = 0;
  std::uint64_t waiting_next_hop = 0;  // packets that were kept
  std::uint64_t next_hop_dropped = 0;  // kept in vain, or no room to keep them
  std::uint64_t table_full = 0;
  std::uint64_t masquerade_exhausted = 0;
  std::uint64_t source_ports_rewritten = 0;  // two connections would have had the same answers
  std::uint64_t fragments_forwarded = 0;
  std::uint64_t fragments_dropped = 0;  // a later fragment without its first one

  std::map<std::string, std::uint64_t> to_map() const;
};

}  // namespace sluice::slowpath
