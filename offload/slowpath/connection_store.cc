// SPDX-License-Identifier: Apache-2.0
#include "offload/slowpath/connection_store.h"

#include <algorithm>
#include <bit>

namespace sluice::slowpath {
namespace {

// Slots and a direction bit share 32 bits with the empty mark.
constexpr std::uint32_t kMaxCapacity = 1U << 28U;

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32U); }

}  // namespace

HeapStore::HeapStore(std::uint32_t capacity, std::uint64_t seed)
    : capacity_(std::clamp<std::uint32_t>(capacity, 1, kMaxCapacity)),
      seed_(seed),
      // Two keys an entry, at most half full.
      buckets_(std::bit_ceil(static_cast<std::size_t>(capacity_) * 4)),
      mask_(buckets_.size() - 1) {}

const Tuple& HeapStore::key(std::uint32_t reference) const {
  const Connection& entry = entries_[(reference - 1) >> 1U];
  return ((reference - 1) & 1U) == 0 ? entry.original : entry.reply;
}

std::optional<std::size_t> HeapStore::bucket_of(const Tuple& tuple) const {
  const std::uint64_t hash = hash_of(tuple, seed_);
  for (std::size_t i = hash & mask_; buckets_[i].reference != 0; i = (i + 1) & mask_) {
    if (buckets_[i].tag == tag_of(hash) && key(buckets_[i].reference) == tuple) return i;
  }
  return std::nullopt;
}

void HeapStore::link(const Tuple& tuple, std::uint32_t reference) {
  const std::uint64_t hash = hash_of(tuple, seed_);
  std::size_t i = hash & mask_;
  while (buckets_[i].reference != 0) i = (i + 1) & mask_;
  buckets_[i] = Bucket{tag_of(hash), reference};
}

void HeapStore::unlink(const Tuple& tuple) {
  const auto found = bucket_of(tuple);
  if (!found) return;
  // Backward shift instead of tombstones: probes stay short however long the process runs.
  std::size_t hole = *found;
  for (std::size_t i = (hole + 1) & mask_; buckets_[i].reference != 0; i = (i + 1) & mask_) {
    const std::size_t home = hash_of(key(buckets_[i].reference), seed_) & mask_;
    if (((i - home) & mask_) >= ((i - hole) & mask_)) {
      buckets_[hole] = buckets_[i];
      hole = i;
    }
  }
  buckets_[hole] = Bucket{};
}

std::optional<Hit> HeapStore::find(const Tuple& tuple) const {
  const auto found = bucket_of(tuple);
  if (!found) return std::nullopt;
  const std::uint32_t packed = buckets_[*found].reference - 1;
  return Hit{packed >> 1U, (packed & 1U) == 0 ? Direction::kForward : Direction::kReply};
}

std::optional<Slot> HeapStore::insert(const Connection& connection) {
  if (size_ >= capacity_ || connection.id == 0 || connection.original == connection.reply ||
      bucket_of(connection.original) || bucket_of(connection.reply)) {
    return std::nullopt;
  }
  Slot slot = 0;
  if (free_.empty()) {
    slot = static_cast<Slot>(entries_.size());
    entries_.push_back(connection);
  } else {
    slot = free_.back();
    free_.pop_back();
    entries_[slot] = connection;
  }
  link(connection.original, (slot << 1U) + 1);
  link(connection.reply, (slot << 1U | 1U) + 1);
  ++size_;
  return slot;
}

void HeapStore::erase(Slot slot) {
  if (!in_use(slot)) return;
  unlink(entries_[slot].original);
  unlink(entries_[slot].reply);
  entries_[slot].id = 0;
  free_.push_back(slot);
  --size_;
}

}  // namespace sluice::slowpath
