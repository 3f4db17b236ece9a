// SPDX-License-Identifier: Apache-2.0
// An IPAM plugin of somebody else: a small program with state and levers, in a folder for CNI_PATH.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sluice::testing {

class FakeIpam {
 public:
  // Gives 192.0.2.<n>/24, the gateway 192.0.2.1 and a default route.
  explicit FakeIpam(std::string directory);

  const std::string& path() const { return directory_; }  // for CNI_PATH
  nlohmann::json config() const { return {{"type", "fake-ipam"}, {"kept", "as it is"}}; }
  // The same program as `dhcp`: calls() says when ADD and DEL could ask a server through the
  // interface ("ADD asks through eth0"). It must be in the pod and up; else ADD fails, as dhcp's.
  nlohmann::json dhcp_config() const { return {{"type", "dhcp"}}; }

  void remove() const;  // the program; what it holds stays

  // "" as usual, "hang", "fail" (code 123, "out of order"), "zero" (an ADD without addresses).
  void set_mode(const std::string& verb, const std::string& mode) const;
  std::vector<std::string> held() const;   // "c1-eth0"
  std::vector<std::string> calls() const;  // "ADD c1 eth0", in order
  // CNI_NETNS and CNI_ARGS of the last such call ("DEL c1 eth0").
  std::string netns_of(const std::string& call) const { return line_of("netns", call); }
  std::string args_of(const std::string& call) const { return line_of("args", call); }
  // What it had on stdin last.
  nlohmann::json last_config() const;

 private:
  std::string line_of(const std::string& what, const std::string& call) const;
  std::string directory_;
};

}  // namespace sluice::testing
