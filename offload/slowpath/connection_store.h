// SPDX-License-Identifier: Apache-2.0
// Where connections live: fixed-size entries, found by the tuple of either direction.
//
// Contract: no two connections share a tuple, in whatever direction; insert() refuses one that
// would. A slot names an entry until erase(). References into the store end with the next insert().
// Threading: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "offload/slowpath/connection.h"

namespace sluice::slowpath {

using Slot = std::uint32_t;

struct Hit {
  Slot slot = 0;
  Direction direction = Direction::kForward;
};

class ConnectionStore {
 public:
  virtual ~ConnectionStore() = default;
  // Nothing when the store is full or one of the tuples is taken.
  virtual std::optional<Slot> insert(const Connection& connection) = 0;
  virtual void erase(Slot slot) = 0;
  virtual std::optional<Hit> find(const Tuple& tuple) const = 0;
  // Requires: in_use(slot). `original` and `reply` of a stored connection never change.
  virtual Connection& at(Slot slot) = 0;
  virtual const Connection& at(Slot slot) const = 0;
  virtual bool in_use(Slot slot) const = 0;
  virtual std::uint32_t size() const = 0;
  virtual std::uint32_t capacity() const = 0;
  // Every slot in use is below it; for iteration.
  virtual Slot end() const = 0;
};

// In memory, open addressing at a load of at most one half, no allocation once it has grown.
// The seed is secret, so that nobody outside can aim at one bucket.
class HeapStore final : public ConnectionStore {
 public:
  HeapStore(std::uint32_t capacity, std::uint64_t seed);

  std::optional<Slot> insert(const Connection& connection) override;
  void erase(Slot slot) override;
  std::optional<Hit> find(const Tuple& tuple) const override;
  Connection& at(Slot slot) override { return entries_[slot]; }
  const Connection& at(Slot slot) const override { return entries_[slot]; }
  bool in_use(Slot slot) const override { return slot < entries_.size() && entries_[slot].id != 0; }
  std::uint32_t size() const override { return size_; }
  std::uint32_t capacity() const override { return capacity_; }
  Slot end() const override { return static_cast<Slot>(entries_.size()); }

 private:
  struct Bucket {
    std::uint32_t tag = 0;
    std::uint32_t reference = 0;  // 0: empty, else (slot << 1 | direction) + 1
  };

  const Tuple& key(std::uint32_t reference) const;
  std::optional<std::size_t> bucket_of(const Tuple& tuple) const;
  void link(const Tuple& tuple, std::uint32_t reference);
  void unlink(const Tuple& tuple);

  std::uint32_t capacity_;
  std::uint64_t seed_;
  std::uint32_t size_ = 0;
  std::vector<Connection> entries_;  // id 0: free
  std::vector<Slot> free_;
  std::vector<Bucket> buckets_;
  std::size_t mask_;
};

}  // namespace sluice::slowpath
