// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sriov-cni/config/config_text.h"

namespace sluice::cni {
namespace {

const std::string kResult = R"("prevResult":{"ips":[{"address":"10.0.0.2/24"}]})";

TEST_CASE("defaults") {
  const auto ours = parsed(config(""));
  CHECK(ours.cni_version == "1.1.0");
  CHECK(ours.name == "pods");
  CHECK(ours.type == "sluice-cni");
  CHECK(ours.dialect == Dialect::kSluice);
  CHECK(ours.text == config(""));
  CHECK(ours.engine == EngineUse::kRequired);
  CHECK(ours.engine_socket == "/run/sluice/offload.sock");
  CHECK(ours.state_dir == "/var/lib/sluice");
  CHECK(ours.baseline_dir == "/run/sluice/baselines");
  CHECK(ours.stats_file == "/run/sluice/cni-stats");
  CHECK(ours.sysfs_root == "/sys");
  CHECK(ours.vf_control_socket.empty());
  CHECK_FALSE(ours.device);
  CHECK_FALSE(ours.mtu);
  CHECK(ours.device_plugin_socket == "/run/sluice/device-plugin.sock");
  CHECK(ours.ask_plugin == AskPlugin::kOptional);
  CHECK(ours.resource.empty());
  CHECK(ours.vf.attributes == netlink::VfAttributes{});
  CHECK(ours.vf.rdma == RdmaUse::kOff);
  CHECK(ours.ipam == IpamKind::kNodeBlock);
  CHECK_FALSE(ours.previous);
  CHECK_FALSE(ours.valid_attachments);

  for (const char* type : {"sriov", "ib-sriov"}) {
    INFO(type);
    const auto theirs = parsed(config("", type));
    CHECK(theirs.dialect == (theirs.type == "sriov" ? Dialect::kSriov : Dialect::kIbSriov));
    CHECK(theirs.engine == EngineUse::kNever);
    CHECK(theirs.ask_plugin == AskPlugin::kOptional);
    CHECK(theirs.ipam == IpamKind::kNone);
  }
}

TEST_CASE("what is refused, with which code and what is named") {
  check_refused(
      {
          {"", kDecodeFailure, "JSON"},
          {"[1]", kDecodeFailure, "JSON"},
          {R"({"a":)" + std::string(200, '[') + std::string(200, ']') + "}", kDecodeFailure,
           "JSON"},
          {config("", "x", "1.1"), kIncompatibleVersion,
           "cniVersion is '1.1'; supported are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"},
          {R"({"cniVersion":7,"name":"a"})", kDecodeFailure, "cniVersion is 7"},
          {R"({"cniVersion":"1.0.0"})", kInvalidConfig, "name is missing"},
          {R"({"cniVersion":"1.0.0","name":""})", kInvalidConfig, "name is ''"},
          {R"({"cniVersion":"1.0.0","name":"../x"})", kInvalidConfig, "name is '../x'"},
          {R"({"cniVersion":"1.0.0","name":7})", kInvalidConfig, "name is 7"},
          {R"({"cniVersion":"1.0.0","name":"a","type":[]})", kInvalidConfig, "type is a list"},
          {config(R"("engineSock":"/x")"), kInvalidConfig, "did you mean 'engineSocket'?"},
          {config(R"("Vlan":7)"), kInvalidConfig, "did you mean 'vlan'?"},
          {config(R"("engineSocket":"relative")"), kInvalidConfig, "engineSocket is 'relative'"},
          {config(R"("engineSocket":")" + ("/" + std::string(120, 'x')) + "\""), kInvalidConfig,
           "107"},
          {config(R"("stateDir":"")"), kInvalidConfig, "stateDir is ''"},
          {config(R"("baselineDir":"x")"), kInvalidConfig, "baselineDir is 'x'"},
          {config(R"("sysfsRoot":"x")"), kInvalidConfig, "sysfsRoot is 'x'"},
          {config(R"("vfControlSocket":"x")"), kInvalidConfig, "vfControlSocket is 'x'"},
          {config(R"("statsFile":"a\u0000b")"), kInvalidConfig, "statsFile"},
          {config(R"("offload":"yes")"), kInvalidConfig,
           "offload is 'yes'; allowed are required, optional, never"},
          {config(R"("offload":true)"), kInvalidConfig, "offload is true"},
          {config(R"("deviceID":"eth1")"), kInvalidConfig, "deviceID is 'eth1'"},
          {config(R"("pciBusID":"mlx5_core.sf.4")"), kInvalidConfig, "pciBusID is 'mlx5_core"},
          {config(R"("deviceID":7)"), kInvalidConfig, "deviceID is 7; allowed is a string"},
          {config(R"("deviceID":"0000:3b:00.2","runtimeConfig":{"deviceID":"0000:3b:00.3"})"),
           kInvalidConfig,
           "runtimeConfig.deviceID is '0000:3b:00.3'; but the device is given as 0000:3b:00.2"},
          {config(R"("devicePlugin":"yes")"), kInvalidConfig, "optional, required, never"},
          {config(R"("devicePluginSocket":"x")"), kInvalidConfig, "devicePluginSocket is 'x'"},
          {config(R"("resourceName":"vf")"), kInvalidConfig, "resourceName is 'vf'"},
          {config(R"("resourceName":"/vf")"), kInvalidConfig, "resourceName"},
          {config(R"("resourceName":"a/b/c")"), kInvalidConfig, "resourceName"},
          {config(R"("resourceName":"a/)" + std::string(400, 'x') + "\""), kInvalidConfig,
           "resourceName"},
          {config(R"("networkReference":"x")"), kInvalidConfig, "networkReference is 'x'"},
          {config(R"("networkReference":"a/b/c")"), kInvalidConfig, "<namespace>/<name>"},
          {config(R"("networkReference":"a/..%2f_")"), kInvalidConfig, "networkReference"},
          {config(R"("logLevel":"loud")"), kInvalidConfig, "logLevel is 'loud'; allowed are debug"},
          {config(R"("logFile":"x")"), kInvalidConfig, "logFile is 'x'"},
          {config(R"("ipam":[])"), kInvalidConfig, "ipam is a list"},
          {config(R"("ipam":{"range":"x"})"), kInvalidConfig, "ipam.type is missing"},
          {config(R"("ipam":{"type":"../x"})"), kInvalidConfig, "ipam.type is '../x'"},
          {config(R"("ipam":{"type":".."})"), kInvalidConfig, "ipam.type is '..'"},
          {infiniband(R"("ipam":{"type":"dhcp"})"), kInvalidConfig, "ipam.type is 'dhcp'"},
          {sriov(R"("vfioPciMode":true,"ipam":{"type":"dhcp"})"), kInvalidConfig, "vfioPciMode"},
          {config(R"("prevResult":7)"), kDecodeFailure, "prevResult is 7"},
          {config(R"("prevResult":{"ips":[{}]})"), kDecodeFailure,
           "prevResult.ips[0].address is missing"},
          {config(R"("dns":[])"), kInvalidConfig, "dns is a list"},
          {config(R"("runtimeConfig":[])"), kInvalidConfig, "runtimeConfig is a list"},
          {config(R"("args":7)"), kInvalidConfig, "args is 7"},
          {config(R"("args":{"cni":[]})"), kInvalidConfig, "args.cni is a list"},
          {std::string(kMaxConfigBytes + 1, ' '), kDecodeFailure, "4 MiB"},
      },
      call_of(Verb::kAdd));
}

