"""What readers and admins send us, checked: a file for each of `labeler.views`."""
