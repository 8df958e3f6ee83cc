"""Readiness: the prototype-to-production checklist, fed by measured evidence."""