TEST_CASE("what is accepted") {
  const auto out =
      parsed(config(R"("deviceID":"3B:00.2","pciBusID":"0000:3b:00.2","mtu":1400,"args":{"x":1},
               "runtimeConfig":{"deviceID":"0000:3b:00.2","CNIDeviceInfoFile":"/x"},
               "capabilities":{"deviceID":true},"disableCheck":true,"disableGC":true,"ipam":{},
               "cni.dev/valid-attachments":[],"example.com/color":"red","prevResult":null,
               "devicePlugin":"required","devicePluginSocket":"/tmp/p","offload":"optional",
               "resourceName":"sluice.dev/vf","engineSocket":"/tmp/e","stateDir":"/tmp/s",
               "baselineDir":"/tmp/b","statsFile":"/tmp/c","sysfsRoot":"/tmp/y",
               "vfControlSocket":"/tmp/v","networkReference":"shop/fast","logLevel":"debug",
               "logFile":"/tmp/l","dns":{"nameservers":["10.0.0.1"]})"));
  CHECK(out.device == nic::PciAddress{0, 0x3b, 0, 2});
  CHECK(out.mtu == 1400U);
  CHECK(out.engine == EngineUse::kOptional);
  CHECK(out.engine_socket == "/tmp/e");
  CHECK(out.state_dir == "/tmp/s");
  CHECK(out.baseline_dir == "/tmp/b");
  CHECK(out.stats_file == "/tmp/c");
  CHECK(out.sysfs_root == "/tmp/y");
  CHECK(out.vf_control_socket == "/tmp/v");
  CHECK(out.ask_plugin == AskPlugin::kRequired);
  CHECK(out.device_plugin_socket == "/tmp/p");
  CHECK(out.resource == "sluice.dev/vf");
  CHECK(out.network_reference == "shop/fast");
  CHECK(out.device_info_file == "/x");
  CHECK(out.log_level == Level::kDebug);
  CHECK(out.log_file == "/tmp/l");
  CHECK(out.dns.nameservers == std::vector<std::string>{"10.0.0.1"});
  CHECK(out.ipam == IpamKind::kNodeBlock);
}

TEST_CASE("versions: missing and empty are 0.1.0; verbs came with some") {
  for (const auto version : supported_versions()) {
    CHECK(parsed(config("", "sluice-cni", std::string(version))).cni_version == version);
  }
  CHECK(parsed(R"({"name":"a"})").cni_version == "0.1.0");
  CHECK(parsed(R"({"name":"a","cniVersion":null})").cni_version == "0.1.0");
  CHECK(parsed(config("", "sluice-cni", "")).cni_version == "0.1.0");
  for (const char* old : {"", "0.1.0", "0.2.0", "0.3.0", "0.3.1"}) {
    check_refused({{config(kResult, "sluice-cni", old), kIncompatibleVersion, "from 0.4.0 on"}},
                  call_of(Verb::kCheck));
  }
  for (const char* old : {"0.1.0", "0.3.1", "0.4.0", "1.0.0"}) {
    const auto text = config("", "sluice-cni", old);
    check_refused({{text, kIncompatibleVersion, "GC is allowed from 1.1.0"}}, call_of(Verb::kGc));
    check_refused({{text, kIncompatibleVersion, "STATUS is allowed from 1.1.0"}},
                  call_of(Verb::kStatus));
    CHECK(parse_config(text, call_of(Verb::kDel)));
  }
}

TEST_CASE("ipam kinds") {
  const auto kind = [](const std::string& text) { return parsed(text).ipam; };
  CHECK(kind(config(R"("offload":"never")")) == IpamKind::kNone);
  CHECK(kind(config(R"("ipam":null)")) == IpamKind::kNodeBlock);
  CHECK(kind(sriov(R"("offload":"required")")) == IpamKind::kNodeBlock);
  CHECK(kind(sriov(R"("ipam":{"type":""})")) == IpamKind::kNone);
  const auto pool = parsed(config(R"("ipam":{"type":"sluice","pools":["a"]})"));
  CHECK(pool.ipam == IpamKind::kPool);
  CHECK(pool.ipam_type.empty());
  CHECK(pool.ipam_text == R"({"pools":["a"],"type":"sluice"})");
  const auto other = parsed(sriov(R"("ipam":{"type":"host-local","subnet":"10.0.0.0/24"})"));
  CHECK(other.ipam == IpamKind::kDelegate);
  CHECK(other.ipam_type == "host-local");
  CHECK(kind(sriov(R"("ipam":{"type":"dhcp"})")) == IpamKind::kDelegate);
}

TEST_CASE("what a version can't say is refused before anything is touched") {
  for (const char* old : {"", "0.1.0", "0.2.0"}) {
    const auto text = [&](const std::string& more) {
      return config(R"("deviceID":"0000:3b:00.2")" + more, "sriov", old);
    };
    check_refused({{text(""), kInvalidConfig, "no address"}}, call_of(Verb::kAdd));
    CHECK(parsed(text(R"(,"ipam":{"type":"static"})")).ipam == IpamKind::kDelegate);
    CHECK(parsed(text(R"(,"prevResult":{"ip4":{"ip":"10.0.0.2/24"}})")).previous);
  }
  CHECK(parsed(config("", "sriov", "0.3.0")).ipam == IpamKind::kNone);  // can say it
}

TEST_CASE("a network that nobody gives a VF says what to look at") {
  const std::string never = R"("devicePlugin":"never")";
  check_refused({{config(never, "sriov"), kInvalidConfig, "resourceName"},
                 {config(never, "ib-sriov"), kInvalidConfig, "deviceID is missing"},
                 {config(never + R"(,"offload":"never")"), kInvalidConfig, "request it"}},
                call_of(Verb::kAdd));
  CHECK(parsed(config(never)).ask_plugin == AskPlugin::kNever);  // a veth
  CHECK(parsed(sriov(never)).device);
  CHECK(cni_code(no_device_error(parsed(config("")))) == kInvalidConfig);
}

TEST_CASE("the other dialects: unknown keys, any case of letters, lax logging") {
  const auto out = parsed(config(
      R"("DeviceId":"0000:3b:00.2","VLAN":7,"MAC":"02:00:00:00:00:01","Master":"ens1","strange":1,
         "LOGLEVEL":"loud","logFile":"relative.log")",
      "sriov"));
  CHECK(out.device == nic::PciAddress{0, 0x3b, 0, 2});
  CHECK(out.vf.attributes.vlan == 7);
  CHECK(out.vf.mac == MacAddr::parse("02:00:00:00:00:01").value());
  CHECK_FALSE(out.log_level == Level::kDebug);
  CHECK(out.log_file == "relative.log");
  CHECK(parsed(config(R"("vlan":8,"Vlan":9)", "sriov")).vf.attributes.vlan == 8);
  CHECK(parsed(config(R"("logLevel":"verbose")", "sriov")).log_level == Level::kDebug);
}

