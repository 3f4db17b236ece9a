# SPDX-License-Identifier: Apache-2.0
"""A VF handed to user space: vfio-pci, its IOMMU group, and back."""

from __future__ import annotations

from lane.case import VmTest

# Opens the group as a DPDK program does: container, group, IOMMU, device.
OPEN_GROUP = """
import array, fcntl, os, struct, sys
def vfio(number): return (ord(";") << 8) | (100 + number)
container = os.open("/dev/vfio/vfio", os.O_RDWR)
group = os.open(f"/dev/vfio/{sys.argv[1]}", os.O_RDWR)
status = array.array("I", [8, 0])
fcntl.ioctl(group, vfio(3), status)
fcntl.ioctl(group, vfio(4), struct.pack("i", container))
fcntl.ioctl(container, vfio(2), 3)
device = fcntl.ioctl(group, vfio(6), bytearray(sys.argv[2].encode() + bytes(1)))
print("viable" if status[1] & 1 else "not viable", "device" if device >= 0 else "none")
"""


class VfioTest(VmTest):
    def test_a_vf_is_alone_in_its_group_and_can_be_opened(self) -> None:
        vf = self.guest.make_vfs("pf0", 2)[1]
        self.vm.check("modprobe vfio-pci")
        self.guest.bind_driver(vf, "vfio-pci")
        self.assertEqual(self.guest.driver(vf), "vfio-pci")
        self.assertEqual(self.vm.run(f"test -e {vf.sysfs}/net").status, 1)
        group = self.vm.check(f"basename $(readlink {vf.sysfs}/iommu_group)").strip()
        members = self.vm.check(f"ls {vf.sysfs}/iommu_group/devices").split()
        self.assertEqual(members, [vf.address])
        said = self.vm.check(f"python3 - {group} {vf.address}", stdin=OPEN_GROUP)
        self.assertEqual(said.split("\n")[0], "viable device")

        self.guest.bind_driver(vf)
        self.assertEqual(self.guest.driver(vf), "igbvf")
        self.assertEqual(self.vm.run(f"test -e /dev/vfio/{group}").status, 1)
