// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/block_store.h"

#include <algorithm>
#include <set>

#include "common/os/files.h"

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxOwner = 1024;
constexpr std::uint8_t kShortestBlock = 8, kLongestBlock = 30;

Status check_node(const std::string& node) {
  const bool good = !node.empty() && node.size() <= 253 && node.front() != '.' &&
                    std::all_of(node.begin(), node.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
                    });
  if (good) return {};
  return fail(Code::kInvalid, "node name '" + node.substr(0, 80) +
                                  "' must be 1 to 253 letters, digits, '.', '-', '_', not "
                                  "beginning with '.'");
}

// The lowest free address after `last`, wrapping around once.
Result<Ipv4> pick(const Prefix4& block, const std::set<Ipv4>& taken, Ipv4 last) {
  const std::uint32_t first = block.address.value + 2;  // after the network's and the node's own
  const std::uint32_t end = (block.address.value | ~block.mask());  // broadcast
  const std::uint32_t start = last.value >= first && last.value < end - 1 ? last.value + 1 : first;
  std::uint32_t candidate = start;
  do {
    if (taken.count(Ipv4{candidate}) == 0) return Ipv4{candidate};
    candidate = candidate + 1 < end ? candidate + 1 : first;
  } while (candidate != start);
  return fail(Code::kExhausted, "block " + block.to_string() + " has no free address, all " +
                                    std::to_string(end - first) + " are in use");
}

}  // namespace

Result<BlockStore> BlockStore::open(const std::string& state_dir, const std::string& node) {
  SLUICE_CHECK_OK(check_node(node));
  BlockStore store(state_dir + "/ipam/" + node);
  SLUICE_CHECK_OK(os::make_directories(store.directory_, 0700));
  return store;
}

Result<std::vector<BlockStore::Entry>> BlockStore::entries() const {
  SLUICE_TRY(const auto root, os::Root::open(directory_));
  SLUICE_TRY(const auto names, root.list("."));
  std::vector<Entry> out;
  for (const auto& name : names) {
    const auto ip = Ipv4::parse(name);
    if (!ip) continue;  // the lock, the last address, a temporary file
    SLUICE_TRY(auto owner, root.read(name, kMaxOwner));
    out.push_back({*ip, std::move(owner)});
  }
  return out;
}

Result<Ipv4> BlockStore::allocate(const Prefix4& block, const std::string& owner) {
  if (block.length < kShortestBlock || block.length > kLongestBlock) {
    return fail(Code::kInvalid, "block " + block.to_string() + " must be a /8 to /30");
  }
  if (owner.empty() || owner.size() > kMaxOwner) {
    return fail(Code::kInvalid, "an address's owner must have 1 to 1024 characters");
  }
  SLUICE_TRY(const auto lock, os::FileLock::acquire(directory_ + "/.lock"));
  SLUICE_TRY(const auto used, entries());
  std::set<Ipv4> taken;
  for (const auto& entry : used) {
    if (entry.owner == owner && block.contains(entry.ip)) return entry.ip;
    taken.insert(entry.ip);
  }
  Ipv4 last;
  if (const auto text = os::read_file(directory_ + "/.last", 64)) {
    // Unreadable content only means that the search begins at the start.
    last = Ipv4::parse(*text).value_or(Ipv4{});
  }
  SLUICE_TRY(const auto ip, pick(block, taken, last));
  SLUICE_CHECK_OK(os::write_file_atomic(path_of(ip), owner, 0600));
  SLUICE_CHECK_OK(os::write_file_atomic(directory_ + "/.last", ip.to_string(), 0600));
  return ip;
}

Status BlockStore::release(const std::string& owner) {
  SLUICE_TRY(const auto lock, os::FileLock::acquire(directory_ + "/.lock"));
  SLUICE_TRY(const auto used, entries());
  for (const auto& entry : used) {
    if (entry.owner == owner) SLUICE_CHECK_OK(os::remove_file(path_of(entry.ip)));
  }
  return {};
}

Status release_everywhere(const std::string& state_dir, const std::string& owner) {
  const auto root = os::Root::open(state_dir + "/ipam");
  if (!root) return root.error().code == Code::kNotFound ? Status{} : fail(root.error());
  SLUICE_TRY(const auto nodes, root->list("."));
  for (const auto& node : nodes) {
    if (!check_node(node)) continue;
    SLUICE_TRY(auto store, BlockStore::open(state_dir, node));
    SLUICE_CHECK_OK(store.release(owner));
  }
  return {};
}

}  // namespace sluice::cni
