// SPDX-License-Identifier: Apache-2.0
#include "offload/eswitch/actions.h"

#include <algorithm>

#include "offload/eswitch/bytes.h"

namespace sluice::eswitch {
namespace {

Status check_fate(const Actions& a, std::uint16_t group) {
  switch (a.fate) {
    case Fate::kJump:
      if (a.target >= kGroups) {
        return fail(Code::kInvalid, "jump to group " + std::to_string(a.target) +
                                        ": groups are 0 to " + std::to_string(kGroups - 1));
      }
      if (a.target <= group) {
        return fail(Code::kInvalid, "jump from group " + std::to_string(group) + " to " +
                                        std::to_string(a.target) + ": jumps go forward only");
      }
      break;
    case Fate::kOutput:
      if (a.target >= kMaxPorts) {
        return fail(Code::kInvalid, "output to port " + std::to_string(a.target) +
                                        ": ports are 0 to " + std::to_string(kMaxPorts - 1));
      }
      break;
    case Fate::kPunt:
      if (a.target >= kMaxPorts && a.target != kInPort) {
        return fail(Code::kInvalid, "punt to port " + std::to_string(a.target) +
                                        ": ports are 0 to " + std::to_string(kMaxPorts - 1));
      }
      break;
    case Fate::kDrop:
      break;
  }
  return {};
}

template <class T>
void copy_mac(const T& mac, std::uint8_t (&to)[6]) {
  std::copy(mac.bytes.begin(), mac.bytes.end(), to);
}

}  // namespace

Encap make_encap(const Tunnel& t) {
  Encap e{};
  std::uint8_t* h = e.header;
  std::copy(t.eth_dst.bytes.begin(), t.eth_dst.bytes.end(), h);
  std::copy(t.eth_src.bytes.begin(), t.eth_src.bytes.end(), h + 6);
  store16(h + 12, kEthTypeIpv4);
  std::uint8_t* ip = h + kEthLength;
  ip[0] = 0x45;
  ip[1] = t.tos;
  store16(ip + 6, 0x4000);  // DF: an outer packet that would be fragmented is a wrong MTU
  ip[8] = t.ttl;
  ip[9] = kProtoUdp;
  store32(ip + 12, t.ip_src.value);
  store32(ip + 16, t.ip_dst.value);
  std::uint8_t* udp = ip + kIpv4MinLength;
  store16(udp + 2, t.udp_dst);
  udp[8] = 0x08;  // the I flag; UDP checksum stays 0 (RFC 7348 section 5)
  store32(udp + 12, t.vni << 8U);
  return e;
}

Result<Program> compile(const Actions& a, std::uint16_t group) {
  if (auto ok = check_fate(a, group); !ok) return fail(std::move(ok).error());
  if (a.encap && a.encap->vni > 0xffffffU) {
    return fail(Code::kInvalid, "VNI " + std::to_string(a.encap->vni) + " has more than 24 bits");
  }
  if (a.encap && (a.fate == Fate::kJump || a.fate == Fate::kPunt)) {
    return fail(Code::kInvalid, "behind an encapsulation only output and drop are possible");
  }
  Program p;
  unsigned flags = 0;
  if (a.count) flags |= Program::kCount;
  if (a.decap) flags |= Program::kDecap;
  if (a.dec_ttl) flags |= Program::kDecTtl;
  if (a.encap) flags |= Program::kEncap;
  if (a.meta_mask != 0) flags |= Program::kMeta;
  p.meta = a.meta & a.meta_mask;
  p.meta_mask = a.meta_mask;
  if (a.eth_src) flags |= Program::kEthSrc, copy_mac(*a.eth_src, p.eth_src);
  if (a.eth_dst) flags |= Program::kEthDst, copy_mac(*a.eth_dst, p.eth_dst);
  if (a.ip_src) flags |= Program::kIpSrc, p.ip_src = be32(*a.ip_src);
  if (a.ip_dst) flags |= Program::kIpDst, p.ip_dst = be32(*a.ip_dst);
  if (a.l4_src) flags |= Program::kL4Src, p.l4_src = be16(*a.l4_src);
  if (a.l4_dst) flags |= Program::kL4Dst, p.l4_dst = be16(*a.l4_dst);
  p.flags = static_cast<std::uint16_t>(flags);
  p.fate = a.fate;
  p.target = static_cast<std::uint8_t>(a.target);
  return p;
}

}  // namespace sluice::eswitch
