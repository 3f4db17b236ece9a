// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/config/net_config.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "common/base/nearest_name.h"
#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/config/config_parts.h"
#include "sriov-cni/config/result_reader.h"
#include "sriov-cni/config/section.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kKeys[] = {
    // CNI's own, and the meta-plugins'.
    "args", "capabilities", "cniVersion", "deviceID", "disableCheck", "disableGC", "dns", "ipam",
    "name", "pciBusID", "prevResult", "runtimeConfig", "type",
    // Where things are.
    "baselineDir", "devicePluginSocket", "engineSocket", "logFile", "stateDir", "statsFile",
    "sysfsRoot", "vfControlSocket",
    // What the network is.
    "devicePlugin", "logLevel", "networkReference", "offload", "resourceName",
    // What the VF is to be like.
    "allmulti", "guid", "ibKubernetesEnabled", "infinibandGUID", "link_state", "mac", "maxRate",
    "max_tx_rate", "minRate", "min_tx_rate", "mtu", "pkey", "promisc", "rdma", "rdmaIsolation",
    "spoofchk", "trunk", "trust", "vfioPciMode", "vlan", "vlanProto", "vlanQoS"};
constexpr std::array<std::string_view, 3> kEngineUses = {"required", "optional", "never"};
constexpr std::array<std::string_view, 3> kAskPlugins = {"optional", "required", "never"};
constexpr std::size_t kMaxResource = 317;  // a DNS subdomain, '/', a label
constexpr std::size_t kMaxUnixPath = 107;
constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxLogPath = 4096;
constexpr std::size_t kMaxFileName = 255;
constexpr std::size_t kMaxAttachments = 65536;

// Go's JSON library, and so the other plugins, take a key in any case of letters.
void restore_case(Json& json) {
  std::vector<std::pair<std::string, std::string>> renamed;
  for (const auto& [key, value] : json.items()) {
    for (const auto known : kKeys) {
      if (key != known && same_letters(key, known) && !json.contains(known)) {
        renamed.emplace_back(key, known);
      }
    }
  }
  for (const auto& [from, to] : renamed) json[to] = json[from];
}

Status check_keys(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys)) continue;
    if (key.find('.') != std::string::npos || key.find('/') != std::string::npos) continue;
    const auto meant = nearest_name(key, kKeys);
    return cni_fail(kInvalidConfig, "configuration: key " + in_quotes(key) + " is unknown" +
                                        (meant ? ", did you mean '" + std::string(*meant) + "'?"
                                               : "; keys of others have a '.' or a '/'"));
  }
  return {};
}

Status read_names(const Section& from, NetConfig& out) {
  SLUICE_CHECK_OK(from.text("name", out.name));
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool good = !out.name.empty() && out.name.size() <= 256 && alnum(out.name.front()) &&
                    std::all_of(out.name.begin(), out.name.end(), [&](char c) {
                      return alnum(c) || c == '_' || c == '.' || c == '-';
                    });
  if (!good) {
    return from.bad("name",
                    "needed are 1 to 256 letters, digits, '_', '.', '-', beginning with a letter "
                    "or digit");
  }
  SLUICE_CHECK_OK(from.text("type", out.type));
  if (out.type == "sriov") out.dialect = Dialect::kSriov;
  if (out.type == "ib-sriov") out.dialect = Dialect::kIbSriov;
  if (out.dialect != Dialect::kSluice) out.engine = EngineUse::kNever;
  return {};
}

// What every verb needs: where things are.
Status read_paths(const Section& from, NetConfig& out) {
  SLUICE_CHECK_OK(from.path("engineSocket", kMaxUnixPath, out.engine_socket));
  SLUICE_CHECK_OK(from.path("stateDir", kMaxPath, out.state_dir));
  SLUICE_CHECK_OK(from.path("baselineDir", kMaxPath, out.baseline_dir));
  SLUICE_CHECK_OK(from.path("sysfsRoot", kMaxPath, out.sysfs_root));
  return from.path("vfControlSocket", kMaxUnixPath, out.vf_control_socket);
}

