// SPDX-License-Identifier: Apache-2.0
// What both programs of this folder begin with: a folder of their own in memory, where a machine
// has its /sys and /run.
//
// Contract: seen by this process and its children only (a mount namespace), gone with them.
#pragma once

#include <string>

#include "common/base/result.h"

namespace sluice::bench {

// Before any thread is started.
class Workplace {
 public:
  static Result<Workplace> make();
  Workplace(Workplace&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  Workplace& operator=(Workplace&&) = delete;
  ~Workplace();
  const std::string& path() const { return path_; }

 private:
  explicit Workplace(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace sluice::bench
