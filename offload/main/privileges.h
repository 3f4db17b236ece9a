// SPDX-License-Identifier: Apache-2.0
// Says at once which capability is missing, instead of failing somewhere in the middle.
#pragma once

#include "common/base/result.h"

namespace sluice::offloadd {

// CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN (capabilities(7)) in the effective set.
Status check_privileges();

}  // namespace sluice::offloadd
