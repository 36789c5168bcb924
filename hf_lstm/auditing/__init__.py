"""Find likely label errors, contradicting near-duplicates and overlapping classes in labelled texts."""

from .audit import AUDIT_GROUPS, AuditResult, audit, run_audit

__all__ = ["AUDIT_GROUPS", "AuditResult", "audit", "run_audit"]
