"""Real text found on the machine itself, to try the pipeline on."""

from __future__ import annotations

from curation.sample.harvest import Harvest, Harvested, harvest
from curation.sample.machine import Machine

__all__ = ["Harvest", "Harvested", "Machine", "harvest"]
