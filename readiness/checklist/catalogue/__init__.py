"""The catalogue of criteria as versioned data: six YAML files, one per step, and their typed loader."""

from readiness.checklist.catalogue.loader import Catalogue, CatalogueError, current, load
from readiness.checklist.catalogue.schema import Criterion, Fix, Reference, Step

__all__ = ["Catalogue", "CatalogueError", "Criterion", "Fix", "Reference", "Step", "current", "load"]