TEST_CASE("prevResult: read on ADD, needed on CHECK, taken as it comes on DEL") {
  const auto text = config(kResult, "sluice-cni", "0.4.0");
  for (const auto verb : {Verb::kAdd, Verb::kCheck, Verb::kDel}) {
    const auto out = parse_config(text, call_of(verb));
    REQUIRE(out);
    REQUIRE(out->previous);
    CHECK(out->previous->addresses.size() == 1);
  }
  const std::vector<Refused> rows = {
      {config(""), kInvalidConfig, "prevResult is missing; CHECK needs"},
      {config(R"("prevResult":null)"), kInvalidConfig, "prevResult is missing"},
      {config(R"("prevResult":{"ips":7})"), kDecodeFailure, "prevResult.ips is 7"}};
  check_refused(rows, call_of(Verb::kCheck));
  for (const auto& row : rows) {
    const auto out = parse_config(row.text, call_of(Verb::kDel));
    REQUIRE(out);
    CHECK_FALSE(out->previous);
  }
}

TEST_CASE("DEL and GC read what they need, and nothing else keeps them") {
  const auto text =
      config(R"("vlan":"x","strange":1,"deviceID":"gone","mtu":1,"devicePluginSocket":7,"ipam":7,
                "offload":"x","logLevel":7,"runtimeConfig":{"mac":7,"CNIDeviceInfoFile":"/i"},
                "args":7,"prevResult":7)");
  for (const auto verb : {Verb::kDel, Verb::kGc}) {
    const auto out = parse_config(text, call_of(verb));
    REQUIRE(out);
    CHECK_FALSE(out->device);
    CHECK(out->engine == EngineUse::kRequired);
    CHECK(out->ipam == IpamKind::kNodeBlock);
    CHECK(out->device_info_file == "/i");
    CHECK(parse_config(config(R"("networkReference":"a/b")"), call_of(verb))->network_reference ==
          "a/b");
    CHECK(parse_config(config(R"("networkReference":"x")"), call_of(verb))
              ->network_reference.empty());
    CHECK(parse_config(config(R"("runtimeConfig":7)"), call_of(verb)));
    check_refused({{config(R"("stateDir":"x")"), kInvalidConfig, "stateDir is 'x'"}},
                  call_of(verb));
  }
  const auto whole = parse_config(
      config(R"("deviceID":"0000:3b:00.2","ipam":{"type":"static"},"offload":"never",)" + kResult),
      call_of(Verb::kDel));
  REQUIRE(whole);
  CHECK(whole->device);
  CHECK(whole->ipam_type == "static");
  CHECK(whole->engine == EngineUse::kNever);
}

