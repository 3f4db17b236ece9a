// SPDX-License-Identifier: Apache-2.0
#include "common/nic/driver_binding.h"

#include "common/nic/sysfs.h"

namespace sluice::nic {
namespace {

Status check_driver_name(const std::string& driver) {
  const bool bad = driver.empty() || driver.size() > kMaxName || driver == "." || driver == ".." ||
                   driver.find_first_of(std::string_view("/\0", 2)) != std::string::npos;
  if (!bad) return {};
  return fail(Code::kInvalid, "driver '" + driver.substr(0, 200) +
                                  "' is not allowed; it must have 1 to 255 bytes without '/'");
}

}  // namespace

Status rebind(const os::Root& sysfs, const PciAddress& function, const std::string& driver) {
  SLUICE_CHECK_OK(check_driver_name(driver));
  const std::string name = function.to_string();
  const std::string device = "bus/pci/devices/" + name;
  if (!sysfs.exists(device)) return fail(Code::kNotFound, "function " + name + " is not there");
  const std::string drivers = "bus/pci/drivers/" + driver;
  // Looked at first: without it the function would lose the driver that it has.
  if (!sysfs.exists(drivers + "/bind")) {
    return fail(Code::kNotFound, "driver '" + driver + "' of function " + name + " is not loaded");
  }
  SLUICE_TRY(const auto bound, read_link_name(sysfs, device + "/driver"));
  if (!bound.empty()) SLUICE_CHECK_OK(sysfs.write(device + "/driver/unbind", name));
  auto status = sysfs.write(drivers + "/bind", name);
  if (status) return {};
  return fail(std::move(status).error().with("binding function " + name + " to driver '" + driver +
                                             "', which leaves it without a driver"));
}

}  // namespace sluice::nic
