# SPDX-License-Identifier: Apache-2.0
"""Many pods at once, and what is left of them."""

from cluster import remains, workloads
from cluster.case import ClusterTest

PLAIN, WITH_VF = 22, 8
MANY_SECONDS = 180.0


class Burst(ClusterTest):
    def test_thirty_pods_at_once_leave_nothing(self) -> None:
        before = remains.of_attachments(self.cluster)
        self.kubectl.apply(
            workloads.deployment("plain", PLAIN), workloads.deployment("fast", WITH_VF, vfs=1)
        )
        plain = self.await_ready("plain", PLAIN, timeout=MANY_SECONDS)
        fast = self.await_ready("fast", WITH_VF, timeout=MANY_SECONDS)
        self.assertEqual(len({pod.address for pod in plain + fast}), PLAIN + WITH_VF)
        self.require_right_vf(fast)
        during = remains.of_attachments(self.cluster)
        for node, lines in during.items():
            self.assertGreater(len(lines), len(before[node]), f"{node}: nothing is seen there")
        rules = self.rules_of_pods(during) - self.rules_of_pods(before)
        self.assertGreaterEqual(rules, PLAIN + WITH_VF, "the engines' rules aren't seen")

        self.kubectl.delete("deployments", "--all")
        self.kubectl.delete("pods", "--all", "--grace-period=1", timeout=MANY_SECONDS)
        self.await_vfs_at_home()
        self.kubectl.wait(
            "nothing to be left of the pods",
            lambda: remains.of_attachments(self.cluster) == before,
            why_not=lambda: f"before: {before}\nnow: {remains.of_attachments(self.cluster)}",
        )

    @staticmethod
    def rules_of_pods(seen: dict[str, list[str]]) -> int:
        return sum(line.startswith(remains.RULE) for lines in seen.values() for line in lines)
