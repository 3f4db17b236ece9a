# SPDX-License-Identifier: Apache-2.0
"""What attachments keep on disk while they are there."""

from __future__ import annotations

from pathlib import Path

# Bookkeeping of the node, not of an attachment: lock files, the last address given, the engine's
# facts.
OF_THE_NODE = (".last", ".lock")
FACTS = "node-facts-"


def files_of_attachments(*folders: Path) -> list[str]:
    """Records, addresses, pending and temporary files."""
    return sorted(
        str(path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
        and path.parent.name not in ("locks", "holders")
        and path.name not in OF_THE_NODE
        and not path.name.startswith(FACTS)
    )
