// SPDX-License-Identifier: Apache-2.0
// Which ResourceSlices a node should have, and the fewest writes that lead there: pure.
//
// Contract:
// - The node's devices are one pool, its plain ports another. A device that isn't healthy, that the
//   device plugin's front gave away, or that only a claim still has, is in no slice: every version
//   of the API understands that, taints only some, and removing a device doesn't disturb the claim
//   that has it.
// - Devices are in the order of their names (ports: numbers), 128 a slice: the same devices give
// the
//   same slices, in whatever order they came and went.
// - A pool's generation goes up with every change that takes more than one write, so that nobody
// ever
//   sees half of one; a change by one write keeps it. Nothing changed: nothing is written.
// Source: resource.k8s.io/v1 ResourceSlice; limits: k8s.io/api/resource/v1 types.go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "device-plugin/dra/front.h"

namespace sluice::dra {

inline constexpr std::size_t kMaxDevicesPerSlice = 128;
inline constexpr std::size_t kMaxAttributes = 32;
inline constexpr std::size_t kMaxAttributeText = 64;

using Attribute = std::variant<bool, std::int64_t, std::string>;

struct SliceDevice {
  std::string name;
  std::map<std::string, Attribute> attributes;
  bool operator==(const SliceDevice&) const = default;
};

// All devices of a pool, by name, each name once.
struct PoolContent {
  std::string pool;
  std::string stem;  // of its slices' names
  std::vector<SliceDevice> devices;
  bool operator==(const PoolContent&) const = default;
};

struct Slice {
  std::string name;
  std::string node;
  std::string node_uid;  // the owner's
  std::string pool;
  std::int64_t generation = 0;
  std::int64_t count = 0;  // of slices in the pool
  std::vector<SliceDevice> devices;
  bool operator==(const Slice&) const = default;
};

// A slice as the API server has it.
struct StoredSlice {
  Slice slice;
  std::string uid, resource_version;
};

struct Plan {
  struct Update {
    Slice slice;
    std::string uid, resource_version;  // of what it replaces
  };
  struct Removal {
    std::string name, uid;
  };
  // In this order a reader always finds a whole pool, or knows that it isn't whole.
  std::vector<Update> updates;
  std::vector<Slice> creates;
  std::vector<Removal> removals;
  std::size_t writes() const { return updates.size() + creates.size() + removals.size(); }
};

struct Contents {
  std::vector<PoolContent> pools;
  std::vector<std::string> nameless;  // ids that no name can be made of: left out
  bool operator==(const Contents&) const = default;
};

Contents contents_of(const std::vector<Offered>& offered, const std::string& node,
                     std::uint32_t plain_ports);
std::map<std::string, Attribute> attributes_of(const Offered& offered);

// `stored`: all slices of our driver on this node, in any order.
Plan plan(const std::vector<PoolContent>& wanted, const std::string& node,
          const std::string& node_uid, const std::vector<StoredSlice>& stored);

}  // namespace sluice::dra