TEST_CASE("STATUS checks what an ADD needs to find") {
  check_refused({{config(R"("offload":"x")"), kInvalidConfig, "offload"},
                 {config(R"("ipam":{"type":"a/b"})"), kInvalidConfig, "ipam.type"},
                 {config(R"("resourceName":"x")"), kInvalidConfig, "resourceName"},
                 {config(R"("devicePlugin":"x")"), kInvalidConfig, "devicePlugin"},
                 {config(R"("rdma":"x")"), kInvalidConfig, "rdma"},
                 {config(R"("enginSocket":"/x")"), kInvalidConfig, "engineSocket"},
                 {config(R"("vlan":9999)"), kInvalidConfig, "vlan is 9999"},
                 {config(R"("mac":"x")"), kInvalidConfig, "mac is 'x'"},
                 {config(R"("mtu":1)"), kInvalidConfig, "mtu is 1"},
                 {config(R"("networkReference":"x")"), kInvalidConfig, "networkReference"},
                 {config(R"("logLevel":"x")"), kInvalidConfig, "logLevel"},
                 {config(R"("dns":7)"), kInvalidConfig, "dns is 7"},
                 {infiniband(R"("ipam":{"type":"dhcp"})"), kInvalidConfig, "dhcp"}},
                call_of(Verb::kStatus));
  CHECK(parse_config(config(R"("rdma":"exclusive")"), call_of(Verb::kStatus))->vf.rdma ==
        RdmaUse::kExclusive);
  CHECK(parse_config(config(R"("rdma":"exclusive","dns":{"search":["a"]})"), call_of(Verb::kStatus))
            ->dns.search.front() == "a");
  // What comes with a pod is nobody's business yet.
  for (const char* of_a_pod :
       {R"("deviceID":"x")", R"("runtimeConfig":{"mac":"x","aliases":["a"]})",
        R"("args":{"cni":{"mac":"x"}})", R"("args":7)", R"("prevResult":7)"}) {
    INFO(of_a_pod);
    CHECK(parse_config(config(of_a_pod), call_of(Verb::kStatus)));
  }
  CHECK(parse_config(config(R"("ibKubernetesEnabled":true)", "ib-sriov"), call_of(Verb::kStatus)));
  CHECK(parse_config(config(R"("devicePlugin":"never")", "sriov"), call_of(Verb::kStatus)));
}

