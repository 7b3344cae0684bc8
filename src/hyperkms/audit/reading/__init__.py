"""The reading side of the record: what stands in the folder, whether it is what was written, and proofs of it.

It knows the files alone (docs/formats.md): no database, no secret, no running service.
"""
