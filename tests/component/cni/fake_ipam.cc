// SPDX-License-Identifier: Apache-2.0
#include "tests/component/cni/fake_ipam.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sluice::testing {
namespace {

constexpr const char* kScript = R"sh(#!/bin/sh
here=$(dirname "$0")
cat > "$here/config"
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME" >> "$here/calls"
echo "$CNI_NETNS" > "$here/netns $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME"
echo "$CNI_ARGS" > "$here/args $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME"
mode=$(cat "$here/mode-$CNI_COMMAND" 2>/dev/null)
if [ "${0##*/}" = dhcp ] && [ "$CNI_COMMAND" = ADD -o "$CNI_COMMAND" = DEL ]; then
  if nsenter --net="$CNI_NETNS" /usr/sbin/ip link show "$CNI_IFNAME" up | grep -q .; then
    echo "$CNI_COMMAND asks through $CNI_IFNAME" >> "$here/calls"
  elif [ "$CNI_COMMAND" = ADD ]; then
    echo '{"cniVersion": "1.1.0", "code": 125, "msg": "no link '$CNI_IFNAME' to ask through"}'
    exit 1
  fi
fi
if [ "$mode" = hang ]; then exec sleep 600; fi
if [ "$mode" = fail ]; then
  echo '{"cniVersion": "1.1.0", "code": 123, "msg": "out of order"}'
  exit 1
fi
held="$here/held/$CNI_CONTAINERID-$CNI_IFNAME"
case "$CNI_COMMAND" in
ADD)
  : > "$held"
  if [ "$mode" = zero ]; then echo '{"cniVersion": "1.1.0"}'; exit 0; fi
  n=$(($(ls "$here/held" | wc -l) + 9))
  echo '{"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.'$n'/24", "gateway": "192.0.2.1"}],
         "routes": [{"dst": "0.0.0.0/0"}]}'
  ;;
DEL) rm -f "$held" ;;
CHECK)
  if [ ! -e "$held" ]; then
    echo '{"cniVersion": "1.1.0", "code": 124, "msg": "not held"}'
    exit 1
  fi
  ;;
GC)
  for one in "$here"/held/*; do
    [ -e "$one" ] || continue
    name=${one##*/}
    grep -q "\"containerID\":\"${name%-*}\",\"ifname\":\"${name##*-}\"" "$here/config" || rm "$one"
  done
  ;;
esac
)sh";

}  // namespace

FakeIpam::FakeIpam(std::string directory) : directory_(std::move(directory)) {
  std::filesystem::create_directories(directory_ + "/held");
  for (const char* name : {"/fake-ipam", "/dhcp"}) {
    const auto program = directory_ + name;
    std::ofstream(program) << kScript;
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }
}

void FakeIpam::remove() const { std::filesystem::remove(directory_ + "/fake-ipam"); }

void FakeIpam::set_mode(const std::string& verb, const std::string& mode) const {
  std::ofstream(directory_ + "/mode-" + verb) << mode;
}

std::vector<std::string> FakeIpam::held() const {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/held")) {
    out.push_back(entry.path().filename());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> FakeIpam::calls() const {
  std::vector<std::string> out;
  std::ifstream file(directory_ + "/calls");
  for (std::string line; std::getline(file, line);) out.push_back(line);
  return out;
}

std::string FakeIpam::line_of(const std::string& what, const std::string& call) const {
  std::string line;
  std::ifstream file(directory_ + "/" + what + " " + call);
  std::getline(file, line);
  return line;
}

nlohmann::json FakeIpam::last_config() const {
  return nlohmann::json::parse(std::ifstream(directory_ + "/config"), nullptr, false);
}

}  // namespace sluice::testing
