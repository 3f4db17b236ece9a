// SPDX-License-Identifier: Apache-2.0
// The journal's files as a torn disk, an editor or an earlier version leave them. What is behind a
// '2' is a record's fields, put into a file with the right checksum; all else is a file.
// fuzz-deps: sluice_cni_journal sluice_cni_ipam sluice_cni_config sluice_nic sluice_netlink
// sluice_os
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sriov-cni/journal/fields.h"
#include "sriov-cni/journal/record.h"

using namespace sluice;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// What was read once is read again, and is the same.
void check(const Result<cni::Record>& record) {
  if (!record) {
    require(!record.error().message.empty());
    return;
  }
  require(record->key.interface.find('/') == std::string::npos);
  require(record->kind == cni::PortKind::kVeth || record->vf.has_value());
  const auto text = cni::print_record(*record);
  const auto again = cni::parse_record(text);
  require(again.has_value());
  require(cni::print_record(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('2')) {
    check(cni::parse_fields(text.substr(1)));
  } else {
    check(cni::parse_record(text));
  }
  return 0;
}
