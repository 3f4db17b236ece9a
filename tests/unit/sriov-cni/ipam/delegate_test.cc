// SPDX-License-Identifier: Apache-2.0
// IPAM plugins of others: small scripts that keep what they were asked in files.
#include "sriov-cni/ipam/delegate.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include "common/os/files.h"
#include "sriov-cni/config/cni_error.h"
#include "tests/unit/common/temp_dir.h"

namespace sluice::cni {
namespace {

constexpr const char* kAnswer =
    R"({"cniVersion": "1.1.0", "interfaces": [{"name": "odd"}],
        "ips": [{"address": "10.5.0.7/24", "gateway": "10.5.0.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}], "dns": {"domain": "d"}})";

// A plugin `keeper`: logs its verbs, keeps its last input and environment, and does what `levers`
// say: a file named after a verb is sourced at that verb.
class Plugin {
 public:
  Plugin() {
    dir_.directory("bin");
    dir_.file("bin/keeper", "#!/bin/sh\nd=" + dir_.path() +
                                "\n/usr/bin/env > $d/env.$CNI_COMMAND\n"
                                "/bin/cat > $d/input.$CNI_COMMAND\n"
                                "echo $CNI_COMMAND >> $d/verbs\n"
                                "[ ! -e $d/$CNI_COMMAND ] || . $d/$CNI_COMMAND\n");
    std::filesystem::permissions(dir_ / "bin/keeper", std::filesystem::perms::all);
    on("ADD", std::string("/bin/cat <<'END'\n") + kAnswer + "\nEND\n");
  }
  void on(const std::string& verb, const std::string& script) const { dir_.file(verb, script); }
  std::string file(const std::string& name) const {
    return os::read_file(dir_ / name).value_or("");
  }
  std::string verbs() const { return file("verbs"); }
  const test::TempDir& dir() const { return dir_; }

  std::unique_ptr<Ipam> ipam(const std::string& text = kText,
                             Duration deadline = std::chrono::seconds(30)) {
    IpamSource source;
    source.kind = IpamKind::kDelegate;
    source.type = "keeper";
    source.text = text;
    source.plugin_path = "relative:/nonexistent:" + dir_ / "bin";
    return make_delegate(source, deadline, [this](std::string_view said) { talk += said; }).value();
  }

  static constexpr const char* kText =
      R"({"cniVersion": "1.1.0", "name": "net", "type": "sluice-cni", "ipam": {"type": "keeper"}})";
  std::string talk;

 private:
  test::TempDir dir_;
};

IpamOwner owner() {
  IpamOwner out;
  out.key = {"c1", "net1"};
  out.netns = "/run/netns/x";
  out.args = "IgnoreUnknown=1;K8S_POD_NAME=a b";
  return out;
}

TEST_CASE("ADD: the configuration on stdin, CNI's variables and nothing else, a result") {
  Plugin plugin;
  ::setenv("TRACEPARENT", "00-11111111111111111111111111111111-2222222222222222-01", 1);
  ::setenv("SLUICE_SECRET", "x", 1);
  const auto result = plugin.ipam()->add(owner());
  ::unsetenv("TRACEPARENT");
  ::unsetenv("SLUICE_SECRET");
  REQUIRE(result);
  CHECK(result->interfaces.empty());
  REQUIRE(result->addresses.size() == 1);
  CHECK(result->addresses[0].address.to_string() == "10.5.0.7/24");
  CHECK(result->addresses[0].gateway->to_string() == "10.5.0.1");
  CHECK_FALSE(result->addresses[0].interface);
  CHECK(result->routes.size() == 1);
  CHECK(result->dns.domain == "d");
  CHECK(plugin.verbs() == "ADD\n");
  CHECK(plugin.file("input.ADD") == Plugin::kText);
  const auto env = "\n" + plugin.file("env.ADD");
  for (const auto* line : {"CNI_COMMAND=ADD", "CNI_CONTAINERID=c1", "CNI_NETNS=/run/netns/x",
                           "CNI_IFNAME=net1", "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=a b",
                           "CNI_PATH=relative:/nonexistent:", "TRACEPARENT=00-1111", "PATH="}) {
    INFO(line);
    CHECK(env.find("\n" + std::string(line)) != std::string::npos);
  }
  CHECK(env.find("SLUICE_SECRET") == std::string::npos);
}

TEST_CASE("DEL and CHECK; prevResult is put in where the configuration has none") {
  Plugin plugin;
  const auto ipam = plugin.ipam();
  const auto result = ipam->add(owner()).value();
  REQUIRE(ipam->check(owner(), result));
  CHECK(plugin.file("input.CHECK").find(R"("prevResult")") != std::string::npos);
  CHECK(plugin.file("input.CHECK").find("10.5.0.7/24") != std::string::npos);
  const std::string with = R"({"cniVersion":"0.4.0","name":"net","prevResult":{"mine": 1}})";
  REQUIRE(plugin.ipam(with)->check(owner(), result));
  CHECK(plugin.file("input.CHECK") == with);
  auto gone = owner();
  gone.netns.clear();
  REQUIRE(ipam->del(gone));
  CHECK(plugin.file("input.DEL") == Plugin::kText);
  CHECK(("\n" + plugin.file("env.DEL")).find("\nCNI_NETNS=\n") != std::string::npos);
  plugin.on("DEL", R"(echo '{"code": 11, "msg": "busy"}'; exit 1)");
  CHECK(cni_code(ipam->del(gone).error()) == kTryAgainLater);
  CHECK(plugin.verbs() == "ADD\nCHECK\nCHECK\nDEL\nDEL\n");
}

TEST_CASE("an error object keeps code, message and details; the DEL is the caller's") {
  Plugin plugin;
  plugin.on("ADD", R"(echo '{"cniVersion": "1.1.0", "code": 11, "msg": "lease pending",
                             "details": "server 10.5.0.1"}'; exit 1)");
  const auto result = plugin.ipam()->add(owner());
  REQUIRE_FALSE(result);
  CHECK(cni_code(result.error()) == kTryAgainLater);
  CHECK(result.error().retry == Retry::kLater);
  CHECK(result.error().message == "lease pending; server 10.5.0.1");
  CHECK(result.error().to_string().find("IPAM plugin keeper (ADD)") != std::string::npos);
  CHECK(plugin.verbs() == "ADD\n");
  plugin.on("ADD", R"(echo '{"code": 112, "msg": "its own"}'; exit 3)");
  const auto other = plugin.ipam()->add(owner());
  CHECK(cni_code(other.error()) == 112);
  CHECK(other.error().message == "its own");
}

TEST_CASE("answers that are none") {
  struct Row {
    const char *script, *message;
  };
  for (const auto& row :
       {Row{"echo '{\"cniVersion\": \"1.1.0\", \"ips\": []}'", "without an address"},
        Row{"echo '{\"cniVersion\": \"1.1.0\"}'", "without an address"}, Row{"echo what", ""},
        Row{"", ""}, Row{"/usr/bin/head -c 2000000 /dev/zero", "1048576 bytes or more"},
        Row{"echo '{\"ips\": [{\"address\": \"x\"}]}'", ""},
        Row{"echo lost >&2; exit 7", "status 7: lost"}, Row{"exit 7", "status 7: it says nothing"},
        Row{"echo '{\"code\": \"x\"}'; exit 7", "status 7"},
        Row{"echo '{\"code\": 0}'; exit 7", "without a message"},
        Row{"kill -SEGV $$", "status 139"}}) {
    INFO(row.script);
    Plugin plugin;
    plugin.on("ADD", row.script);
    const auto result = plugin.ipam()->add(owner());
    REQUIRE_FALSE(result);
    INFO(result.error().to_string());
    CHECK(result.error().message.find(row.message) != std::string::npos);
    CHECK(result.error().message.size() < 5000);
  }
}

TEST_CASE("one that hangs is ended at the deadline") {
  Plugin plugin;
  plugin.on("ADD", "/bin/sleep 1000 & wait");
  const auto result = plugin.ipam(Plugin::kText, std::chrono::milliseconds(1500))->add(owner());
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::kTimeout);
  CHECK(cni_code(result.error()) == kTryAgainLater);
  CHECK(plugin.verbs() == "ADD\n");
}

TEST_CASE("its stderr is passed on, bounded") {
  Plugin plugin;
  plugin.on("DEL", "echo a warning >&2");
  REQUIRE(plugin.ipam()->del(owner()));
  CHECK(plugin.talk == "a warning\n");
  plugin.on("DEL", "/usr/bin/head -c 500000 /dev/zero >&2");
  plugin.talk.clear();
  REQUIRE(plugin.ipam()->del(owner()));
  CHECK(plugin.talk.size() == 65536);
}

TEST_CASE("STATUS keeps its codes; GC has the runtime's list; older configurations have neither") {
  Plugin plugin;
  const auto ipam = plugin.ipam();
  CHECK(ipam->status());
  CHECK(("\n" + plugin.file("env.STATUS")).find("\nCNI_CONTAINERID") == std::string::npos);
  for (const int code : {50, 51}) {
    plugin.on("STATUS", "echo '{\"code\": " + std::to_string(code) + ", \"msg\": \"m\"}'; exit 1");
    CHECK(cni_code(ipam->status().error()) == code);
  }
  REQUIRE(ipam->gc({{"c1", "net1"}, {"c2", "eth0"}}));
  const auto input = plugin.file("input.GC");
  CHECK(input.find(R"("cni.dev/valid-attachments":[{"containerID":"c1","ifname":"net1"},)"
                   R"({"containerID":"c2","ifname":"eth0"}])") != std::string::npos);
  CHECK(input.find(R"("ipam":{"type":"keeper"})") != std::string::npos);
  plugin.on("GC", R"(echo '{"code": 5, "msg": "m"}'; exit 1)");
  CHECK(cni_code(ipam->gc({}).error()) == 5);
  CHECK(plugin.verbs() == "STATUS\nSTATUS\nSTATUS\nGC\nGC\n");

  const auto old = plugin.ipam(R"({"cniVersion": "1.0.0", "name": "net"})");
  CHECK(old->status());
  CHECK(old->gc({}));
  const auto oldest = plugin.ipam(R"({"name": "net"})");
  CHECK(oldest->check(owner(), {}));
  CHECK(plugin.verbs() == "STATUS\nSTATUS\nSTATUS\nGC\nGC\n");
}

TEST_CASE("names and folders that are refused, and a plugin that isn't there") {
  Plugin plugin;
  IpamSource source;
  source.kind = IpamKind::kDelegate;
  source.text = Plugin::kText;
  for (const auto* type : {"", ".", "..", "a/b", "/bin/true"}) {
    INFO(type);
    source.type = type;
    CHECK(cni_code(make_ipam(source).error()) == kInvalidConfig);
  }
  source.type = "keeper";
  for (const auto& path : {std::string(), std::string("bin"), plugin.dir().path()}) {
    source.plugin_path = path;
    INFO(path);
    const auto missing = make_ipam(source).value()->add(owner());
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("IPAM plugin keeper is in no absolute folder") !=
          std::string::npos);
  }
  std::filesystem::permissions(plugin.dir() / "bin/keeper", std::filesystem::perms::owner_read);
  CHECK_FALSE(plugin.ipam()->del(owner()));
  CHECK(plugin.verbs().empty());
  CHECK_FALSE(plugin.ipam("no JSON")->add(owner()));
}

}  // namespace
}  // namespace sluice::cni
