"""OpenID Connect sign-in, with the checks that django-allauth leaves out.

`issuer.py` asks the provider (addresses, keys, tokens), `id_tokens.py` believes nothing it says without proof,
`provider.py` tells allauth to use both. `labeler.accounts.people` decides who may sign in.
"""
