// SPDX-License-Identifier: Apache-2.0
#include "offload/softnic/vf_settings.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <type_traits>

namespace sluice::softnic {
namespace {

constexpr std::uint16_t kLastVlan = 4094;
constexpr std::uint8_t kLastQos = 7;
constexpr std::uint16_t kDot1q = 0x8100, kDot1ad = 0x88a8;

tl::unexpected<Error> bad(const std::string& field, std::uint32_t value, const std::string& rule) {
  return fail(Code::kInvalid, field + " " + std::to_string(value) + ": allowed are " + rule);
}

Status check(const VfSettings& settings) {
  if (settings.mac.is_multicast()) {
    return fail(Code::kInvalid,
                "mac " + settings.mac.to_string() + ": must be unicast, or zero to clear");
  }
  if (settings.vlan > kLastVlan) return bad("vlan", settings.vlan, "0 to 4094");
  if (settings.qos > kLastQos) return bad("qos", settings.qos, "0 to 7");
  if (settings.vlan_protocol != kDot1q && settings.vlan_protocol != kDot1ad) {
    return bad("vlan_protocol", settings.vlan_protocol, "33024 (802.1Q) and 34984 (802.1ad)");
  }
  if (settings.max_rate_mbps != 0 && settings.min_rate_mbps > settings.max_rate_mbps) {
    return bad("min_rate_mbps", settings.min_rate_mbps,
               "0 to max_rate_mbps, which is " + std::to_string(settings.max_rate_mbps));
  }
  return {};
}

std::map<std::string_view, std::string_view> words_of(std::string_view text) {
  std::map<std::string_view, std::string_view> words;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (const auto at = word.find('='); at != std::string_view::npos) {
      words.emplace(word.substr(0, at), word.substr(at + 1));
    }
  }
  return words;
}

}  // namespace

Result<VfSettings> changed(const VfSettings& settings, const netlink::VfAttributes& change) {
  VfSettings after = settings;
  after.mac = change.mac.value_or(after.mac);
  after.vlan = change.vlan.value_or(after.vlan);
  after.qos = change.qos.value_or(after.qos);
  after.vlan_protocol = change.vlan_protocol.value_or(after.vlan_protocol);
  after.spoof_check = change.spoof_check.value_or(after.spoof_check);
  after.trust = change.trust.value_or(after.trust);
  after.query_rss = change.rss_query.value_or(after.query_rss);
  after.link_state = change.link_state.value_or(after.link_state);
  after.min_rate_mbps = change.min_rate_mbps.value_or(after.min_rate_mbps);
  after.max_rate_mbps = change.max_rate_mbps.value_or(after.max_rate_mbps);
  SLUICE_CHECK_OK(check(after));
  return after;
}

std::string to_text(const VfSettings& settings) {
  std::string text = "admin_mac=" + settings.mac.to_string();
  const auto add = [&text](const char* name, std::uint32_t value) {
    text += std::string(" ") + name + "=" + std::to_string(value);
  };
  add("vlan", settings.vlan);
  add("qos", settings.qos);
  add("vlan_protocol", settings.vlan_protocol);
  add("spoof_check", settings.spoof_check ? 1 : 0);
  add("trust", settings.trust ? 1 : 0);
  add("query_rss", settings.query_rss ? 1 : 0);
  add("link_state", static_cast<std::uint32_t>(settings.link_state));
  add("min_rate", settings.min_rate_mbps);
  add("max_rate", settings.max_rate_mbps);
  return text;
}

VfSettings settings_from(std::string_view text) {
  const auto words = words_of(text);
  const auto number = [&words](std::string_view name, auto& value, std::uint32_t last) {
    const auto word = words.find(name);
    if (word == words.end()) return;
    std::uint32_t read = 0;
    const auto* end = word->second.data() + word->second.size();
    const auto [stop, error] = std::from_chars(word->second.data(), end, read);
    if (error != std::errc{} || stop != end || read > last) return;
    value = static_cast<std::remove_reference_t<decltype(value)>>(read);
  };
  VfSettings settings;
  if (const auto word = words.find("admin_mac"); word != words.end()) {
    settings.mac = MacAddr::parse(word->second).value_or(MacAddr{});
  }
  number("vlan", settings.vlan, kLastVlan);
  number("qos", settings.qos, kLastQos);
  number("vlan_protocol", settings.vlan_protocol, 0xffff);
  number("spoof_check", settings.spoof_check, 1);
  number("trust", settings.trust, 1);
  number("query_rss", settings.query_rss, 1);
  number("link_state", settings.link_state,
         static_cast<std::uint32_t>(netlink::VfLinkState::kDisable));
  number("min_rate", settings.min_rate_mbps, 0xffffffff);
  number("max_rate", settings.max_rate_mbps, 0xffffffff);
  return check(settings) ? settings : VfSettings{};
}

}  // namespace sluice::softnic
