"""How people in images are named: the codes that come with them, and the pseudonyms that go out."""
