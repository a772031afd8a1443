"""Attacks that broke other labeling tools, tried on this one. docs/running/asvs.md lists the tests of each class."""
