// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/counters.h"

namespace sluice::slowpath {

std::map<std::string, std::uint64_t> Counters::to_map() const {
  return {
      {"received", received},
      {"forwarded", forwarded},
      {"arp_replies", arp_replies},
      {"arp_ignored", arp_ignored},
      {"echo_replies", echo_replies},
      {"connections_created", connections_created},
      {"connections_expired", connections_expired},
      {"connections_evicted", connections_evicted},
      {"connections_dropped", connections_dropped},
      {"promoted", promoted},
      {"demoted", demoted},
      {"promotion_refused", promotion_refused},
      {"refused_no_endpoint", refused_no_endpoint},
      {"refused_unknown_port", refused_unknown_port},
      {"refused_stale", refused_stale},
      {"no_local_endpoint_dropped", no_local_endpoint_dropped},
      {"service_echo_dropped", service_echo_dropped},
      {"icmp_errors_sent", icmp_errors_sent},
      {"resets_sent", resets_sent},
      {"answers_rate_limited", answers_rate_limited},
      {"icmp_errors_translated", icmp_errors_translated},
      {"ttl_exceeded", ttl_exceeded},
      {"too_big", too_big},
      {"invalid", invalid},
      {"spoofed", spoofed},
      {"unknown_destination", unknown_destination},
      {"unsupported_protocol", unsupported_protocol},
      {"waiting_next_hop", waiting_next_hop},
      {"next_hop_dropped", next_hop_dropped},
      {"table_full", table_full},
      {"masquerade_exhausted", masquerade_exhausted},
      {"source_ports_rewritten", source_ports_rewritten},
      {"fragments_forwarded", fragments_forwarded},
      {"fragments_dropped", fragments_dropped},
  };
}

}  // namespace sluice::slowpath