TEST_CASE("logLevel: six words for four levels") {
  const auto level = [](const std::string& word) {
    return parsed(config(R"("logLevel":")" + word + "\"")).log_level;
  };
  CHECK(parsed(config("")).log_level == Level::kInfo);
  CHECK(level("debug") == Level::kDebug);
  CHECK(level("verbose") == Level::kDebug);
  CHECK(level("info") == Level::kInfo);
  CHECK(level("Warning") == Level::kWarn);
  CHECK(level("error") == Level::kError);
  CHECK(level("panic") == Level::kError);
}

TEST_CASE("of a configuration that is refused, what tells of the call is read") {
  const auto whole = readable_parts(config(
      R"("vlan":9999,"statsFile":"/s","logFile":"/l","logLevel":"error","networkReference":"a/b")"));
  CHECK(whole.name == "pods");
  CHECK(whole.network_reference == "a/b");
  CHECK(whole.stats_file == "/s");
  CHECK(whole.log_file == "/l");
  CHECK(whole.log_level == Level::kError);
  const auto bad = readable_parts(
      R"({"name":"../x","statsFile":"s","logFile":"l","logLevel":7,"networkReference":"x"})");
  for (const auto& text : {bad.name, bad.network_reference, bad.stats_file, bad.log_file}) {
    CHECK(text.empty());
  }
  CHECK(bad.log_level == Level::kInfo);
  CHECK(readable_parts(config(R"("LogLevel":"debug")", "sriov")).log_level == Level::kDebug);
  for (const std::string text : {"", "[]", "no JSON"}) {
    CHECK(readable_parts(text).stats_file.empty());
  }
  CHECK(readable_parts(std::string(kMaxConfigBytes + 1, ' ')).name.empty());
}

