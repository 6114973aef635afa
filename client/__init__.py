"""The caller's side of the wire: imagery, payload, submit, wait, result, and many of them at once."""
