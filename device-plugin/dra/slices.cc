// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/dra/slices.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <set>

#include "device-plugin/dra/names.h"

namespace sluice::dra {
namespace {

std::vector<Slice> slices_of(const PoolContent& content, const std::string& node,
                             const std::string& node_uid, std::int64_t generation) {
  std::vector<Slice> out;
  const auto& devices = content.devices;
  const std::size_t count = (devices.size() + kMaxDevicesPerSlice - 1) / kMaxDevicesPerSlice;
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = devices.begin() + static_cast<std::ptrdiff_t>(i * kMaxDevicesPerSlice);
    const auto left = static_cast<std::size_t>(devices.end() - first);
    Slice slice;
    slice.name = content.stem + "-" + std::to_string(i);
    slice.node = node;
    slice.node_uid = node_uid;
    slice.pool = content.pool;
    slice.generation = generation;
    slice.count = static_cast<std::int64_t>(count);
    slice.devices.assign(first,
                         first + static_cast<std::ptrdiff_t>(std::min(left, kMaxDevicesPerSlice)));
    out.push_back(std::move(slice));
  }
  return out;
}

using ByName = std::map<std::string, const StoredSlice*>;

// Driver, node and pool of a slice can't be changed: one under our name that isn't ours goes.
bool replaceable(const StoredSlice& stored, const Slice& wanted) {
  return stored.slice.pool == wanted.pool && stored.slice.node == wanted.node;
}

Plan writes_for(const std::vector<Slice>& wanted, const ByName& by_name) {
  Plan out;
  for (const Slice& slice : wanted) {
    const auto found = by_name.find(slice.name);
    if (found == by_name.end() || !replaceable(*found->second, slice)) {
      out.creates.push_back(slice);
    } else if (found->second->slice != slice) {
      out.updates.push_back({slice, found->second->uid, found->second->resource_version});
    }
  }
  return out;
}

bool has_surplus(const PoolContent& content, const std::vector<Slice>& wanted,
                 std::int64_t generation, const std::vector<StoredSlice>& stored) {
  return std::any_of(stored.begin(), stored.end(), [&](const StoredSlice& s) {
    return s.slice.pool == content.pool && s.slice.generation == generation &&
           std::none_of(wanted.begin(), wanted.end(),
                        [&](const Slice& slice) { return slice.name == s.slice.name; });
  });
}

// Of a pool that nobody has seen yet: 1.
std::int64_t next_generation(std::int64_t newest) {
  return newest < 0 || newest == std::numeric_limits<std::int64_t>::max() ? 1 : newest + 1;
}

}  // namespace

Contents contents_of(const std::vector<Offered>& offered, const std::string& node,
                     std::uint32_t plain_ports) {
  Contents out;
  std::map<std::string, SliceDevice> by_name;
  std::set<std::string> nameless;
  for (const Offered& offer : offered) {
    if (offer.unhealthy || offer.taken || offer.only_held) continue;
    const auto name = device_name_of(offer.candidate.id);
    if (!name) {
      nameless.insert(offer.candidate.id.substr(0, 200));
    } else {
      by_name.try_emplace(*name, SliceDevice{*name, attributes_of(offer)});
    }
  }
  out.nameless.assign(nameless.begin(), nameless.end());
  PoolContent devices{device_pool_of(node), slice_stem(node, false), {}};
  for (auto& [name, device] : by_name) devices.devices.push_back(std::move(device));
  PoolContent ports{port_pool_of(node), slice_stem(node, true), {}};
  for (std::uint32_t i = 0; i < plain_ports; ++i) {
    ports.devices.push_back({plain_port_name(i), {{"kind", std::string("port")}}});
  }
  out.pools = {std::move(devices), std::move(ports)};
  return out;
}

Plan plan(const std::vector<PoolContent>& wanted, const std::string& node,
          const std::string& node_uid, const std::vector<StoredSlice>& stored) {
  Plan out;
  ByName by_name;
  std::map<std::string, std::int64_t> generation;
  for (const auto& s : stored) {
    by_name[s.slice.name] = &s;
    auto& newest = generation[s.slice.pool];
    newest = std::max(newest, s.slice.generation);
  }
  std::set<std::string> kept;
  for (const auto& content : wanted) {
    const std::int64_t now = std::max<std::int64_t>(generation[content.pool], 1);
    auto slices = slices_of(content, node, node_uid, now);
    Plan writes = writes_for(slices, by_name);
    const std::size_t changes = writes.updates.size() + writes.creates.size();
    // One more than wanted at the present generation would make the count of all of them wrong.
    if (changes > 1 || (changes == 1 && has_surplus(content, slices, now, stored))) {
      slices = slices_of(content, node, node_uid, next_generation(generation[content.pool]));
      writes = writes_for(slices, by_name);
    }
    for (const auto& slice : slices) {
      const auto found = by_name.find(slice.name);
      if (found != by_name.end() && replaceable(*found->second, slice)) kept.insert(slice.name);
    }
    std::move(writes.updates.begin(), writes.updates.end(), std::back_inserter(out.updates));
    std::move(writes.creates.begin(), writes.creates.end(), std::back_inserter(out.creates));
  }
  for (const auto& s : stored) {
    if (!kept.contains(s.slice.name)) out.removals.push_back({s.slice.name, s.uid});
  }
  return out;
}

}  // namespace sluice::dra
