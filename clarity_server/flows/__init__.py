"""What is done: verbs over ports, free of protos and vendors."""
