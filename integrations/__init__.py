"""The CRMs: one folder each, behind one pair of protocols."""
