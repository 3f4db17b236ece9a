// SPDX-License-Identifier: Apache-2.0
// One value of a selector's list, from text to what is compared.
//
// Errors: what no device can have, with what is allowed; without the place, which the caller knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/nic/inventory.h"

namespace sluice::config {

Result<std::uint16_t> read_id(std::string_view text);    // vendor or device: "15b3", "0x15B3"
Result<std::uint16_t> read_pkey(std::string_view text);  // "0x8001"
Result<nic::PciAddress> read_address(std::string_view text);
Result<std::string> read_driver(std::string_view text);
Result<std::string> read_word(std::string_view text);  // anything that isn't empty
Result<std::string> read_link_type(std::string_view text);
Result<std::string> read_interface_name(std::string_view text);

}  // namespace sluice::config
