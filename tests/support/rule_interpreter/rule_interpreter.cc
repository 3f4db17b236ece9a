// SPDX-License-Identifier: Apache-2.0
#include "tests/support/rule_interpreter/rule_interpreter.h"

#include <utility>

namespace sluice::test {
namespace {

using model::Match;
using model::Rule;
using model::Stage;

constexpr std::uint16_t kVxlanPort = 4789;

template <class T>
bool masked(const std::optional<model::Masked<T>>& want, T have) {
  return !want || (have & want->mask) == (want->value & want->mask);
}

template <class T>
bool equal(const std::optional<T>& want, const T& have) {
  return !want || *want == have;
}

// While a packet has its outer header, that is what matches see: UDP, its ports unknown but for
// VXLAN's.
struct Seen {
  MacAddr eth_src, eth_dst;
  std::uint16_t eth_type;
  Ipv4 ip_src, ip_dst;
  model::Proto proto;
  std::uint16_t l4_src, l4_dst;
  bool tagged;
};

Seen outermost(const Packet& p) {
  if (!p.outer)
    return {p.eth_src, p.eth_dst, p.eth_type, p.ip_src, p.ip_dst,
            p.proto,   p.l4_src,  p.l4_dst,   p.tagged};
  return {p.outer->eth_src, p.outer->eth_dst,   0x0800, p.outer->ip_src,
          p.outer->ip_dst,  model::Proto::kUdp, 49152,  p.outer->udp_dst,
          p.outer->tagged};
}

bool matches(const Match& m, const Packet& p) {
  const Seen seen = outermost(p);
  const bool wants_l4 = m.l4_src || m.l4_dst || m.icmp_type || m.tcp_flags;
  const bool wants_ip = m.ip_src || m.ip_dst || m.proto || m.whole || wants_l4 || m.tunnel_vni;
  if (wants_ip && seen.eth_type != 0x0800) return false;
  if (m.untagged && seen.tagged) return false;
  if (wants_l4 && p.later_fragment) return false;
  if (m.whole && (p.first_fragment || p.later_fragment)) return false;
  if (m.tunnel_vni && (!p.outer || p.outer->udp_dst != kVxlanPort || p.outer->vni != *m.tunnel_vni))
    return false;
  if (m.icmp_type && (seen.proto != model::Proto::kIcmp || p.icmp_type != *m.icmp_type))
    return false;
  if (m.tcp_flags && (seen.proto != model::Proto::kTcp || !masked(m.tcp_flags, p.tcp_flags)))
    return false;
  if ((m.l4_src || m.l4_dst) && seen.proto == model::Proto::kIcmp) return false;
  return equal(m.in_port, p.in_port) && equal(m.eth_src, seen.eth_src) &&
         equal(m.eth_dst, seen.eth_dst) && equal(m.eth_type, seen.eth_type) &&
         (!m.ip_src || m.ip_src->contains(seen.ip_src)) &&
         (!m.ip_dst || m.ip_dst->contains(seen.ip_dst)) && equal(m.proto, seen.proto) &&
         masked(m.l4_src, seen.l4_src) && masked(m.l4_dst, seen.l4_dst) && masked(m.meta, p.meta);
}

// The rule of a stage that wins, or nullptr.
const Rule* winner(const std::vector<const Rule*>& rules, Stage stage, const Packet& packet,
                   std::string& mistake) {
  const Rule* best = nullptr;
  for (const Rule* rule : rules) {
    if (rule->stage != stage || !matches(rule->match, packet)) continue;
    if (best != nullptr && best->priority == rule->priority && best->actions != rule->actions) {
      mistake = "ambiguous: " + best->to_string() + " | " + rule->to_string();
    }
    if (best == nullptr || rule->priority < best->priority) best = rule;
  }
  return best;
}

struct Act {
  Packet& p;
  Verdict& verdict;
  std::string& mistake;
  Stage& stage;
  bool done = false;  // a fate was met
  bool jumped = false;

  void operator()(const model::SetMeta& a) { p.meta = (p.meta & ~a.mask) | (a.value & a.mask); }
  void operator()(const model::VxlanDecap&) {
    if (!p.outer) mistake = "decap of a packet without a tunnel";
    p.outer.reset();
  }
  void operator()(const model::SetEthSrc& a) { p.eth_src = a.mac; }
  void operator()(const model::SetEthDst& a) { p.eth_dst = a.mac; }
  void operator()(const model::SetIpSrc& a) { p.ip_src = a.ip; }
  void operator()(const model::SetIpDst& a) { p.ip_dst = a.ip; }
  void operator()(const model::SetL4Src& a) { p.l4_src = a.port; }
  void operator()(const model::SetL4Dst& a) { p.l4_dst = a.port; }
  void operator()(const model::DecTtl&) {
    if (p.ttl <= 1) return end(Verdict::Fate::kPunt);
    --p.ttl;
  }
  void operator()(const model::Count&) {}
  void operator()(const model::VxlanEncap& a) {
    if (p.outer) mistake = "a tunnel in a tunnel";
    p.outer = Packet::Outer{a.eth_src, a.eth_dst, a.ip_src, a.ip_dst, a.vni, a.udp_dst};
  }
  void operator()(const model::Jump& a) {
    if (a.stage <= stage) mistake = "a jump backward";
    stage = a.stage;
    done = jumped = true;
  }
  void operator()(const model::Output& a) {
    verdict.port = a.port;
    end(Verdict::Fate::kOutput);
  }
  void operator()(const model::Punt&) { end(Verdict::Fate::kPunt); }
  void operator()(const model::Drop&) { end(Verdict::Fate::kDrop); }
  void end(Verdict::Fate fate) {
    verdict.fate = fate;
    done = true;
  }
};

}  // namespace

Verdict run(const model::Program& program, Packet packet, std::string& mistake,
            const std::vector<Rule>& flows) {
  std::vector<const Rule*> rules;
  for (const Rule& rule : program.rules) rules.push_back(&rule);
  for (const Rule& rule : flows) rules.push_back(&rule);
  Verdict verdict;
  Stage stage = Stage::kIngress;
  for (int step = 0; step < model::kStages; ++step) {
    const Rule* rule = winner(rules, stage, packet, mistake);
    if (rule == nullptr) break;  // as if Punt
    verdict.path.push_back(*rule);
    Act act{packet, verdict, mistake, stage};
    for (std::size_t i = 0; i < rule->actions.size() && !act.done; ++i) {
      std::visit(act, rule->actions[i]);
      if (act.done && verdict.fate != Verdict::Fate::kPunt && i + 1 != rule->actions.size()) {
        mistake = "actions behind the fate: " + rule->to_string();
      }
    }
    if (!act.done) mistake = "no fate: " + rule->to_string();
    if (!act.jumped) break;
  }
  verdict.packet = packet;
  return verdict;
}

}  // namespace sluice::test
