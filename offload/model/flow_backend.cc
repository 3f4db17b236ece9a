// SPDX-License-Identifier: Apache-2.0
#include "offload/model/flow_backend.h"

namespace sluice::model {

std::string_view to_string(Tier tier) {
  switch (tier) {
    case Tier::kHardware:
      return "hardware";
    case Tier::kSoftware:
      return "software";
    case Tier::kRefused:
      return "refused";
  }
  return "?";
}

}  // namespace sluice::model