Status read_engine(const Section& from, NetConfig& out) {
  std::optional<EngineUse> use;
  SLUICE_CHECK_OK(from.choice("offload", kEngineUses, use));
  out.engine = use.value_or(out.engine);
  return {};
}

Status read_ipam(const Section& from, NetConfig& out) {
  out.ipam = out.engine == EngineUse::kNever ? IpamKind::kNone : IpamKind::kNodeBlock;
  SLUICE_TRY(const auto ipam, from.section("ipam"));
  if (!ipam || ipam->json().empty()) return {};
  std::string type;
  SLUICE_CHECK_OK(ipam->text("type", type));
  if (type.empty() && out.dialect != Dialect::kSluice) return {};
  // It is looked for as a file in the folders of CNI_PATH, and must not lead out of them.
  if (type.empty() || type.size() > kMaxFileName || type == "." || type == ".." ||
      type.find('/') != std::string::npos || type.find('\0') != std::string::npos) {
    return ipam->bad("type", "allowed are sluice, or a plugin's file name");
  }
  out.ipam = type == "sluice" ? IpamKind::kPool : IpamKind::kDelegate;
  if (out.ipam == IpamKind::kDelegate) out.ipam_type = type;
  out.ipam_text = ipam->json().dump();
  return {};
}

// DHCP needs a network device that speaks Ethernet.
Status check_dhcp(const NetConfig& config) {
  if (config.ipam_type != "dhcp") return {};
  if (config.dialect != Dialect::kIbSriov && !config.vf.user_space_only) return {};
  return cni_fail(kInvalidConfig,
                  "ipam.type is 'dhcp'; allowed is any other on an InfiniBand network and with "
                  "vfioPciMode");
}

// Meta-plugins write the same device in up to three places.
Status read_device(const Sources& from, NetConfig& out) {
  struct Place {
    const Section* section;
    const char* key;
  };
  for (const auto& place : {Place{&from.config, "deviceID"}, Place{&from.config, "pciBusID"},
                            Place{from.runtime ? &*from.runtime : nullptr, "deviceID"}}) {
    if (place.section == nullptr) continue;
    std::string text;
    SLUICE_CHECK_OK(place.section->text(place.key, text));
    if (text.empty()) continue;
    const auto address = nic::PciAddress::parse(text);
    if (!address) {
      return place.section->bad(place.key, "allowed is a VF's PCI address such as 0000:3b:00.2");
    }
    if (out.device && *out.device != *address) {
      return place.section->bad(place.key,
                                "but the device is given as " + out.device->to_string() + " too");
    }
    out.device = *address;
  }
  return {};
}

Status read_plugin(const Section& from, NetConfig& out) {
  SLUICE_CHECK_OK(from.path("devicePluginSocket", kMaxUnixPath, out.device_plugin_socket));
  std::optional<AskPlugin> ask;
  SLUICE_CHECK_OK(from.choice("devicePlugin", kAskPlugins, ask));
  out.ask_plugin = ask.value_or(out.ask_plugin);
  std::string resource;
  SLUICE_CHECK_OK(from.text("resourceName", resource));
  const auto slash = resource.find('/');
  const bool good = slash != 0 && slash != std::string::npos && slash + 1 < resource.size() &&
                    resource.find('/', slash + 1) == std::string::npos &&
                    resource.size() <= kMaxResource;
  if (!good && !resource.empty()) {
    return from.bad("resourceName", "allowed is a resource such as sluice.dev/vf");
  }
  out.resource = std::move(resource);
  return {};
}

Status read_reference(const Section& from, NetConfig& out) {
  std::string text;
  SLUICE_CHECK_OK(from.text("networkReference", text));
  const auto slash = text.find('/');
  const bool good =
      slash != std::string::npos && slash > 0 && slash + 1 < text.size() &&
      text.size() <= kMaxResource && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/';
      });
  if (!text.empty() && (!good || text.find('/', slash + 1) != std::string::npos)) {
    return from.bad("networkReference", "allowed is <namespace>/<name>");
  }
  out.network_reference = std::move(text);
  return {};
}

