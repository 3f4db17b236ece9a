// SPDX-License-Identifier: Apache-2.0
#include "offload/model/rule.h"

#include <cinttypes>
#include <concepts>
#include <cstdio>

#include "common/base/hash.h"

namespace sluice::model {
namespace {

constexpr std::uint16_t kEtherTypeArp = 0x0806;

template <std::unsigned_integral T>
std::string hex(T value) {
  char buffer[2 + 16 + 1];
  std::snprintf(buffer, sizeof buffer, "0x%" PRIx64, static_cast<std::uint64_t>(value));
  return buffer;
}

// Collects "key=value" words.
class Words {
 public:
  void add(std::string_view word) {
    if (!text_.empty()) text_ += ' ';
    text_ += word;
  }
  void add(std::string_view key, std::string_view value) {
    add(key);
    text_ += '=';
    text_ += value;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string prefix_text(const Prefix4& prefix) {
  return prefix.length == 32 ? prefix.address.to_string() : prefix.to_string();
}

std::string port_text(const Masked<std::uint16_t>& port) {
  if (port.mask == 0xffff) return std::to_string(port.value);
  return std::to_string(port.value) + "/" + hex(port.mask);
}

template <class T>
std::string masked_text(const Masked<T>& field) {
  return hex(field.value) + "/" + hex(field.mask);
}

// Feeds fields one by one into a hash; absent fields leave a mark of their own, so that a value
// in one field never looks like the same value in the next.
class Hasher {
 public:
  void add(std::uint64_t value) { state_ = hash_combine(state_, value); }
  void add(const MacAddr& mac) {
    std::uint64_t value = 0;
    for (const auto byte : mac.bytes) value = value << 8U | byte;
    add(value);
  }
  void add(const Ipv4& ip) { add(std::uint64_t{ip.value}); }
  void add(const Prefix4& prefix) {
    add(std::uint64_t{prefix.address.value} << 8U | prefix.length);
  }
  void add(const PortId& port) { add(static_cast<std::uint64_t>(port.kind) << 16U | port.index); }
  void add(Proto proto) { add(static_cast<std::uint64_t>(proto)); }
  void add(Stage stage) { add(static_cast<std::uint64_t>(stage)); }
  template <class T>
  void add(const Masked<T>& field) {
    add(static_cast<std::uint64_t>(field.value));
    add(static_cast<std::uint64_t>(field.mask));
  }
  template <class T>
  void add(const std::optional<T>& field) {
    add(std::uint64_t{field.has_value()});
    if (field) add(*field);
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x5341bb0d5c21e7f3ULL;
};

void hash_match(Hasher& h, const Match& m) {
  h.add(m.in_port);
  h.add(m.tunnel_vni);
  h.add(m.eth_src);
  h.add(m.eth_dst);
  h.add(m.eth_type);
  h.add(std::uint64_t{m.untagged});
  h.add(m.ip_src);
  h.add(m.ip_dst);
  h.add(m.proto);
  h.add(std::uint64_t{m.whole});
  h.add(m.l4_src);
  h.add(m.l4_dst);
  h.add(m.icmp_type);
  h.add(m.tcp_flags);
  h.add(m.meta);
}

struct ActionHash {
  Hasher& h;
  void operator()(const SetMeta& a) const {
    h.add(std::uint64_t{a.value});
    h.add(std::uint64_t{a.mask});
  }
  void operator()(const SetEthSrc& a) const { h.add(a.mac); }
  void operator()(const SetEthDst& a) const { h.add(a.mac); }
  void operator()(const SetIpSrc& a) const { h.add(a.ip); }
  void operator()(const SetIpDst& a) const { h.add(a.ip); }
  void operator()(const SetL4Src& a) const { h.add(std::uint64_t{a.port}); }
  void operator()(const SetL4Dst& a) const { h.add(std::uint64_t{a.port}); }
  void operator()(const VxlanEncap& a) const {
    h.add(a.eth_src);
    h.add(a.eth_dst);
    h.add(a.ip_src);
    h.add(a.ip_dst);
    h.add(std::uint64_t{a.vni});
    h.add(std::uint64_t{a.udp_dst});
  }
  void operator()(const Jump& a) const { h.add(a.stage); }
  void operator()(const Output& a) const { h.add(a.port); }
  void operator()(const VxlanDecap&) const {}
  void operator()(const DecTtl&) const {}
  void operator()(const Count&) const {}
  void operator()(const Punt&) const {}
  void operator()(const Drop&) const {}
};

struct ActionText {
  std::string operator()(const SetMeta& a) const {
    if (a.mask == 0xffffffff) return "meta=" + hex(a.value);
    return "meta=" + hex(a.value) + "/" + hex(a.mask);
  }
  std::string operator()(const VxlanDecap&) const { return "decap"; }
  std::string operator()(const SetEthSrc& a) const { return "eth_src=" + a.mac.to_string(); }
  std::string operator()(const SetEthDst& a) const { return "eth_dst=" + a.mac.to_string(); }
  std::string operator()(const SetIpSrc& a) const { return "ip_src=" + a.ip.to_string(); }
  std::string operator()(const SetIpDst& a) const { return "ip_dst=" + a.ip.to_string(); }
  std::string operator()(const SetL4Src& a) const { return "l4_src=" + std::to_string(a.port); }
  std::string operator()(const SetL4Dst& a) const { return "l4_dst=" + std::to_string(a.port); }
  std::string operator()(const DecTtl&) const { return "dec_ttl"; }
  std::string operator()(const Count&) const { return "count"; }
  std::string operator()(const VxlanEncap& a) const {
    return "encap(vni=" + std::to_string(a.vni) + " to=" + a.ip_dst.to_string() +
           " from=" + a.ip_src.to_string() + " via=" + a.eth_dst.to_string() + ")";
  }
  std::string operator()(const Jump& a) const { return "jump=" + std::string(to_string(a.stage)); }
  std::string operator()(const Output& a) const { return "output=" + a.port.to_string(); }
  std::string operator()(const Punt&) const { return "punt"; }
  std::string operator()(const Drop&) const { return "drop"; }
};

void hash_key(Hasher& h, const Rule& rule) {
  h.add(rule.stage);
  h.add(std::uint64_t{rule.priority});
  hash_match(h, rule.match);
}

}  // namespace

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::kIngress:
      return "ingress";
    case Stage::kConnection:
      return "connection";
    case Stage::kTrap:
      return "trap";
    case Stage::kForward:
      return "forward";
  }
  return "?";
}

std::string Match::to_string() const {
  Words words;
  if (in_port) words.add("in", in_port->to_string());
  if (tunnel_vni) words.add("vni", std::to_string(*tunnel_vni));
  if (eth_src) words.add("eth_src", eth_src->to_string());
  if (eth_dst) words.add("eth_dst", eth_dst->to_string());
  if (eth_type && *eth_type == kEtherTypeArp) words.add("arp");
  if (eth_type && *eth_type != kEtherTypeArp) words.add("eth_type", hex(*eth_type));
  if (untagged) words.add("untagged");
  if (ip_src) words.add("ip_src", prefix_text(*ip_src));
  if (ip_dst) words.add("ip_dst", prefix_text(*ip_dst));
  if (proto) words.add(model::to_string(*proto));
  if (whole) words.add("whole");
  if (l4_src) words.add("l4_src", port_text(*l4_src));
  if (l4_dst) words.add("l4_dst", port_text(*l4_dst));
  if (icmp_type) words.add("icmp_type", std::to_string(*icmp_type));
  if (tcp_flags) words.add("tcp_flags", masked_text(*tcp_flags));
  if (meta) words.add("meta", masked_text(*meta));
  std::string text = words.take();
  return text.empty() ? "any" : text;
}

std::string to_string(const Action& action) { return std::visit(ActionText{}, action); }

std::uint64_t Rule::key_hash() const {
  Hasher h;
  hash_key(h, *this);
  return h.value();
}

std::uint64_t Rule::content_hash() const {
  Hasher h;
  hash_key(h, *this);
  for (const Action& action : actions) {
    h.add(std::uint64_t{action.index()});
    std::visit(ActionHash{h}, action);
  }
  return h.value();
}

std::string Rule::to_string() const {
  Words words;
  words.add(model::to_string(stage));
  words.add(std::to_string(priority));
  words.add(match.to_string());
  words.add("->");
  for (const Action& action : actions) words.add(model::to_string(action));
  return words.take();
}

}  // namespace sluice::model
