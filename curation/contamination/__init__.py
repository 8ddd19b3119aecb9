"""Contamination: what of benchmarks stands in documents."""

from curation.contamination.contamination import CANARY, Contamination, Found, listed
from curation.contamination.index import Index
from curation.contamination.matching import Rule
from curation.contamination.registry import Item, Registry, load_registry

__all__ = ["CANARY", "Contamination", "Found", "Index", "Item", "Registry", "Rule", "listed", "load_registry"]