Status read_log(const Section& from, NetConfig& out) {
  static constexpr std::array<std::string_view, 6> kLevels = {"debug",   "verbose", "info",
                                                              "warning", "error",   "panic"};
  static constexpr std::array<Level, 6> kMeant = {Level::kDebug, Level::kDebug, Level::kInfo,
                                                  Level::kWarn,  Level::kError, Level::kError};
  const bool ours = out.dialect == Dialect::kSluice;
  SLUICE_CHECK_OK(from.path("statsFile", kMaxPath, out.stats_file));
  std::optional<std::size_t> level;
  auto read = from.choice("logLevel", kLevels, level);
  if (!read && ours) return read;  // the others make "info" of it
  if (level) out.log_level = kMeant[*level];
  if (ours) return from.path("logFile", kMaxLogPath, out.log_file);
  std::string file;  // may be relative there
  SLUICE_CHECK_OK(from.text("logFile", file));
  if (file.size() > kMaxLogPath || file.find('\0') != std::string::npos) {
    return from.bad("logFile", "allowed is a path of up to 4096 characters");
  }
  out.log_file = std::move(file);
  return {};
}

Status read_previous(const Section& from, Verb verb, NetConfig& out) {
  const auto* previous = from.find("prevResult");
  if (previous == nullptr) {
    if (verb != Verb::kCheck) return {};
    return from.bad("prevResult", "CHECK needs the result of ADD");
  }
  SLUICE_TRY(auto result, read_result(*previous, out.cni_version, "prevResult"));
  out.previous = std::move(result);
  return {};
}

// A list with anything doubtful in it is an error: whatever isn't in it is taken down.
Status read_attachments(const Section& from, NetConfig& out) {
  std::string_view key = "cni.dev/valid-attachments";
  if (from.find(key) == nullptr) key = "cni.dev/attachments";  // what older libraries say
  SLUICE_TRY(const auto* list, from.list(key, kMaxAttachments));
  if (list == nullptr) return {};
  std::vector<AttachmentKey> keys;
  for (const auto& entry : *list) {
    AttachmentKey one;
    if (entry.is_object()) {
      const Section section(entry, std::string(key) + "[" + std::to_string(keys.size()) + "]");
      SLUICE_CHECK_OK(section.text("containerID", one.container_id));
      SLUICE_CHECK_OK(section.text("ifname", one.interface));
    }
    if (one.container_id.empty() || one.interface.empty()) {
      return cni_fail(kInvalidConfig, std::string(key) + "[" + std::to_string(keys.size()) +
                                          "] is " + shown(entry) +
                                          "; needed are containerID and ifname");
    }
    keys.push_back(std::move(one));
  }
  out.valid_attachments = std::move(keys);
  return {};
}

Status check_whole(const NetConfig& config) {
  // Somebody must say which VF, where nobody can be asked and there is no veth to fall back to.
  const bool veth = config.dialect == Dialect::kSluice && config.engine != EngineUse::kNever;
  if (!config.device && config.ask_plugin == AskPlugin::kNever && !veth) {
    return fail(no_device_error(config));
  }
  if (config.ipam != IpamKind::kNone) return {};
  return can_say(config.cni_version, config.previous.value_or(CniResult{}));
}

// What is the same for all of the network's pods, but for what theirs say instead.
Status read_network(const Sources& from, NetConfig& out) {
  if (out.dialect == Dialect::kSluice) SLUICE_CHECK_OK(check_keys(from.config.json()));
  SLUICE_CHECK_OK(read_engine(from.config, out));
  SLUICE_CHECK_OK(read_ipam(from.config, out));
  SLUICE_CHECK_OK(read_plugin(from.config, out));
  SLUICE_CHECK_OK(read_reference(from.config, out));
  SLUICE_CHECK_OK(read_log(from.config, out));
  SLUICE_CHECK_OK(read_vf(from, out));
  SLUICE_TRY(const auto dns, from.config.section("dns"));
  if (dns) SLUICE_CHECK_OK(read_dns(*dns, "nameservers", "search", out.dns));
  return check_dhcp(out);
}

