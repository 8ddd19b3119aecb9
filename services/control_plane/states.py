"""The diagram of a job's states in the manual, from the one table: `python -m services.control_plane.states`."""

from __future__ import annotations

from services.jobs.states import FINAL, TRANSITIONS


def states_text() -> str:
    """The diagram in mermaid."""
    arrows = [f"    {state} --> {later}" for state, following in TRANSITIONS.items() for later in sorted(following)]
    ends = [f"    {state} --> [*]" for state in sorted(FINAL)]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> QUEUED", *arrows, *ends, "```"]) + "\n"


if __name__ == "__main__":
    print(states_text(), end="")
