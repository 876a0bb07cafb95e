"""The dialects: ops, types, what they declare, what verification refuses."""
