"""The generated messages and stubs of `clarity.v1`; `make gen` writes everything else in this folder."""
