// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/pool.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "sriov-cni/config/cni_error.h"
#include "sriov-cni/ipam/pool_fields.h"

namespace sluice::cni {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxRailName = 64, kMaxPath = 1024;
constexpr std::string_view kDefaultFolder = "/etc/sluice/ipam/";

constexpr std::array<std::string_view, 14> kKeys = {
    "type",   "pool",    "ranges",       "subnet", "rangeStart", "rangeEnd", "gateway",
    "routes", "exclude", "reservations", "dns",    "nodes",      "rails",    "blocksFile"};
// In the file, and below `nodes` and `rails`.
constexpr std::array<std::string_view, 11> kBlockKeys = {
    "ranges",  "subnet",       "rangeStart", "rangeEnd", "gateway", "routes",
    "exclude", "reservations", "dns",        "nodes",    "rails"};

Result<Json> parse_object(std::string_view text, const std::string& where) {
  auto json = parse_json(text);
  if (json.is_discarded()) return cni_fail(kDecodeFailure, where + " is not JSON");
  if (!json.is_object()) return wrong_field(where, json, "a JSON object");
  return json;
}

Result<std::string> name_in(const Section& ipam, const std::string& network) {
  auto name = network;
  SLUICE_CHECK_OK(ipam.text("pool", name));
  const auto good = check_directory_name("pool name", name);
  if (!good) return cni_fail(kInvalidConfig, good.error().message);
  // Beside the node blocks' addresses it would be taken for one.
  if (IpAddr::parse(name)) {
    return cni_fail(kInvalidConfig, "pool name '" + name + "' is an IP address; allowed is a name");
  }
  return name;
}

bool is_rail(const std::string& key) {
  return !key.empty() && key.size() <= kMaxRailName && key.front() != '.' && key != "-" &&
         std::all_of(key.begin(), key.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
}

// A gateway, or what no host can have, in a subnet of the pool's.
bool is_unusable(const Pool& pool, const IpAddr& ip) {
  for (const auto& set : pool.sets) {
    for (const auto& range : set) {
      if (!range.subnet.contains(ip)) continue;
      if (range.gateway == ip || !whole_subnet(range.subnet).contains(ip)) return true;
    }
  }
  return false;
}

// PCI addresses are written in several ways; a netdev's name is not touched by this.
std::string plain_rail(std::string name) {
  if (std::count(name.begin(), name.end(), ':') == 0) return name;
  if (std::count(name.begin(), name.end(), ':') == 1) name = "0000:" + name;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  return name;
}

// From the outside to the ranges.
class Reader {
 public:
  Reader(const PoolPlace& place, Pool& pool) : place_(place), pool_(pool) {}

  Status read_block(const Section& block) {
    SLUICE_CHECK_OK(read_common(block));
    return read_places(block);
  }

  // What isn't the ranges themselves.
  Status read_common(const Section& block) {
    if (block.find("routes") != nullptr) {
      SLUICE_TRY(pool_.routes, read_routes(block));
    }
    if (block.find("dns") != nullptr) {
      SLUICE_TRY(pool_.dns, read_dns(block));
    }
    SLUICE_TRY(const auto exclude, read_exclude(block));
    pool_.exclude.insert(pool_.exclude.end(), exclude.begin(), exclude.end());
    SLUICE_TRY(const auto reservations, read_reservations(block));
    innermost_ = pool_.reservations.size();
    pool_.reservations.insert(pool_.reservations.end(), reservations.begin(), reservations.end());
    std::set<IpAddr> seen;
    for (const auto& reservation : pool_.reservations) {
      if (seen.insert(reservation.address).second) continue;
      return cni_fail(kInvalidConfig, block.name_of("reservations") + ": " +
                                          reservation.address.to_string() + " is reserved twice");
    }
    return {};
  }

  Status read_places(const Section& block) {
    const auto* nodes = block.find("nodes");
    const auto* rails = block.find("rails");
    if (has_ranges(block) + (nodes != nullptr) + (rails != nullptr) != 1) {
      return block.bad("ranges", "allowed is one of ranges, nodes and rails in one object");
    }
    if (nodes != nullptr) return read_nodes(*nodes, block);
    if (rails != nullptr) return read_rails(*rails, block);
    SLUICE_TRY(pool_.sets, read_ranges(block));
    return check_innermost_reservations(block);
  }

 private:
  Status read_nodes(const Json& nodes, const Section& block) {
    if (!nodes.is_object() || nodes_read_) {
      return block.bad("nodes", "allowed is an object by nodes' names, once on the way to ranges");
    }
    nodes_read_ = true;
    const auto where = block.name_of("nodes");
    if (place_.node.empty()) {
      return cni_fail(kInvalidConfig, "pool " + pool_.name + " has blocks by node in " + where +
                                          ", and this node's name isn't known");
    }
    const auto own = nodes.find(place_.node);
    if (own == nodes.end()) {
      return cni_fail(kInvalidConfig, "pool " + pool_.name + " has no block for node " +
                                          place_.node + " in " + where);
    }
    return read_inner(*own, where + "." + place_.node);
  }

  Status read_rails(const Json& rails, const Section& block) {
    if (!rails.is_object() || rails_read_) {
      return block.bad("rails", "allowed is an object by rails' names, once on the way to ranges");
    }
    rails_read_ = true;
    const auto where = block.name_of("rails");
    std::map<std::string, const Json*> by_name;
    for (const auto& [key, value] : rails.items()) {
      if (is_rail(key) && by_name.emplace(plain_rail(key), &value).second) continue;
      return cni_fail(kInvalidConfig, where + ": key '" + key.substr(0, 80) +
                                          "'; allowed is, once, a PF's PCI address, a PF's "
                                          "netdev, or '*'");
    }
    std::string known_as;
    for (const auto& name : place_.rail) {
      const auto own = by_name.find(plain_rail(name));
      if (own != by_name.end() && own->first != "*") {
        pool_.rail = own->first;
        return read_inner(*own->second, where + "." + own->first);
      }
      known_as += (known_as.empty() ? "rail " : ", ") + name;
    }
    const auto rest = by_name.find("*");
    if (rest != by_name.end()) return read_inner(*rest->second, where + ".*");
    if (known_as.empty()) known_as = "an interface without a device";
    const auto node = place_.node.empty() ? "" : " of node " + place_.node;
    return cni_fail(kInvalidConfig,
                    "pool " + pool_.name + " has no block for " + known_as + node + " in " + where);
  }

  Status read_inner(const Json& value, const std::string& where) {
    if (!value.is_object()) return wrong_field(where, value, "an object with ranges");
    const Section block(value, where);
    SLUICE_CHECK_OK(check_keys(block, kBlockKeys));
    return read_block(block);
  }

  // Those beside the ranges must fit them; those further out may be of other nodes and rails.
  Status check_innermost_reservations(const Section& block) const {
    for (std::size_t i = innermost_; i < pool_.reservations.size(); ++i) {
      const auto& ip = pool_.reservations[i].address;
      const bool in_subnet =
          std::any_of(pool_.sets.begin(), pool_.sets.end(), [&](const auto& set) {
            return std::any_of(set.begin(), set.end(),
                               [&](const auto& range) { return range.subnet.contains(ip); });
          });
      if (in_subnet && !is_unusable(pool_, ip)) continue;
      return cni_fail(kInvalidConfig, block.name_of("reservations") + ": " + ip.to_string() +
                                          " is not allowed; allowed is an address that a host can "
                                          "have in the subnet of a range, but the gateway");
    }
    return {};
  }

  const PoolPlace& place_;
  Pool& pool_;
  std::size_t innermost_ = 0;  // where the reservations of the object at hand begin
  bool nodes_read_ = false, rails_read_ = false;
};

Status read_blocks_file(const Section& ipam, const ReadFile& read, Reader& reader,
                        const std::string& pool) {
  auto path = std::string(kDefaultFolder) + pool + ".json";
  SLUICE_CHECK_OK(ipam.path("blocksFile", kMaxPath, path));
  const auto text = read(path);
  if (!text) {
    const std::string why =
        ipam.find("blocksFile") != nullptr
            ? "its blocksFile"
            : "ipam has none of ranges, nodes, rails and blocksFile, and the default file";
    return cni_fail(kInvalidConfig,
                    "pool " + pool + ": " + why + " can't be read: " + text.error().message);
  }
  SLUICE_TRY(const auto json, parse_object(*text, path));
  const Section blocks(json, "");
  auto status = check_keys(blocks, kBlockKeys);
  if (status) status = reader.read_block(blocks);
  if (status) return {};
  auto error = std::move(status).error();
  error.message = path + ": " + error.message;
  return fail(std::move(error));
}

}  // namespace

AddressSource Pool::source(std::size_t set) const {
  return {"pool " + name + (rail == "-" ? "" : ", rail " + rail), sets[set], exclude, reservations};
}

Result<std::string> pool_name(std::string_view text, const std::string& network) {
  SLUICE_TRY(const auto json, parse_object(text, "ipam"));
  return name_in(Section(json, "ipam"), network);
}

Result<Pool> parse_pool(std::string_view text, const PoolPlace& place, const ReadFile& read) {
  SLUICE_TRY(const auto json, parse_object(text, "ipam"));
  const Section ipam(json, "ipam");
  SLUICE_CHECK_OK(check_keys(ipam, kKeys));
  Pool pool;
  SLUICE_TRY(pool.name, name_in(ipam, place.network));
  Reader reader(place, pool);
  SLUICE_CHECK_OK(reader.read_common(ipam));
  const bool here =
      has_ranges(ipam) || ipam.find("nodes") != nullptr || ipam.find("rails") != nullptr;
  if (here && ipam.find("blocksFile") != nullptr) {
    return ipam.bad("blocksFile", "allowed is none beside ranges, nodes and rails");
  }
  SLUICE_CHECK_OK(here ? reader.read_places(ipam)
                       : read_blocks_file(ipam, read, reader, pool.name));
  // Reserved from further out, where it can't be known what is a gateway here.
  std::erase_if(pool.reservations, [&](const Reservation& reservation) {
    return is_unusable(pool, reservation.address);
  });
  return pool;
}

}  // namespace sluice::cni