Status read_all(const Sources& from, NetConfig& out) {
  SLUICE_CHECK_OK(read_network(from, out));
  SLUICE_CHECK_OK(read_device(from, out));
  SLUICE_CHECK_OK(read_runtime(from, out));
  SLUICE_CHECK_OK(read_previous(from.config, from.call.verb, out));
  return check_whole(out);
}

// DEL and GC: what can't be read counts as missing.
void read_what_can_be(const Sources& from, NetConfig& out) {
  (void)read_engine(from.config, out);
  (void)read_ipam(from.config, out);
  (void)read_device(from, out);
  (void)read_reference(from.config, out);
  (void)read_log(from.config, out);
  if (from.runtime) {
    (void)from.runtime->path("CNIDeviceInfoFile", kMaxLogPath, out.device_info_file);
  }
  (void)read_previous(from.config, from.call.verb, out);
}

Result<Sources> sources_of(const Json& json, const Invocation& call) {
  Sources out{Section(json, ""), std::nullopt, std::nullopt, call};
  if (call.verb == Verb::kStatus) return out;  // there is no pod
  const bool strict = call.verb == Verb::kAdd || call.verb == Verb::kCheck;
  auto runtime = out.config.section("runtimeConfig");
  if (!runtime && strict) return fail(std::move(runtime).error());
  if (runtime && *runtime) out.runtime.emplace(**runtime);
  if (!strict) return out;
  SLUICE_TRY(const auto args, out.config.section("args"));
  if (!args) return out;
  SLUICE_TRY(const auto cni, args->section("cni"));
  if (cni) out.args.emplace(*cni);
  return out;
}

}  // namespace

Result<NetConfig> parse_config(std::string_view text, const Invocation& call) {
  if (text.size() > kMaxConfigBytes) {
    return cni_fail(kDecodeFailure, "the configuration on stdin is larger than 4 MiB");
  }
  auto json = parse_json(text);
  if (!json.is_object()) {
    return cni_fail(kDecodeFailure, "the configuration on stdin is no JSON object");
  }
  NetConfig out;
  out.text = text;
  SLUICE_TRY(out.cni_version, read_version(json, call.verb));
  SLUICE_CHECK_OK(read_names(Section(json, ""), out));
  if (out.dialect != Dialect::kSluice) restore_case(json);
  SLUICE_TRY(const auto from, sources_of(json, call));
  SLUICE_CHECK_OK(read_paths(from.config, out));
  switch (call.verb) {
    case Verb::kAdd:
    case Verb::kCheck:
      SLUICE_CHECK_OK(read_all(from, out));
      break;
    case Verb::kStatus:
      SLUICE_CHECK_OK(read_network(from, out));
      break;
    case Verb::kGc:
      SLUICE_CHECK_OK(read_attachments(from.config, out));
      read_what_can_be(from, out);
      break;
    case Verb::kDel:
      read_what_can_be(from, out);
      break;
    case Verb::kVersion:
      break;
  }
  return out;
}

NetConfig readable_parts(std::string_view text) {
  NetConfig out;
  out.stats_file.clear();
  auto json = text.size() <= kMaxConfigBytes ? parse_json(text) : Json();
  if (!json.is_object()) return out;
  NetConfig named;
  if (read_names(Section(json, ""), named)) {
    out.name = named.name;
    out.dialect = named.dialect;
  }
  if (out.dialect != Dialect::kSluice) restore_case(json);
  const Section from(json, "");
  (void)read_reference(from, out);
  (void)read_log(from, out);
  return out;
}

Error no_device_error(const NetConfig& config) {
  auto error = cni_fail(kInvalidConfig,
                        "deviceID is missing; needed is the PCI address of one of the pod's VFs. "
                        "It comes from a meta-plugin (such as multus): does the network's object "
                        "name a resource (annotation k8s.v1.cni.cncf.io/resourceName), does a "
                        "container of the pod request it, and is its device plugin running?");
  error.value().context.push_back("reading network " + in_quotes(config.name));
  return error.value();
}

}  // namespace sluice::cni