TEST_CASE("GC's list: missing, empty and named are three things") {
  const auto list = [](const std::string& more) {
    const auto out = parse_config(config(more), call_of(Verb::kGc));
    REQUIRE(out);
    return out->valid_attachments;
  };
  const std::string one = R"([{"containerID":"abc","ifname":"eth0"}])";
  const std::vector<AttachmentKey> abc = {{"abc", "eth0"}};
  CHECK_FALSE(list(""));
  CHECK_FALSE(list(R"("cni.dev/valid-attachments":null)"));
  CHECK(list(R"("cni.dev/valid-attachments":[])")->empty());
  CHECK(*list(R"("cni.dev/valid-attachments":)" + one) == abc);
  CHECK(*list(R"("cni.dev/attachments":)" + one) == abc);
  CHECK(list(R"("cni.dev/valid-attachments":[],"cni.dev/attachments":)" + one)->empty());
  check_refused(
      {{config(R"("cni.dev/valid-attachments":{})"), kInvalidConfig, "valid-attachments is an obj"},
       {config(R"("cni.dev/valid-attachments":[7])"), kInvalidConfig, "valid-attachments[0] is 7"},
       {config(R"("cni.dev/valid-attachments":[{"containerID":"a"}])"), kInvalidConfig, "ifname"},
       {config(R"("cni.dev/valid-attachments":[{"containerID":"a","ifname":7}])"), kInvalidConfig,
        "valid-attachments[0].ifname is 7"}},
      call_of(Verb::kGc));
}

TEST_CASE("a large configuration is read") {
  CHECK(parsed(config(R"("example.com/big":")" + std::string(1U << 20U, 'x') + "\"")).text.size() >
        1U << 20U);
}

TEST_CASE("errors are answered in the configuration's version where there is one") {
  CHECK(version_for_errors(config("", "x", "0.4.0")) == "0.4.0");
  CHECK(version_for_errors(config("", "x", "9.9.9")) == "1.1.0");
  CHECK(version_for_errors("not json") == "1.1.0");
}

}  // namespace
}  // namespace sluice::cni
