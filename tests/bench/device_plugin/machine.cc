// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/device_plugin/machine.h"

namespace sluice::bench {
namespace {

// "0x15b3" -> "000015B3"
std::string wide(const std::string& number) {
  std::string digits = number.substr(2);
  for (char& c : digits) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  return std::string(8 - digits.size(), '0') + digits;
}

}  // namespace

std::string modalias(const std::string& vendor, const std::string& device,
                     const std::string& class_code) {
  return "pci:v" + wide(vendor) + "d" + wide(device) + "sv" + wide(vendor) + "sd00000001bc" +
         class_code.substr(2, 2) + "sc" + class_code.substr(4, 2) + "i" + class_code.substr(6, 2);
}

std::unique_ptr<testing::FakeSysfs> make_machine(const std::string& directory, unsigned vfs) {
  auto sysfs = std::make_unique<testing::FakeSysfs>(directory);
  testing::FunctionSpec spec;
  spec.total_vfs = vfs;
  sysfs->add_pf(kPf, "mlx5_core", "p0", spec);
  sysfs->set(kPf, "modalias", modalias("0x15b3", "0x101d", "0x020000"));
  unsigned group = 100;
  for (const auto& vf : sysfs->add_vfs(kPf, vfs, "vfio-pci")) {
    sysfs->set(vf, "modalias", modalias("0x15b3", "0x101e", "0x020000"));
    sysfs->set_iommu_group(vf, std::to_string(group++));
  }
  return sysfs;
}

std::string make_config(unsigned vfs, unsigned pools) {
  std::string list;
  const unsigned each = vfs / pools;
  for (unsigned i = 0; i < pools; ++i) {
    list += (list.empty() ? "" : ",\n  ") + std::string(R"({"resourceName": "pool)") +
            std::to_string(i) + R"(", "selectors": {"pfNames": ["p0#)" + std::to_string(i * each) +
            "-" + std::to_string((i + 1) * each - 1) + R"("]}})";
  }
  return R"({"resourceList": [)" + list + "]}\n";
}

}  // namespace sluice::bench
