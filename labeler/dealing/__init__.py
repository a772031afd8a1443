"""Reading lists: dealt to readers, checked, and changed when a reader joins or leaves."""
