"""What broke others' labeling tools, tried on this one. docs/asvs.md says where each class of attack has its tests."""
