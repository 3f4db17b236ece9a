// SPDX-License-Identifier: Apache-2.0
// An array with room for its largest size in the address space from the start, so that it grows
// without moving: readers keep plain pointers into it. Memory is taken page by page as it is used.
//
// Contract: elements start as zero bytes. Behind the first 2 MiB the kernel is asked for
// transparent huge pages; it is not asked to reserve any.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace sluice::eswitch {

template <class T>
class VirtualArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  VirtualArray() = default;
  // Halves the wish until the address space has room for it; capacity() says what came of it.
  explicit VirtualArray(std::size_t capacity, std::size_t least = 1) {
    for (; capacity >= least && capacity > 0; capacity /= 2) {
      void* at = ::mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (at == MAP_FAILED) continue;
      data_ = static_cast<T*>(at);
      capacity_ = capacity;
      if (capacity * sizeof(T) > kHuge) {
        ::madvise(static_cast<char*>(at) + kHuge, capacity * sizeof(T) - kHuge, MADV_HUGEPAGE);
      }
      return;
    }
  }
  VirtualArray(VirtualArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  VirtualArray& operator=(VirtualArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  VirtualArray(const VirtualArray&) = delete;
  VirtualArray& operator=(const VirtualArray&) = delete;
  ~VirtualArray() {
    if (data_ != nullptr) ::munmap(data_, capacity_ * sizeof(T));
  }

  T* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static constexpr std::size_t kHuge = std::size_t{2} << 20U;
  T* data_ = nullptr;
  std::size_t capacity_ = 0;
};

}  // namespace sluice::eswitch
