"""Passwords hashed in no time."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Hasher(PBKDF2PasswordHasher):
    """Django's own with a single round instead of a million, so that a server with the real settings knows them too."""

    iterations = 1
