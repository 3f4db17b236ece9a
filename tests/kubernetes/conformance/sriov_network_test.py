# SPDX-License-Identifier: Apache-2.0
"""Networks as they were written for sriov-cni, unchanged but for where a simulated NIC is found:
`type: sriov` is sluice-cni by another name."""

from cluster import workloads

import networks
from multus_case import MultusTest

SUBNET = "10.57.0.0/24"
NETWORK = "legacy"
MAC = "02:00:00:00:57:01"
MANY = 8
MANY_SECONDS = 120.0


class SriovNetwork(MultusTest):
    def test_vlan_mac_spoofchk_and_trust(self) -> None:
        keys = {"vlan": 100, "vlanQoS": 3, "spoofchk": "off", "trust": "on", "max_tx_rate": 500}
        self.make_network(NETWORK, networks.of_sriov_cni(SUBNET, **keys))
        with_mac, without = self.run_pods(
            networks.pod("with-mac", {"name": NETWORK, "mac": MAC}),
            networks.pod("without", NETWORK),
        )
        of_pf = {"vlan": "100", "qos": "3", "spoof_check": "0", "trust": "1", "max_rate": "500"}
        found = self.require_attached(with_mac, NETWORK)
        self.assertEqual(found.mac, MAC)
        self.assertEqual(self.settings(found), {"admin_mac": MAC, **of_pf})
        other = self.require_attached(without, NETWORK)
        self.assertEqual(self.settings(other), of_pf)
        self.assertNotEqual(found.address, other.address)
        self.kubectl.delete("pods", "--all")
        self.require_nothing_left()

    def test_every_version_that_users_have(self) -> None:
        for version in ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"):
            with self.subTest(version=version):
                name = f"v{version.replace('.', '-')}"
                self.make_network(name, networks.of_sriov_cni(SUBNET, version, vlan=7))
                [pod] = self.run_pods(networks.pod(name, name))
                self.assertEqual(self.settings(self.require_attached(pod, name)), {"vlan": "7"})
                self.kubectl.delete("pod", name)
        self.require_nothing_left()

    def test_a_key_that_sriov_cni_does_not_know(self) -> None:
        # It ignored them, and so networks have them.
        self.make_network(NETWORK, networks.of_sriov_cni(SUBNET, master="ens1f0", if0name="net1"))
        [pod] = self.run_pods(networks.pod("old", NETWORK))
        self.require_attached(pod, NETWORK)
        self.kubectl.delete("pod", "old")
        self.require_nothing_left()

    def test_all_vfs_at_once_and_away_at_once(self) -> None:
        self.make_network(NETWORK, networks.of_sriov_cni(SUBNET, vlan=100))
        self.kubectl.apply(
            networks.on_networks(workloads.deployment("many", MANY, 1, "n1"), NETWORK)
        )
        everyone = self.await_ready("many", MANY, MANY_SECONDS)
        found = [self.require_attached(pod, NETWORK) for pod in everyone]
        self.assertEqual(len({one.device for one in found}), MANY)
        self.assertEqual(len({one.address for one in found}), MANY)
        self.require_all_reach_all(everyone)
        self.kubectl.delete("deployment", "many")
        self.kubectl.delete("pods", "--all", "--grace-period=1", timeout=MANY_SECONDS)
        self.require_nothing_left()
