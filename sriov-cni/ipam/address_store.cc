// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/ipam/address_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace sluice::cni {
namespace {

constexpr std::size_t kMaxOwner = 1024;
constexpr std::size_t kMaxAddressText = 64;

struct Listing {
  AddressOwners owners;
  std::vector<std::string> leftovers;  // temporary files of entries
};

bool is_leftover(const std::string& name) {
  return IpAddr::parse(os::temporary_target(name)).has_value();
}

// The only name that `address` is written under.
bool is_entry(const std::string& name, const IpAddr& address) {
  return address.to_string() == name;
}

Result<Listing> list(const std::string& directory) {
  Listing out;
  const auto root = os::Root::open(directory);
  if (!root) {
    if (root.error().code == Code::kNotFound) return out;
    return fail(root.error());
  }
  SLUICE_TRY(const auto names, root->list("."));
  for (const auto& name : names) {
    if (is_leftover(name)) out.leftovers.push_back(name);
    const auto address = IpAddr::parse(name);
    if (!address || !is_entry(name, *address)) continue;
    const auto owner = root->read(name, kMaxOwner);
    // Without a lock an entry may go between the two.
    if (!owner && owner.error().code == Code::kNotFound) continue;
    if (owner && !owner->empty()) {
      out.owners[*address] = *owner;
    } else {
      out.owners[*address] = std::nullopt;
    }
  }
  return out;
}

std::string mark_of(const std::string& directory, std::size_t set) {
  return directory + "/.last" + (set == 0 ? "" : "." + std::to_string(set));
}

// Not atomic and not synced: a mark that is lost or cut only means that the next search begins at
// the range's start, and an fsync costs more than all the rest of an ADD's bookkeeping.
void write_mark(const std::string& path, const std::string& text) {
  const os::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return;
  [[maybe_unused]] const auto put = ::write(fd.get(), text.data(), text.size());
}

}  // namespace

Status check_directory_name(std::string_view what, std::string_view name) {
  const bool good = !name.empty() && name.size() <= 253 && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
                    });
  if (good) return {};
  return fail(Code::kInvalid, std::string(what) + " '" + std::string(name.substr(0, 80)) +
                                  "' must be 1 to 253 letters, digits, '.', '-', '_', not "
                                  "beginning with '.'");
}

Result<AddressOwners> read_addresses(const std::string& directory) {
  SLUICE_TRY(auto listing, list(directory));
  return std::move(listing.owners);
}

Status release_addresses(const std::string& directory, const std::string& owner) {
  SLUICE_TRY(const auto seen, list(directory));
  const bool any = std::any_of(seen.owners.begin(), seen.owners.end(),
                               [&](const auto& entry) { return entry.second == owner; });
  if (!any && seen.leftovers.empty()) return {};
  SLUICE_TRY(auto store, LockedAddresses::open(directory));
  const auto owners = store.owners();
  for (const auto& [address, of] : owners) {
    if (of == owner) SLUICE_CHECK_OK(store.take_back(address));
  }
  return {};
}

Result<LockedAddresses> LockedAddresses::open(const std::string& directory) {
  SLUICE_CHECK_OK(os::make_directories(directory, 0700));
  SLUICE_TRY(auto lock, os::FileLock::acquire(directory + "/.lock"));
  LockedAddresses store(directory, std::move(lock));
  SLUICE_TRY(auto listing, list(directory));
  for (const auto& name : listing.leftovers) {
    SLUICE_CHECK_OK(os::remove_file(directory + "/" + name));
  }
  store.owners_ = std::move(listing.owners);
  return store;
}

std::optional<IpAddr> LockedAddresses::last_given(std::size_t set) const {
  const auto text = os::read_file(mark_of(directory_, set), kMaxAddressText);
  if (!text) return std::nullopt;
  const auto address = IpAddr::parse(*text);
  if (!address) return std::nullopt;
  return *address;
}

Status LockedAddresses::give(const IpAddr& address, const std::string& owner, std::size_t set) {
  if (owner.empty() || owner.size() > kMaxOwner) {
    return fail(Code::kInvalid, "an address's owner must have 1 to 1024 characters, not " +
                                    std::to_string(owner.size()));
  }
  const auto text = address.to_string();
  SLUICE_CHECK_OK(os::write_file_atomic(directory_ + "/" + text, owner, 0600));
  write_mark(mark_of(directory_, set), text);
  owners_[address] = owner;
  return {};
}

Status LockedAddresses::take_back(const IpAddr& address) {
  SLUICE_CHECK_OK(os::remove_file(directory_ + "/" + address.to_string()));
  owners_.erase(address);
  return {};
}

}  // namespace sluice::cni
