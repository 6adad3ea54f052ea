"""The protocols of the audit, one file each; each registers itself."""
