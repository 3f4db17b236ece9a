// SPDX-License-Identifier: Apache-2.0
// Of several things that are all tried, the error of the first that failed.
#pragma once

#include <utility>

#include "common/base/result.h"

namespace sluice {

class FirstError {
 public:
  void keep(Status status) {
    if (status_ && !status) status_ = std::move(status);
  }
  bool ok() const { return status_.has_value(); }
  Status take() && { return std::move(status_); }

 private:
  Status status_;
};

}  // namespace sluice
