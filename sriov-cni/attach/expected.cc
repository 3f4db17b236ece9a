// SPDX-License-Identifier: Apache-2.0
#include "sriov-cni/attach/expected.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::cni {
namespace {

bool is_on(const CniAddress& address, const CniResult& previous, const Record& record) {
  const auto& interfaces = previous.interfaces;
  if (address.interface) {
    if (*address.interface >= interfaces.size()) return false;
    const auto& interface = interfaces[*address.interface];
    return interface.name == record.key.interface && !interface.sandbox.empty();
  }
  if (interfaces.empty()) return record.first.empty();
  const auto& given = record.result.addresses;
  return std::any_of(given.begin(), given.end(),
                     [&](const CniAddress& one) { return one.address == address.address; });
}

template <class T>
bool fits(const std::optional<T>& said, const std::optional<T>& given) {
  return !said || !given || said == given;
}

// Runtimes that read a result by an older version's shape lose what that doesn't have.
CniRoute completed(CniRoute said, const CniRoute& given) {
  const auto take = [](auto& to, const auto& from) {
    if (!to) to = from;
  };
  take(said.mtu, given.mtu);
  take(said.advmss, given.advmss);
  take(said.priority, given.priority);
  take(said.table, given.table);
  take(said.scope, given.scope);
  return said;
}

// The route that ADD gave, as prevResult says it now.
std::optional<CniRoute> own_route(const CniRoute& said, const std::vector<CniRoute>& given) {
  const auto found = std::find_if(given.begin(), given.end(), [&](const CniRoute& one) {
    return one.destination == said.destination && one.gateway == said.gateway &&
           fits(said.table, one.table) && fits(said.priority, one.priority);
  });
  if (found == given.end()) return std::nullopt;
  return completed(said, *found);
}

bool is_beside(const CniRoute& route, const CniAddress& address) {
  return route.gateway &&
         (address.gateway == route.gateway || address.address.contains(*route.gateway));
}

}  // namespace

CniResult expected(const CniResult& previous, const Record& record) {
  CniResult out;
  std::vector<CniAddress> others;
  for (const auto& address : previous.addresses) {
    (is_on(address, previous, record) ? out.addresses : others).push_back(address);
  }
  for (const auto& route : previous.routes) {
    const auto beside = [&](const CniAddress& address) { return is_beside(route, address); };
    const bool goes_here = std::any_of(out.addresses.begin(), out.addresses.end(), beside) &&
                           std::none_of(others.begin(), others.end(), beside);
    if (auto own = own_route(route, record.result.routes)) {
      out.routes.push_back(std::move(*own));
    } else if (goes_here) {
      out.routes.push_back(route);
    }
  }
  return out;
}

}  // namespace sluice::cni
