# SPDX-License-Identifier: Apache-2.0
"""Pods that ask for nothing, on their own and beside pods with a VF."""

from pathlib import Path

from cluster.case import ClusterTest
from cluster.workloads import PORT

LOOPBACKS = ("127.0.0.1", *(("::1",) if Path("/proc/net/if_inet6").exists() else ()))


class Pods(ClusterTest):
    def test_pods_that_ask_for_nothing(self) -> None:
        everyone = self.run_deployment("plain", 4)
        self.require_both_nodes(everyone)
        self.require_all_reach_all(everyone)
        for pod in everyone:
            for address in LOOPBACKS:
                with self.subTest(pod=pod.name, address=address):
                    ask = f"printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {PORT}"
                    said = self.kubectl.exec(pod.name, "sh", "-c", f"{ask} | tail -n 1")
                    self.assertEqual(said.strip(), pod.name)

    def test_vf_and_veth_pods_side_by_side(self) -> None:
        vf = self.run_deployment("with-vf", 2, vfs=1)
        plain = self.run_deployment("plain", 2)
        for group in (vf, plain):
            self.require_both_nodes(group)
        self.require_all_reach_all(vf + plain)
        self.require_right_vf(vf)
