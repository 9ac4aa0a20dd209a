"""(written at integration)"""
