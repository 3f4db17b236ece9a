// SPDX-License-Identifier: Apache-2.0
// Gets back the port of an attachment whose record can't be read, by the alias on it.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/os/netns.h"
#include "sriov-cni/attach/context.h"
#include "sriov-cni/ports/vf.h"

namespace sluice::cni {

// The namespace at `path`; nullopt when there is none, or it is this program's own.
std::optional<os::NetNs> foreign_namespace(const std::string& path);

// `hash`: id_hash() of the attachment's id.
std::string veth_name_of(const std::string& hash);

// The VF with the attachment's alias, in `pod` (may be null) or on the host; none: success. Takes
// the VF's lock, and doesn't wait for it.
Status salvage_vf(Context& context, const NicPlace& place, const std::string& hash,
                  const os::NetNs* pod);
// And the veth.
Status salvage_port(Context& context, const NicPlace& place, const std::string& hash,
                    const os::NetNs* pod);

}  // namespace sluice::cni
